"""What a command sets otherwise than its recipe does.

In: the configuration of a job or of a sweep. Out: {dotted name: value}, empty for the recipe as it
stands; so that `susystream report` does not take a variant for the recipe.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import hydra as hydra_api
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from susystream.as_overrides import key_of
from susystream.differences import differences_of
from susystream.settings.places import PLACES, is_within
from susystream.sweeping.given import typed_words
from susystream.sweeping.space import swept, without_hydra
from susystream.typed_names import name_of

_RECIPE = "experiment"
_OF_NO_FIGURE = (
    *(*PLACES, _RECIPE, "sweep", "repeats"),
    # names under which the same is done once more, and what the stage's own tag says
    *("stream.topic", "train.following.chain", "train.follow", "train.following.poll_seconds"),
)
_CHOICES = {"stage": "stage", "hydra/sweeper": "hydra.sweeper"}  # that `differences` leaves out


def variant_of(config: DictConfig, hydra: Any, *, sweep: bool = False) -> dict[str, Any] | None:
    """What differs from the recipe, without secrets; None where there is no recipe.

    What the recipe sweeps over differs in the sweep only: a trial may have any value of it, and
    what that value makes of other settings.

    Args:
        config: Of a job, or what the trials of a sweep share.
        hydra: Hydra's own part of it.
        sweep: Whether it is of a sweep.
    """
    recipe = OmegaConf.select(config, f"{_RECIPE}.name")
    usual = None if recipe is None else _usual(str(recipe))
    if usual is None:
        return None
    config, made = without_hydra(config), {**hydra.runtime.choices, _RECIPE: str(recipe)}
    ours, usually = swept(hydra), swept(usual.hydra)
    given = [] if sweep else _of_trial(hydra, usually)
    # a group's choice is told as a difference, whatever is composed of it
    chosen = [name_of(one) for one in given]
    found = {
        name: value
        for name, value in differences_of(config, made=made, beside=given).items()
        if not is_within(name, _OF_NO_FIGURE) and name not in chosen
    }
    if sweep:
        found |= _otherwise_swept(ours, usually, config)
    return found | _otherwise_chosen(made, usual, hydra)


def _usual(recipe: str) -> DictConfig | None:
    """What the recipe alone composes; none of a name that no recipe has."""
    try:
        return hydra_api.compose(
            "config", overrides=[f"{_RECIPE}={recipe}"], return_hydra_config=True
        )
    except HydraException:
        return None


def _of_trial(hydra: Any, swept_over: Collection[str]) -> list[str]:
    """The overrides that set what the recipe sweeps over, as the sweeper gave them to a trial."""
    if _mode(hydra) != RunMode.MULTIRUN.name:
        return []
    return [one for one in typed_words(hydra) if key_of(one) in swept_over]


def _otherwise_swept(
    ours: Mapping[str, str], usually: Mapping[str, str], config: DictConfig
) -> dict[str, Any]:
    """Swept settings with their values as typed; one that is not swept with its only value."""
    return {
        name: ours.get(name, OmegaConf.select(config, name))
        for name in {**usually, **ours}
        if ours.get(name) != usually.get(name)
    }


def _otherwise_chosen(made: Mapping[str, Any], usual: DictConfig, hydra: Any) -> dict[str, str]:
    """The stage, the sweeper, and whether there is a sweep at all."""
    ours = {name: made.get(group) for group, name in _CHOICES.items()}
    usually = {name: usual.hydra.runtime.choices.get(group) for group, name in _CHOICES.items()}
    ours["hydra.mode"], usually["hydra.mode"] = _mode(hydra), _mode(usual.hydra)
    return {name: str(one) for name, one in ours.items() if one != usually[name]}


def _mode(hydra: Any) -> str:
    return RunMode(hydra.mode or RunMode.RUN).name
