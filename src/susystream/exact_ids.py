"""What a logged run chose by name, told by its id.

In: a run, and the stage that repeats it. Out: ids in place of `latest` and the like, which name
something else by now; and which of those names the run ended too early to say the ids of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import JsonValue

from susystream.as_overrides import Keys, at
from susystream.settings.named_sets import DATASET, INPUT, named_sets
from susystream.tracking.recorded_run import CHAIN, RecordedRun

_BROKEN = "error"  # the tag of a run that did not come to its end
_ID = re.compile(r"[a-z]\d{8}-\d{9}-[0-9a-z]{5}")


def exact_ids(run: RecordedRun, stage: str) -> dict[Keys, JsonValue]:
    """Settings by their keys that say exactly what the run took.

    Args:
        run: As it was logged.
        stage: The stage to repeat: the run's own, or a step of its chain.
    """
    tags, found = run.tags, dict[Keys, JsonValue]()
    if stage == "train" and "dataset_id" in tags:
        found["train", "dataset"] = tags["dataset_id"]
    if "parent_model_id" in tags:
        found["train", "parent"] = tags["parent_model_id"]
    if stage == "evaluate" and "model_id" in tags:
        found["evaluate", "models"] = list(tags["model_id"].split(","))
    if stage == "evaluate" and _is_chain(run):
        found["evaluate", "ensemble"] = None  # as a chain does, which tests one model
    return found | _data_sets(run)


def never_said(run: RecordedRun, stage: str) -> dict[Keys, str]:
    """Settings that name something by other than its id, of which the run logged no id.

    Returns:
        What was typed, by the keys of the setting.
    """
    known = exact_ids(run, stage)
    return {
        keys: text
        for keys, text in _names(run, stage)
        if keys not in known and not all(map(_ID.fullmatch, _parts(text)))
    }


def _parts(text: str) -> list[str]:
    """Several models are named at once."""
    return text.removeprefix(DATASET).split(",")


def _data_sets(run: RecordedRun) -> dict[Keys, JsonValue]:
    """The data sets to test on; what is typed in place of all sets is called as it is."""
    found = dict[Keys, JsonValue]()
    for keys in named_sets(run.config):
        known = run.data_sets.values() if keys == INPUT else [run.data_sets.get(keys[2])]
        if dataset_id := next(iter(known), None):
            found[keys] = f"{DATASET}{dataset_id}"
    return found


def _names(run: RecordedRun, stage: str) -> Iterator[tuple[Keys, str]]:
    """What a stage takes by a name, where a run may end before it says what that was."""
    if stage in ("evaluate", CHAIN):
        yield from named_sets(run.config).items()
    if not (_is_chain(run) or _BROKEN in run.tags):
        return  # it said what it took when it began
    if at(run.config, "train.follow"):
        return  # a follower begins anew with what is there
    parent = at(run.config, "train.parent")
    if stage in ("train", CHAIN) and parent is not None:
        yield ("train", "parent"), str(parent)
    if stage == "train":
        yield ("train", "dataset"), str(at(run.config, "train.dataset"))
    if stage == "evaluate":
        yield ("evaluate", "models"), ",".join(at(run.config, "evaluate.models") or ())


def _is_chain(run: RecordedRun) -> bool:
    return run.tags.get("stage") == CHAIN
