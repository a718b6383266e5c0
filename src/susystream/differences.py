"""What of a composed configuration somebody chose: the rest is as `conf/` composes it.

In: the configuration of a running job. Out: {dotted name: value} of what differs, without secrets.
A group's or a recipe's choice is one difference; the values that come with it are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from susystream.disclosure import public_settings

_RECIPE = "experiment"
_NOT_OURS = ("hydra", "stage")  # how Hydra works, and which step: a run's name begins with that
_OF_SETTINGS = re.compile(r"\$\{[\w.]+\}")  # not of the environment, which nothing else tells
LEFT_OUT = "(left out)"


def differences(config: DictConfig) -> dict[str, Any]:
    """What differs from the composed defaults, in the order of the configuration.

    Args:
        config: Of the job that runs: Hydra knows its choices.
    """
    return differences_of(config, made=HydraConfig.get().runtime.choices)


def differences_of(
    config: DictConfig, *, made: Mapping[str, Any], beside: Sequence[str] = ()
) -> dict[str, Any]:
    """The same of a configuration that was composed of choices.

    Args:
        config: Of a job or of a sweep.
        made: The choices, group by group.
        beside: Overrides that count as defaults, with all that is interpolated from them.
    """
    try:
        chosen, plain = _choices(made, beside)
    except HydraException:  # a choice that conf/ does not have alone, as of `+group=`: by values
        chosen, plain = {}, hydra.compose("config")
    ours, defaults = dict(_leaves(_public(config))), dict(_leaves(_public(plain)))
    found = {
        name: value
        for name, value in ours.items()
        if name not in defaults or defaults[name] != value
    }
    found |= {_gone(name, ours): LEFT_OUT for name in defaults if name not in ours}
    made_of = _interpolated(config), _interpolated(plain)
    return chosen | {
        name: value
        for name, value in found.items()
        if _is_ours(name) and not _follows(name, *made_of)
    }


def _interpolated(config: DictConfig) -> dict[str, Any]:
    """Leaves as they were written."""
    return dict(_leaves(OmegaConf.to_container(config, resolve=False)))  # type: ignore[arg-type]


def _follows(name: str, ours: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    """Whether a value is made of other settings just as by default: those are the difference."""
    written = ours.get(name)
    made = isinstance(written, str) and _OF_SETTINGS.search(written) is not None
    return made and written == defaults.get(name)


def _choices(made: Mapping[str, Any], beside: Sequence[str]) -> tuple[dict[str, str], DictConfig]:
    """Choices that differ, and what would be composed of them and nothing else."""
    stage = f"stage={made['stage']}"
    recipe = made.get(_RECIPE)
    first = [stage] if recipe in (None, "null") else [stage, f"{_RECIPE}={recipe}"]
    usual = hydra.compose("config", overrides=first, return_hydra_config=True)
    known = usual.hydra.runtime.choices
    other = {
        group: str(made[group])
        for group in known
        if _is_ours(group) and group != _RECIPE and made.get(group) != known[group]
    }
    words = [*first, *(f"{group}={one}" for group, one in other.items())]
    told = {} if len(first) == 1 else {_RECIPE: str(recipe)}
    told |= {group.replace("/", "."): one for group, one in other.items()}
    return told, hydra.compose("config", overrides=[*words, *beside])


def _is_ours(name: str) -> bool:
    return name.replace("/", ".").partition(".")[0] not in _NOT_OURS


def _gone(name: str, ours: Mapping[str, Any]) -> str:
    """The outermost group of a name that is not there any more."""
    parts = name.split(".")
    groups = (".".join(parts[:size]) for size in range(1, len(parts)))
    left = [group for group in groups if not any(one.startswith(f"{group}.") for one in ours)]
    return left[0] if left else name


def _public(config: DictConfig) -> dict[str, Any]:
    plain = OmegaConf.to_container(config, resolve=True)
    return public_settings({str(key): value for key, value in dict(plain).items()})  # type: ignore[arg-type]


def _leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values, depth first; an empty group is a value."""
    for name, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
