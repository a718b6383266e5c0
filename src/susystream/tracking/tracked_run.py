"""What a stage logs while its run is open.

In: settings, figures, files, data sets. Out: entries as MLflow takes them, into the outbox.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susystream.disclosure import public_text
from susystream.errors import TrackingError
from susystream.tracking.entries import Entry, Kind
from susystream.tracking.label import NOTE
from susystream.tracking.lineage import dataset_input
from susystream.tracking.outbox import Outbox
from susystream.tracking.precedence import Precedence

if TYPE_CHECKING:
    from susystream.plots.style import Figure

_LONGEST_PARAM = 6000
_LONGEST_TAG = 8000
_LONGEST_NAME = 250
_FOREIGN = re.compile(r"[^\w.\-/ :]", re.ASCII)  # what MLflow refuses in a name


class TrackedRun:
    """An open run; `Tracker.run` makes it. Every method raises TrackingError, nothing else.

    While the server is away nothing is raised: what is logged is kept, and sent when it is back.

    Args:
        outbox: Where entries go.
        run_id: Of the run.
        experiment: As below.
        pictures: Whether it gets those that are logged.
        own: Whether this process opened it.
        whose: As of `Entry`.

    Attributes:
        run_id: MLflow's id of the run.
        experiment: The name of the experiment it lies in, which `mlflow run` may have chosen.
    """

    def __init__(
        self,
        outbox: Outbox,
        run_id: str,
        *,
        experiment: str,
        pictures: bool = True,
        own: bool = True,
        whose: str = "",
    ) -> None:
        self.run_id, self.experiment, self._pictures = run_id, experiment, pictures
        self._own, self._whose = own, whose
        self._outbox, self._precedence = outbox, Precedence()

    def log_params(self, config: Mapping[str, Any], *, known: Mapping[str, str]) -> None:
        """The resolved configuration, nested names joined by dots.

        A name that is taken with another value (`mlflow run` logged the parameter as typed, an
        override changed it) goes under `config.<name>`: a param never changes.

        Args:
            config: Nested values.
            known: What the run has already.
        """
        self._put("params", new_params(flat(config), known))

    def log_metrics(
        self, metrics: Mapping[str, float], *, step: int | None = None, beside: bool = False
    ) -> None:
        """Figures of one moment, at a step (0 if none is given); `beside` as in `log_points`."""
        self.log_points([(name, value, step or 0) for name, value in metrics.items()], beside)

    def log_points(self, points: Sequence[tuple[str, float, int]], beside: bool = False) -> None:
        """Figures of many steps at once, as (name, value, step).

        Args:
            points: Of this moment.
            beside: Whether they only accompany the run: those wait for its first own figures,
                for the first of them that comes after ten minutes, or for its end.
        """
        now = int(time.time() * 1000)
        found = [[safe_name(name), float(value), now, step] for name, value, step in points]
        self._put("metrics", self._precedence.passed(found, beside=beside))

    def finish_metrics(self) -> None:
        """Sends what only accompanied a run that had no figures of its own."""
        self._put("metrics", self._precedence.rest())

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Tags; a later value replaces an earlier one."""
        self._put("tags", {safe_name(k): str(v)[:_LONGEST_TAG] for k, v in tags.items()})

    def set_note(self, markdown: str) -> None:
        """The run's description in the UI; a later one replaces an earlier one."""
        text = public_text(markdown)
        if len(text) > _LONGEST_TAG:  # whole lines
            text = text[: _LONGEST_TAG - 2].rpartition("\n")[0] + "\n…"
        self.set_tags({NOTE: text})

    def log_artifact(self, path: Path) -> None:
        """A file, under its own name."""
        self._put("file", None, path)

    def log_artifact_text(self, name: str, text: str) -> None:
        """A text under a name."""
        self._put_made(name, lambda path: path.write_text(text, encoding="utf-8"))

    def log_figure(self, name: str, draw: Callable[[], Figure]) -> None:
        """A picture; where none are wanted, it is not drawn.

        Args:
            name: Its ending says the format: `.png`, `.svg`.
            draw: Called at once, or not at all.
        """
        if self._pictures:
            self._put_made(name, lambda path: draw().savefig(path, dpi=120))

    def log_dataset(self, name: str, facts: Mapping[str, Any], *, context: str) -> None:
        """Events as an input of the run: a slice by its exact offsets, or other events."""
        self._put("input", dataset_input(name, facts, context=context).to_dictionary())

    def end(self, status: str) -> None:
        """Says how the run ended: FINISHED, FAILED or KILLED; now, whenever that arrives."""
        self._put("end", {"status": status, "time": int(time.time() * 1000)})

    def _put_made(self, name: str, make: Callable[[Path], object]) -> None:
        folder = os.path.dirname(name)  # noqa: PTH120  # an artifact path, not a file
        with _scratch(name) as path:
            make(path)
            self._put("file", folder or None, path)

    def _put(self, kind: Kind, data: Any, file: Path | None = None) -> None:
        if data or file is not None:
            entry = Entry(self.run_id, kind, data, file, self._own, self._whose)
            self._outbox.put(entry)


@contextmanager
def _scratch(name: str) -> Iterator[Path]:
    """A place for a file that is made to be sent."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / Path(name).name
    except OSError as error:
        raise TrackingError(
            f"expected room for {name} in the folder for temporary files, received: {error}; "
            "free disk space, or name another folder (TMPDIR)"
        ) from error


def new_params(config: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
    """The params still to be logged, as MLflow takes them."""
    found: dict[str, str] = {}
    for name, value in config.items():
        key, text = safe_name(name), str(value)[:_LONGEST_PARAM]
        if known.get(key, text) != text:
            key = safe_name(f"config.{name}")
        if key not in known:
            found[key] = text
    return found


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} as {"a.b": 1}; an empty group keeps its name."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            found.update(flat(value, f"{prefix}{name}."))
        else:
            found[f"{prefix}{name}"] = value
    return found


def safe_name(name: str) -> str:
    """The name with every character MLflow refuses replaced by `_`.

    Example:
        >>> safe_name("rejection@0.5")
        'rejection_0.5'
    """
    return _FOREIGN.sub("_", str(name))[:_LONGEST_NAME]


def as_yaml(config: Mapping[str, Any]) -> str:
    """The configuration as a person would write it."""
    import yaml

    return str(yaml.safe_dump(dict(config), sort_keys=False))
