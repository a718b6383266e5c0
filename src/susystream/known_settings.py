"""What can be set.

In: `conf/`. Out: the names of all settings and groups, and of Hydra's own with the choices that
have them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

_ALONE = ("hydra/sweeper", "hydra/launcher")  # groups whose options have different settings


def config_folder() -> Path:
    """Where `conf/` is: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parents[1] / "conf"


def known_keys() -> list[str]:
    """Every setting's dotted name and every group, from the composed defaults."""
    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        return list(_names(hydra.compose("config")))


def hydras_keys() -> dict[str, list[str]]:
    """Hydra's own settings, each with the choices that have it (`hydra/sweeper=tpe`).

    None are named for a setting that every choice has.
    """
    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        found = {name: list[str]() for name in _hydras([])}
        for group in _ALONE:
            found |= _by_choice(group)
    return found


def options_of(group: str) -> Sequence[str]:
    """The names of the options of a group, Hydra's own included; none where there is no such group.

    Only names of groups that are there reach the file system, each once a process.

    Args:
        group: As typed, without what stands behind `@`.
    """
    folder, names = config_folder(), group.split("/")
    above = ("/".join(names[:at]) for at in range(len(names)))
    known = all(name in _groups(folder, one) for one, name in zip(above, names, strict=True))
    return _options_once(folder, group) if known else ()


@cache
def _groups(folder: Path, above: str) -> frozenset[str]:
    """The names of the groups right below one, or of the outermost ones."""
    with hydra.initialize_config_dir(str(folder), version_base="1.3"):
        return frozenset(GlobalHydra.instance().config_loader().list_groups(above))


@cache
def _options_once(folder: Path, group: str) -> Sequence[str]:
    with hydra.initialize_config_dir(str(folder), version_base="1.3"):
        return tuple(_options(group))


def _by_choice(group: str) -> dict[str, list[str]]:
    """The settings of a group's section, each with the choices that have it unless all do."""
    section, found = f"{group.replace('/', '.')}.", dict[str, list[str]]()
    choices = [f"{group}={one}" for one in _options(group)]
    for choice in choices:
        for name in _hydras([choice]):
            if name.startswith(section):
                found.setdefault(name, []).append(choice)
    return {name: [] if len(one) == len(choices) else one for name, one in found.items()}


def _options(group: str) -> list[str]:
    return list(GlobalHydra.instance().config_loader().get_group_options(group))


def _hydras(overrides: list[str]) -> Iterator[str]:
    config = hydra.compose("config", overrides=overrides, return_hydra_config=True)
    names = list(_names(DictConfig({"hydra": config.hydra})))
    sections = {name.rpartition(".")[0] for name in names}
    return (name for name in names if name not in sections and not name.endswith("_"))


def _names(config: DictConfig) -> Iterator[str]:
    def walk(node: object, prefix: str) -> Iterator[str]:
        if prefix:
            yield prefix
        if isinstance(node, dict):
            for key, value in node.items():
                yield from walk(value, f"{prefix}.{key}" if prefix else str(key))

    return walk(OmegaConf.to_container(config, resolve=False), "")
