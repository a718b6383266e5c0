"""The identity of what a command computes: the same hash, the same results.

In: settings, and the store that names in them are looked up in. Out: settings that name exactly
what is meant now, and their hash, which says nothing of where things lie: servers, folders,
addresses and how long they are waited for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from susystream.data.files import is_glob, matching
from susystream.errors import DataError
from susystream.registry.document import canonical_json
from susystream.registry.store import ModelStore
from susystream.settings import EvaluateSettings, Settings, public_config
from susystream.settings.data import FileSet, SliceSet, SusyData, TestSet
from susystream.settings.places import PLACES, is_within
from susystream.settings.training import TrainSettings
from susystream.stages.context import StageContext
from susystream.tracking.label import RECIPE, VARIANT
from susystream.tracking.tracked_run import flat

_OF_NO_FIGURE = (*PLACES, "sweep", "experiment", "repeats")
_LENGTH = 32
_LONGEST_TAG = 8000  # of MLflow
_DATASET = "dataset:"
_REPEATABLE = ("prepare", "publish", "train", "evaluate", "pipeline")
_READS_SOURCE = ("prepare", "publish", "pipeline")
_TESTS = ("evaluate", "pipeline")


def config_hash(settings: Settings) -> str | None:
    """The hash; None for what depends on more than its settings: following, live scoring.

    Args:
        settings: Exact ones. Of the files they name, size and time of change go into the hash.
    """
    if not _is_repeatable(settings):
        return None
    told = flat(public_config(settings))
    plain: dict[str, Any] = {
        name: one for name, one in told.items() if not is_within(name, _OF_NO_FIGURE)
    }
    plain["files"] = [_state(path) for path in _files(settings)]
    return hashlib.sha256(canonical_json(plain).encode()).hexdigest()[:_LENGTH]


def exact_settings(context: StageContext) -> Settings:
    """Settings with ids for what was asked for as `latest` or the like, which may change.

    Raises:
        NotFound: They name nothing.
    """
    settings = context.settings
    if not _is_repeatable(settings):
        return settings
    stage, changed = settings.stage.name, dict[str, Any]()
    if stage in ("train", "pipeline"):
        changed["train"] = _exact_training(settings.train, context, stage)
    if stage in _TESTS:
        changed["evaluate"] = _exact_tests(settings.evaluate, context, stage)
    return settings.model_copy(update=changed)


def recipe_tags(settings: Settings) -> dict[str, str]:
    """By what `susystream report` finds the runs of a recipe."""
    return {RECIPE: settings.experiment.name} if settings.experiment else {}


def variant_tags(variant: Mapping[str, Any] | None) -> dict[str, str]:
    """What a run says of the settings that are not as in its recipe, if anybody knows them."""
    if variant is None:
        return {}
    text = json.dumps(dict(variant), default=str)
    if len(text) > _LONGEST_TAG:
        text = json.dumps({"settings": f"{len(variant)} of them, see config.yaml"})
    return {VARIANT: text}


def _is_repeatable(settings: Settings) -> bool:
    return settings.stage.name in _REPEATABLE and not settings.train.follow


def _exact_training(train: TrainSettings, context: StageContext, stage: str) -> TrainSettings:
    exact: dict[str, Any] = {}
    if stage == "train":
        exact["dataset"] = context.store.load_dataset(train.dataset).dataset_id
    if train.parent:
        exact["parent"] = context.store.load_model(train.parent).model_id
    return train.model_copy(update=exact)


def _exact_tests(tests: EvaluateSettings, context: StageContext, stage: str) -> EvaluateSettings:
    exact: dict[str, Any] = {"sets": _exact_sets(tests, context)}
    if tests.input and tests.input.startswith(_DATASET):
        exact["input"] = _exact_events(tests.input, context.store)
    if stage == "evaluate":
        exact["models"] = tuple(context.store.load_model(one).model_id for one in tests.models)
    return tests.model_copy(update=exact)


def _exact_sets(tests: EvaluateSettings, context: StageContext) -> dict[str, TestSet]:
    if tests.input is not None:  # they are not looked at
        return dict(tests.sets)
    return {
        name: one.model_copy(update={"events": _exact_events(one.events, context.store)})
        if isinstance(one, SliceSet) and one.events.startswith(_DATASET)
        else one
        for name, one in tests.sets.items()
    }


def _exact_events(text: str, store: ModelStore) -> str:
    return _DATASET + store.load_dataset(text.removeprefix(_DATASET)).dataset_id


def _files(settings: Settings) -> Iterator[Path]:
    """What the stage reads of files a person gave."""
    stage, source = settings.stage.name, settings.data
    if stage in _READS_SOURCE and isinstance(source, SusyData) and source.path:
        yield source.path
    if stage in _TESTS:
        given = settings.evaluate.given
        chosen: Iterable[TestSet] = [given] if given else settings.evaluate.sets.values()
        for one in chosen:
            if isinstance(one, FileSet):
                yield from _matching(one.path)


def _matching(path: Path) -> Iterable[Path]:
    try:
        return matching(path) if is_glob(path) else (path,)
    except DataError:  # the stage itself says that none does
        return ()


def _state(path: Path) -> tuple[str, int, int]:
    """Its name, size in bytes and time of change in nanoseconds; zeros where there is none."""
    found = path.stat() if path.is_file() else None
    return (path.name, found.st_size, found.st_mtime_ns) if found else (path.name, 0, 0)
