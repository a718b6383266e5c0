"""Which test set a text means for a stored model.

In: the settings, a model, the name of a test set or what `evaluate.input` takes. Out: the set, as
settings: the model's own of that name, unless an override changed it.
"""

from __future__ import annotations

import glob
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from susystream.data.files import is_glob
from susystream.errors import DataError, SettingsError
from susystream.registry.document import ModelDocument
from susystream.settings import EvaluateSettings, Settings
from susystream.settings.data import FileSet, SliceSet, TestSet, checked_input, given_set


@dataclass(frozen=True, slots=True)
class WantedSet:
    """A test set to be opened.

    Attributes:
        name: By which it was asked for; None: by its place.
        events: What it is.
    """

    name: str | None
    events: TestSet

    @property
    def reads_the_stream(self) -> bool:
        """Whether it is events in Kafka."""
        return isinstance(self.events, SliceSet)


def wanted_set(
    settings: Settings, document: ModelDocument, text: str, *, stated: Collection[str] = ()
) -> WantedSet:
    """The test set that a text means.

    Args:
        settings: They name sets beside the model's own.
        document: The model.
        text: A name, or a file, a glob, `dataset:…` or `slice:…`.
        stated: Names of sets that are those of the settings, whatever the model's own are.

    Raises:
        SettingsError: There is no such set.
        DataError: It is a file that is neither in the current folder nor beside the home.
    """
    own = {name: one for name, one in _own_sets(document).items() if name not in stated}
    known = {**settings.evaluate.sets, **own}
    if text not in known:
        return WantedSet(None, _given(text, known))
    chosen = known[text]
    if chosen is None:
        raise SettingsError(
            f"expected test set {text} as model {document.model_id} was trained with it, received "
            "a form that this version does not know; name another"
        )
    if isinstance(chosen, FileSet):
        chosen = chosen.model_copy(update={"path": _found(text, chosen.path, settings.home)})
    return WantedSet(text, chosen)


def _given(text: str, known: Collection[str]) -> TestSet:
    try:
        checked_input(text)
    except ValueError as error:
        raise SettingsError(f"test set {text!r}: {error}") from None
    given = given_set(text)
    no_file = isinstance(given, FileSet) and not is_glob(given.path) and not given.path.exists()
    if no_file or not text:  # which would be the current folder
        raise SettingsError(
            f"expected a test set out of {', '.join(known)}, a file, a glob, dataset:… or slice:…, "
            f"received {text!r}; name one of these"
        )
    return given


def _own_sets(document: ModelDocument) -> dict[str, TestSet | None]:
    """Those of the configuration the model was trained with; an imported one may have none.

    One in a form that is not known is None: today's set of that name has other events.
    """
    config: dict[str, Any] = dict(document.training.config)
    try:
        stated = dict(config["evaluate"]["sets"])
    except (KeyError, TypeError, ValueError):
        return {}
    return {str(name): _own_set(str(name), one) for name, one in stated.items()}


def _own_set(name: str, stated: object) -> TestSet | None:
    try:
        return EvaluateSettings.model_validate({"sets": {name: stated}}).sets[name]
    except ValidationError:
        return None


def _found(name: str, path: Path, home: Path) -> Path:
    """A file or glob in the current folder, as the commands take it, or beside the home.

    There a chain had its current folder, unless its home was set to be elsewhere.
    """
    beside = home.absolute().parent
    for one in (path, beside / path):
        if one.exists() or any(glob.iglob(str(one), recursive=True)):  # noqa: PTH207
            return one
    places = "" if path.is_absolute() else f" in {Path.cwd()} or {beside}"
    raise DataError(
        f"expected test set {name} at {path}{places}, received none; start where the chain ran, or "
        "name the file itself in place of the set"
    )
