"""Models side by side: `susystream models compare`.

In: selectors. Out: what differs in settings, data, code and figures, as a table or JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from susystream.errors import NotFound, SettingsError
from susystream.listing import open_store, store_options

if TYPE_CHECKING:
    from susystream.registry.document import DatasetRecord, ModelSummary
    from susystream.registry.store import ModelStore

_TRAINING = ("seed", "model.", "train.")  # what else a run logs decides nothing about its model
_CHOSEN = ("train.dataset", "train.parent", "train.follow")  # whose ids are told among the data
_LEFT_OUT = ("per_second", "/seconds", "_low", "_high")  # speeds, and the brackets of others
_LONGEST, _DIGEST = 25, re.compile(r"(?:m[12]:)?[0-9a-f]{32,}")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Values = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Compared:
    """Values of each model by name, in the order of the models.

    Attributes:
        models: Their ids.
        settings: Of the network and its training, those that differ.
        data: What identifies the training events and the test sets, where it differs.
        code: Commit, libraries, weights and run, where they differ.
        figures: All of them; None where a model has none of that name.
    """

    models: list[str]
    settings: Values
    data: Values
    code: Values
    figures: Values

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


@click.command("compare")
@click.argument("selectors", nargs=-1, required=True)
@store_options
def compare(
    selectors: tuple[str, ...], home: Path, uri: str | None, database: str, as_json: bool
) -> None:
    """What differs between models: settings, data, code and figures.

    SELECTORS are ids, beginnings of ids, latest, promoted, run:<id>, best:<metric>, or times.
    """
    with open_store(home, uri, database) as store:
        found = stored_comparison(store, selectors)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
    else:
        _check_lettered(found)
        _show(found)


def stored_comparison(store: ModelStore, selectors: Sequence[str]) -> Compared:
    """What differs between the models that selectors name.

    Raises:
        NotFound: There is no such model.
        SettingsError: They are fewer than two.
    """
    chosen = {one.model_id: one for one in map(store.load_model, selectors)}
    if len(chosen) < 2:
        raise SettingsError(
            f"expected at least two models, received {', '.join(chosen) or 'none'}; name another"
        )
    documents = list(chosen.values())
    return compared(documents, [_record(store, one) for one in documents])


def compared(models: Sequence[ModelSummary], records: Sequence[DatasetRecord | None]) -> Compared:
    """What differs between models.

    Args:
        models: At least two.
        records: The data set of each; None where the store does not know it.
    """
    data = _differing(list(zip(models, records, strict=True)), _data)
    return Compared(
        [one.model_id for one in models],
        _differing(models, _settings),
        data | _other_tests(models),
        _differing(models, _code),
        _side_by_side([one.metrics for one in models]),
    )


def _other_tests(models: Sequence[ModelSummary]) -> Values:
    """Sets of one name and different events: figures of such are not comparable."""
    tests = [{name: one["digest"] for name, one in model.test_sets.items()} for model in models]
    return {
        f"test set {name}": digests
        for name, digests in _side_by_side(tests).items()
        if len({one for one in digests if one is not None}) > 1
    }


def _differing(items: Sequence[Any], facts: Callable[[Any], Mapping[str, Any]]) -> Values:
    found = _side_by_side([facts(one) for one in items])
    return {name: values for name, values in found.items() if not _are_equal(values)}


def _side_by_side(each: Sequence[Mapping[str, Any]]) -> Values:
    names = dict.fromkeys(name for one in each for name in one)
    return {name: [one.get(name) for one in each] for name in names}


def _are_equal(values: Sequence[Any]) -> bool:
    return all(value == values[0] for value in values)


def _settings(model: ModelSummary) -> dict[str, Any]:
    from susystream.tracking.tracked_run import flat

    known = flat(model.training.config)
    return {
        name: value
        for name, value in known.items()
        if name.startswith(_TRAINING) and not name.startswith(_CHOSEN)
    }


def _data(one: tuple[ModelSummary, DatasetRecord | None]) -> dict[str, Any]:
    from susystream.stream.slices import TopicSlice

    model, record = one
    found: dict[str, Any] = {
        "dataset_id": model.training.dataset_id,
        "slice": str(TopicSlice.from_json(model.training.slice)),
        "parent_model_id": model.training.parent_model_id,
        "features": list(model.features),
    }
    if record is not None:
        found |= {"rows": record.rows, "digest": record.digest, "codec": record.codec}
        found |= {f"source {name}": value for name, value in record.source.items()}
    return found


def _code(model: ModelSummary) -> dict[str, Any]:
    return {
        "commit": model.code.commit,
        "changed files": model.code.dirty,
        **model.versions,
        "run_id": model.mlflow.run_id,
        "created_at": model.created_at[:19],
        "weights_sha256": model.weights_sha256,
    }


def _record(store: ModelStore, model: ModelSummary) -> DatasetRecord | None:
    try:
        return store.load_dataset(model.training.dataset_id)
    except NotFound:
        return None


def _check_lettered(found: Compared) -> None:
    if len(found.models) > len(_LETTERS):
        raise SettingsError(
            f"expected at most {len(_LETTERS)} models in a table, received {len(found.models)}; "
            "name fewer, or give --json"
        )


def _show(found: Compared) -> None:
    """A table for each part that has something to say."""
    from susystream.stages.console import Console

    console, letters = Console(), _LETTERS[: len(found.models)]
    for letter, model_id in zip(letters, found.models, strict=True):
        console.say(f"{letter}  {model_id}")
    tables = tables_of(found)
    for title, rows in tables.items():
        if rows:
            console.table("", (title, *letters), rows)
        else:
            console.say(f"{title}: none differ")
    if "weights_sha256" not in found.code:
        console.say("weights: equal, bit for bit")
    left = len(found.figures) - len(tables["figures"])
    if left:
        console.say(f"{left} more figures, equal or of one model or speeds: --json has them")


def tables_of(found: Compared) -> dict[str, list[tuple[str, ...]]]:
    """Rows of what differs and tells something, by part: its name, and a cell for each model."""
    figures = {name: each for name, each in found.figures.items() if _is_telling(name, each)}
    parts = {"settings": found.settings, "data": found.data, "code": found.code, "figures": figures}
    return {
        part: [(name, *map(_cell, each)) for name, each in values.items()]
        for part, values in parts.items()
    }


def _is_telling(name: str, values: Sequence[float | None]) -> bool:
    known = [value for value in values if value is not None]
    return len(known) > 1 and len({*known}) > 1 and not name.endswith(_LEFT_OUT)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = "" if value is None else str(value)
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        text = f"{len(value)}: {', '.join(value)}"  # of columns their number tells most
    if _DIGEST.fullmatch(text):
        return f"{text[:12]}…"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
