"""What the names in settings mean now.

In: settings, and the store that names such as `latest` are looked up in. Out: the ids they come to,
and settings that say those instead. A name is told with its kind before it: `dataset:latest`,
`model:best:test/holdout/auc`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from susystream.as_overrides import Keys, with_value
from susystream.errors import NotFound, SettingsError
from susystream.settings import Settings, check_settings
from susystream.settings.named_sets import DATASET, named_sets
from susystream.stages.context import StageContext
from susystream.stages.resuming import is_repeatable

MODEL = "model:"
_TRAINS = ("train", "pipeline")
_TESTS = ("evaluate", "pipeline")


def exact_settings(context: StageContext) -> Settings:
    """The settings of a command with `exact_names`."""
    return with_names(context.settings, exact_names(context))


def exact_names(context: StageContext) -> dict[str, str]:
    """The id of each name in the settings of a command.

    Raises:
        NotFound: It names nothing.
    """
    return {name: _id_of(context, name) for name in names_in(context.settings)}


def names_of_trials(context: StageContext, trials: Sequence[Settings]) -> dict[str, str]:
    """The id of each name in the settings of some trials, each looked up once.

    A name of what is not there yet is left to the trials that need it.

    Raises:
        NotFound: All of them do.
    """
    wanted = [names_in(one) for one in trials]
    found: dict[str, str] = {}
    for name in dict.fromkeys(name for one in wanted for name in one):
        try:
            found[name] = _id_of(context, name)
        except NotFound:
            if all(name in one for one in wanted):
                raise
    return found


def names_in(settings: Settings) -> list[str]:
    """Every name that the stage of these settings would look up, once."""
    found: dict[str, str] = {}
    _naming(settings, lambda name: found.setdefault(name, name))
    return list(found)


def with_names(settings: Settings, exact: Mapping[str, str]) -> Settings:
    """Settings with ids in place of names.

    Args:
        settings: Checked.
        exact: Ids by name; whatever else these settings name stays as it is.

    Raises:
        SettingsError: The models of an ensemble are one model by several names.
    """
    config = settings.model_dump(mode="json")
    for keys, value in named(settings, exact).items():
        config = with_value(config, keys, value)
    _check_ensemble(config["evaluate"])
    return check_settings(config)


def named(settings: Settings, exact: Mapping[str, str]) -> dict[Keys, Any]:
    """The settings that name events or models, with the ids of `exact`; arguments as above."""
    return _naming(settings, lambda name: exact.get(name, name.partition(":")[2]))


def _naming(settings: Settings, id_of: Callable[[str], str]) -> dict[Keys, Any]:
    """The settings that name events or models, with what `id_of` makes of their names."""
    stage, found = settings.stage.name, dict[Keys, Any]()
    if not is_repeatable(settings):
        return found
    if stage == "train":
        found["train", "dataset"] = id_of(DATASET + settings.train.dataset)
    if stage in _TRAINS and settings.train.parent:
        found["train", "parent"] = id_of(MODEL + settings.train.parent)
    if stage == "evaluate":
        found["evaluate", "models"] = [id_of(MODEL + one) for one in settings.evaluate.models]
    if stage in _TESTS:
        for keys, text in named_sets(settings.model_dump(mode="json")).items():
            found[keys] = DATASET + id_of(text)
    return found


def _id_of(context: StageContext, name: str) -> str:
    kind, _, text = name.partition(":")
    if f"{kind}:" == MODEL:
        return context.store.model_id_of(text)
    return context.store.load_dataset(text).dataset_id


def _check_ensemble(chosen: Mapping[str, Any]) -> None:
    ids = list(dict.fromkeys(chosen["models"]))
    if chosen["ensemble"] and len(ids) < 2:
        raise SettingsError(
            f"expected at least two models with evaluate.ensemble={chosen['ensemble']}, received "
            f"{ids[0]} by every name; name another"
        )
