"""The identity of what a command computes: the same hash, the same results.

In: settings that name exactly what is meant. Out: their hash, which says nothing of where things
lie: servers, folders, addresses and how long they are waited for; and the tags of runs by which
they are found.
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
from susystream.settings import Settings, public_config
from susystream.settings.data import FileSet, SusyData, TestSet
from susystream.settings.places import PLACES, is_within
from susystream.stages.resuming import is_repeatable
from susystream.tracking.label import CONFIG_HASH, RECIPE, VARIANT
from susystream.tracking.tracked_run import flat

_OF_NO_FIGURE = (*PLACES, "sweep", "experiment", "repeats")
_LENGTH = 32
_LONGEST_TAG = 8000  # of MLflow
_READS_SOURCE = ("prepare", "publish", "pipeline")
_TESTS = ("evaluate", "pipeline")


def config_hash(settings: Settings) -> str | None:
    """The hash; None for what depends on more than its settings: following, live scoring.

    Args:
        settings: Exact ones. Of the files they name, size and time of change go into the hash.
    """
    if not is_repeatable(settings):
        return None
    told = flat(public_config(settings))
    plain: dict[str, Any] = {
        name: one for name, one in told.items() if not is_within(name, _OF_NO_FIGURE)
    }
    plain["files"] = [_state(path) for path in _files(settings)]
    return hashlib.sha256(canonical_json(plain).encode()).hexdigest()[:_LENGTH]


def recipe_tags(settings: Settings) -> dict[str, str]:
    """By what `susystream report` finds the runs of a recipe."""
    return {RECIPE: settings.experiment.name} if settings.experiment else {}


def command_tags(settings: Settings) -> dict[str, str]:
    """What the run of a command bears: its recipe, and the hash of its exact settings."""
    identity = config_hash(settings)
    return recipe_tags(settings) | ({CONFIG_HASH: identity} if identity else {})


def variant_tags(variant: Mapping[str, Any] | None) -> dict[str, str]:
    """What a run says of the settings that are not as in its recipe, if anybody knows them."""
    if variant is None:
        return {}
    text = json.dumps(dict(variant), default=str)
    if len(text) > _LONGEST_TAG:
        text = json.dumps({"settings": f"{len(variant)} of them, see config.yaml"})
    return {VARIANT: text}


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
