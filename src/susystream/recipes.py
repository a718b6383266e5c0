"""Recipes (`conf/experiment`) beside the parameters of an entry point.

In: what MLproject makes of its parameters, and the overrides a person gave. Out: nothing, or one
line where the two disagree. Hydra lets `key=value` win over an experiment file, and `mlflow run`
gives every parameter of an entry point such a value, asked or not: a recipe would be overruled
without a word, and the run would be recorded with parameters that were not the recipe's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import hydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from susystream.as_overrides import pairs
from susystream.errors import SettingsError
from susystream.known_settings import config_folder

_CHAIN = "pipeline"  # the stage of whoever named none


def check_recipe(parameters: Sequence[str], overrides: Sequence[str]) -> None:
    """Refuses a recipe that an entry point's parameters would overrule.

    Args:
        parameters: Overrides made of an entry point's parameters.
        overrides: What its parameter `overrides` holds; they come last, so they always win.

    Raises:
        SettingsError: Naming the settings and both values.
    """
    fixed, given = pairs(parameters), pairs(overrides)
    recipes = given.get("experiment", fixed.pop("experiment", "null"))
    settings = {key: value for key, value in fixed.items() if key not in given}
    if settings.get("stage", _CHAIN) != _CHAIN:  # the entry point's own, by which it was chosen
        settings.pop("stage")
    for recipe in () if recipes == "null" else recipes.split(","):  # a sweep over several
        try:
            default = composed_values([], settings)
            wanted = composed_values([f"experiment={recipe}"], settings)
        except HydraException:  # no such recipe: the run itself says it, with those there are
            return
        lost = [key for key in settings if wanted[key] not in (default[key], settings[key])]
        if lost:
            raise SettingsError(
                f"expected {_listed(wanted, lost)} as in the recipe {recipe}, received "
                f"{_listed(settings, lost)} as parameters beside it; give the parameters the "
                "recipe's values (-P), or name the values in overrides too"
            )


def _listed(values: Mapping[str, str], keys: Iterable[str]) -> str:
    return " and ".join(f"{key}={values[key]}" for key in keys)


def composed_values(overrides: Sequence[str], keys: Iterable[str]) -> dict[str, str]:
    """What is composed for each setting; for a group, the choice; of a sweep, what it spans."""
    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = hydra.compose("config", overrides=list(overrides), return_hydra_config=True)
    choices, swept = config.hydra.runtime.choices, spans(config)
    return {
        key: str(swept.get(key) or choices.get(key) or OmegaConf.select(config, key))
        for key in keys
    }


def spans(config: DictConfig) -> dict[str, str]:
    """What a recipe sweeps over; an override of such a setting wins over it."""
    if config.hydra.mode != RunMode.MULTIRUN:
        return {}
    return {str(key): str(value) for key, value in (config.hydra.sweeper.params or {}).items()}
