"""What was typed of a sweep, and what of it counts.

In: Hydra's part of a multirun's configuration. Out: overrides, in the order in which Hydra applies
them. An option of a group and a mapping for it are two settings of one name: Hydra takes the
option and then merges the mapping, so neither replaces the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from omegaconf import DictConfig, OmegaConf

from susystream.errors import SettingsError


def typed_words(hydra: Any) -> list[str]:
    """The overrides of a command or a trial as they were given.

    What they take from elsewhere (`${seed}`, `${oc.env:…}`) is not looked up: each trial does that.
    """
    found = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    return [str(one) for one in found] if isinstance(found, list) else []


def overrides_of(hydra: DictConfig) -> list[Override]:
    """Of the sweeper's space and of the command line, which wins, those that count.

    Raises:
        SettingsError: A setting is swept, and typed once more in a way that both count.
    """
    found = OmegaConf.to_container(hydra.sweeper, resolve=True)
    params: Mapping[object, object] = (found.get("params") or {}) if isinstance(found, dict) else {}
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    given = parser.parse_overrides([f"{name}={value}" for name, value in params.items()])
    counted = that_count([*given, *parser.parse_overrides(typed_words(hydra))])
    _check_apart(counted)
    return counted


def that_count(overrides: Iterable[Override]) -> list[Override]:
    """All but those that a later one replaces; a mapping adds to what is there."""
    given = list(overrides)
    return [
        one
        for at, one in enumerate(given)
        if not any(_replaces(later, one) for later in given[at + 1 :])
    ]


def name_of(override: Override) -> str:
    """The setting, without the sign that adds it."""
    return override.get_key_element().lstrip("+")


def _replaces(later: Override, one: Override) -> bool:
    if name_of(later) != name_of(one) or _names_option(later) != _names_option(one):
        return False
    if later.is_sweep_override() and one.is_sweep_override():
        return True  # as where Hydra's own sweeper reads two: the last counts
    return not _merges(later)


def _names_option(override: Override) -> bool:
    """Whether it chooses an option of a group."""
    loader = GlobalHydra.instance().config_loader()
    group = name_of(override).partition("@")[0]
    return bool(loader.get_group_options(group)) and not _merges(override)


def _merges(override: Override) -> bool:
    """Whether it is a mapping, or a sweep over mappings."""
    value = override.value()
    values = value.list if isinstance(value, ChoiceSweep) else [value]
    return bool(values) and all(isinstance(one, dict) for one in values)


def _check_apart(counted: Sequence[Override]) -> None:
    """Of two of one name a trial could not say by which it differs."""
    for name in {name_of(one) for one in counted if one.is_sweep_override()}:
        if sum(name_of(one) == name for one in counted) > 1:
            raise SettingsError(
                f"setting {name}: expected it once where it is swept, received it once more, as a "
                f"mapping or an option; type what is in the mapping by its names ({name}.…=…)"
            )
