"""What the trials of a sweep differ in.

In: Hydra's configuration of a multirun. Out: its overrides, the swept settings as typed, and the
first error that a trial's settings would have, before anything runs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import DictConfig, OmegaConf, open_dict

from susystream.disclosure import is_secret, public_text
from susystream.errors import SettingsError
from susystream.settings import Settings

_MOST_CHECKED = 200  # trials of a grid: each takes some 50 ms


def overrides_of(hydra: DictConfig) -> list[Override]:
    """Of the sweeper's space and of the command line, which wins; one for each setting."""
    found = OmegaConf.to_container(hydra.sweeper, resolve=True)
    params: Mapping[object, object] = (found.get("params") or {}) if isinstance(found, dict) else {}
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    given = parser.parse_overrides([f"{name}={value}" for name, value in params.items()])
    typed = parser.parse_overrides(list(hydra.overrides.task))
    return list({name_of(one): one for one in [*given, *typed]}.values())


def name_of(override: Override) -> str:
    """The setting, without the sign that adds it."""
    return override.get_key_element().lstrip("+")


def swept(hydra: DictConfig) -> dict[str, str]:
    """What differs between the trials, as typed; without secrets."""
    return {
        name_of(one): public(name_of(one), (one.input_line or "").split("=", 1)[1])
        for one in overrides_of(hydra)
        if one.is_sweep_override()
    }


def public(name: str, value: str) -> str:
    """The value of a setting, unless it may be a secret."""
    hidden = is_secret(name) or "security" in name.split(".")
    return "***" if hidden else public_text(value)


def check_trials(config: DictConfig) -> None:
    """Composes and checks trials as far as they are known: all of a small grid, else each value.

    Raises:
        HydraException: A swept setting does not exist.
        SettingsError: A trial's settings are wrong, or all would use one folder.
    """
    loader = GlobalHydra.instance().config_loader()
    chosen = overrides_of(config.hydra)
    for one in chosen:
        _check_interval(one)
    folders: list[str] = []
    for overrides in _trials(chosen):
        composed = loader.load_sweep_config(config, overrides)
        settings_below(composed)
        if len(folders) < 2:
            folders.append(_folder(composed, len(folders)))
    if len(folders) == 2 and folders[0] == folders[1]:
        raise SettingsError(
            "setting hydra.sweep.subdir: expected a folder of its own for each trial, received "
            f"{folders[0]!r} for all; put ${{hydra.job.num}} into it"
        )


def settings_below(config: DictConfig) -> Settings:
    """The settings of a configuration that holds Hydra's own part too."""
    from susystream.composition import settings_of

    return settings_of(without_hydra(config))


def without_hydra(config: DictConfig) -> DictConfig:
    """A configuration as a job sees it."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def _folder(trial: DictConfig, number: int) -> str:
    with open_dict(trial):
        trial.hydra.job.num, trial.hydra.job.id = number, str(number)
    return str(OmegaConf.select(trial, "hydra.sweep.subdir"))


def _check_interval(override: Override) -> None:
    interval = override.value()
    if not isinstance(interval, IntervalSweep):
        return
    start, end = float(interval.start or 0), float(interval.end or 0)
    if start > end or ("log" in interval.tags and start <= 0):
        wanted = "its lower end first" + (" and above 0" if "log" in interval.tags else "")
        raise SettingsError(
            f"setting {name_of(override)}: expected an interval with {wanted}, received "
            f"{override.input_line}; "
            "correct its ends"
        )


def _trials(overrides: Sequence[Override]) -> Iterator[list[str]]:
    values = [[*_values(one)] for one in overrides]
    count = 1
    for one in values:
        count *= len(one)
    if count <= _MOST_CHECKED:
        yield from (list(one) for one in itertools.product(*values))
        return
    first = [one[0] for one in values]
    for at, some in enumerate(values):
        yield from ([*first[:at], value, *first[at + 1 :]] for value in some)


def _values(override: Override) -> Iterator[str]:
    """As overrides of one trial; of an interval its ends."""
    if not override.is_sweep_override():
        yield str(override.input_line)
        return
    key, value = override.get_key_element(), override.value()
    if isinstance(value, IntervalSweep):
        yield from (f"{key}={end}" for end in (value.start, value.end))
    else:
        yield from (f"{key}={one}" for one in override.sweep_string_iterator())
