"""What tells runs apart: their names, and the settings they are compared by.

In: settings, what of them is not as usual, a stage. Out: a short name, the params of the run. Only
what the stage reads counts: by the others two runs that did the same would look different, and
MLflow's parallel coordinates open with the first three params that differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from susystream.registry.document import DatasetRecord
from susystream.settings.places import PLACES, is_within
from susystream.stages.context import StageContext
from susystream.tracking.tracked_run import flat

_CHAIN = ("seed", "data", "stream", "model", "train", "evaluate")
_TRAINED = ("seed", "model", "train", "stream.reader")
_READ = {
    "prepare": ("seed", "data"),
    "publish": ("seed", "data", "stream"),
    "train": _TRAINED,
    "follow": _TRAINED,
    "evaluate": ("seed", "evaluate"),
    "score": ("stream", "score"),
    "pipeline": _CHAIN,
}
_BEHIND = {"prepare": 2, "publish": 3, "train": 5, "evaluate": 6}  # of the chain, each with its own
_RECIPE = "experiment"
_HOW_FOLLOWED = (  # how long, which changes no figure
    *("train.follow", "train.following.poll_seconds", "train.following.idle_seconds"),
    "train.following.slices",
)
# the ids that they come to are in tags and data set inputs
_SELECTORS = ("train.dataset", "evaluate.models", "score.model")
_UNTOLD = (*PLACES, *_HOW_FOLLOWED, *_SELECTORS)
_PARENTS = ("train.parent", "train.following.since")
_FOLLOWING = ("train.following",)
_LONGEST_VALUE = 24
_ESCAPED = re.compile(r"\\([\\()\[\]{}:=, \t])")  # what Hydra's grammar lets stand so
_LONGEST_NAME = 80  # more would not fit one line above the run


def differing(context: StageContext, stage: str, *, within_a_chain: bool) -> dict[str, Any]:
    """What is not as usual and matters to a stage; in a chain, to what came before it too."""
    read = _READ[stage]
    if within_a_chain:
        read = _CHAIN[: _BEHIND.get(stage, 0)] or read
    elif stage != "pipeline":  # which bears the name of its recipe
        read = (_RECIPE, *read)
    return {
        name: value
        for name, value in (context.differs or {}).items()
        if is_within(name, read) and not is_within(name, _UNTOLD)
    }


def run_name(what: str, usually: str, different: Mapping[str, Any]) -> str:
    """A name: what is done, and then what is different, or what is usual.

    The beginning tells most: MLflow's table shows some twenty characters.

    Example:
        >>> run_name("train", "report_mlp", {"seed": 2, "train.epochs": 3, "model.hidden": [9, 9]})
        'train: seed=2, epochs=3, model.hidden=[9,9]'
        >>> run_name("train", "report_mlp", {})
        'train report_mlp'
    """
    stage = what.partition(" ")[0]
    name = ""
    for key, value in different.items():
        more = f"{key.removeprefix(stage + '.')}={shown(value)}"
        if len(what) + len(name) + len(more) > _LONGEST_NAME:
            return f"{what}: {name}, …" if name else f"{what}: …"
        name += f", {more}" if name else more
    return f"{what}: {name}" if name else f"{what} {usually}".strip()


def shown(value: Any) -> str:
    """A setting's value, short; of a path only the last part."""
    if isinstance(value, list | tuple):
        text = f"[{','.join(map(str, value))}]"
    elif isinstance(value, bool) or value is None:
        text = json.dumps(value)
    else:
        text = str(value)
    if text.startswith("/"):
        text = PurePath(text).name
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def typed_plainly(value: str) -> str:
    r"""A value of a sweep without the marks of Hydra's grammar: quotes around it, backslashes.

    Example:
        >>> typed_plainly(r"slice\:q1/0\:0-10"), typed_plainly("'name:toy'"), typed_plainly("[8,8]")
        ('slice:q1/0:0-10', 'name:toy', '[8,8]')
    """
    mark = value[:1]
    if len(value) > 1 and mark in ("'", '"') and value.endswith(mark):
        return value[1:-1].replace(f"\\{mark}", mark)
    return _ESCAPED.sub(r"\1", value)


def end_of(identity: str) -> str:
    """What tells an id from another of the same day, short enough for a name.

    Example:
        >>> end_of("m20261126-024851417-rdf54")
        'rdf54'
    """
    return identity.rpartition("-")[2]


def dataset_title(record: DatasetRecord) -> str:
    """A data set as MLflow's UI shows it."""
    return f"{record.name} {record.dataset_id}"


def read_by(stage: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings a stage reads, by dotted name: the params of its run.

    Args:
        stage: Its name.
        config: The whole configuration without secrets, as plain data.
    """
    left_out = (*_UNTOLD, *_PARENTS, *(() if stage == "follow" else _FOLLOWING))
    return {
        name: value
        for name, value in flat(config).items()
        if is_within(name, _READ[stage]) and not is_within(name, left_out)
    }
