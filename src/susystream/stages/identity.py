"""The identity of what a command computes: the same hash, the same results.

In: settings, and the store that names in them are looked up in. Out: a hash that says nothing of
where things lie: servers, folders, addresses and how long they are waited for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from susystream.registry.document import canonical_json
from susystream.settings import Settings, public_config
from susystream.settings.places import PLACES, is_within
from susystream.stages.context import StageContext
from susystream.tracking.label import RECIPE, VARIANT
from susystream.tracking.tracked_run import flat

_OF_NO_FIGURE = (*PLACES, "sweep", "experiment", "repeats")
_LENGTH = 32
_LONGEST_TAG = 8000  # of MLflow
REPEATABLE = ("prepare", "publish", "train", "evaluate", "pipeline")


def config_hash(context: StageContext) -> str | None:
    """The hash; None for what depends on more than its settings: following, live scoring.

    `train.dataset`, `train.parent` and `evaluate.models` may name what came last: what they name
    now goes into the hash instead of them.

    Raises:
        NotFound: They name nothing.
    """
    settings = context.settings
    stage = settings.stage.name
    if stage not in REPEATABLE or settings.train.follow:
        return None
    config = public_config(settings)
    _name_exactly(config, context)
    told = flat(config)
    plain = {name: one for name, one in told.items() if not is_within(name, _OF_NO_FIGURE)}
    return hashlib.sha256(canonical_json(plain).encode()).hexdigest()[:_LENGTH]


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


def _name_exactly(config: dict[str, Any], context: StageContext) -> None:
    """Puts ids in place of what stands for them now."""
    settings = context.settings
    stage, train = settings.stage.name, config["train"]
    if stage == "train":
        train["dataset"] = context.store.load_dataset(settings.train.dataset).dataset_id
    if stage in ("train", "pipeline") and settings.train.parent:
        train["parent"] = context.store.load_model(settings.train.parent).model_id
    if stage == "evaluate":
        chosen = [context.store.load_model(one).model_id for one in settings.evaluate.models]
        config["evaluate"]["models"] = chosen
