"""What the trials of a sweep differ in.

In: Hydra's configuration of a multirun. Out: its overrides, the swept settings as typed, and the
settings of its trials or the first error that they would have, before anything runs.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import DictConfig, OmegaConf, open_dict

from susystream.disclosure import is_secret, public_text
from susystream.errors import SettingsError
from susystream.settings import Settings
from susystream.settings.data import FileSet
from susystream.settings.engine import LocalEngine
from susystream.sweeping.chosen import GRID, check_chosen

_TESTS = ("evaluate", "pipeline")
_MOST_CHECKED = 200  # of a search, which will ask for others anyway: each takes some 50 ms


def overrides_of(hydra: DictConfig) -> list[Override]:
    """Of the sweeper's space and of the command line, which wins; one for each setting."""
    return list({name_of(one): one for one in _given(hydra)}.values())


def name_of(override: Override) -> str:
    """The setting, without the sign that adds it."""
    return override.get_key_element().lstrip("+")


def swept(hydra: DictConfig) -> dict[str, str]:
    """What differs between the trials, as typed; without secrets."""
    return {
        name: public(name, (one.input_line or "").split("=", 1)[1])
        for name, one in _swept(overrides_of(hydra)).items()
    }


def _swept(overrides: Sequence[Override]) -> dict[str, Override]:
    return {name_of(one): one for one in overrides if one.is_sweep_override()}


def public(name: str, value: str) -> str:
    """The value of a setting, unless it may be a secret."""
    hidden = is_secret(name) or "security" in name.split(".")
    return "***" if hidden else public_text(value)


def check_trials(config: DictConfig) -> list[Settings]:
    """Composes and checks trials as far as they are known: all of a grid, values of a search.

    Returns:
        Their settings.

    Raises:
        HydraException: A swept setting does not exist.
        SettingsError: A trial's settings are wrong, two would use one folder, or what was chosen
            of Hydra's own cannot go well.
        DataError: There is no file of the pattern that one is to test on.
    """
    loader, grid = GlobalHydra.instance().config_loader(), config.hydra.sweeper._target_ == GRID
    chosen = overrides_of(config.hydra)
    if grid:
        _check_given_once(config.hydra)
    check_chosen(config, _swept(chosen))
    for one in chosen:
        _check_interval(one)
    found: list[Settings] = []
    folders: list[str] = []
    for number, overrides in enumerate(_trials(chosen, most=None if grid else _MOST_CHECKED)):
        composed = loader.load_sweep_config(config, overrides)
        found.append(_settings_below(composed))
        _check_input(found[-1])
        folders.append(_folder(composed, number))
    if not grid:
        _check_figure(found[0])
        # a search may ask for one point twice: then the number alone sets two apart
        folders = [_folder(composed, number) for number in range(2)]
    _check_folders(folders)
    return found


def first_trial(config: DictConfig) -> Settings:
    """The settings of a trial with the first value of each that is swept."""
    loader = GlobalHydra.instance().config_loader()
    overrides = next(_trials(overrides_of(config.hydra), most=None))
    return _settings_below(loader.load_sweep_config(config, overrides))


def _settings_below(config: DictConfig) -> Settings:
    """The settings of a configuration that holds Hydra's own part too."""
    from susystream.composition import settings_of

    return settings_of(without_hydra(config))


def trial_of(config: DictConfig, overrides: Sequence[str], number: int) -> tuple[DictConfig, Path]:
    """The configuration of a trial, Hydra's part included, and the folder of its files."""
    composed = GlobalHydra.instance().config_loader().load_sweep_config(config, list(overrides))
    folder = _folder(composed, number)
    return composed, Path(config.hydra.sweep.dir, folder)


def without_hydra(config: DictConfig) -> DictConfig:
    """A configuration as a job sees it."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def _given(hydra: DictConfig) -> list[Override]:
    """In the order in which Hydra's own sweeper reads them."""
    found = OmegaConf.to_container(hydra.sweeper, resolve=True)
    params: Mapping[object, object] = (found.get("params") or {}) if isinstance(found, dict) else {}
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    given = parser.parse_overrides([f"{name}={value}" for name, value in params.items()])
    return [*given, *parser.parse_overrides(list(hydra.overrides.task))]


def _check_input(settings: Settings) -> None:
    """A file to test on is there already; one for Spark may be where only that looks."""
    given = settings.evaluate.given if settings.stage.name in _TESTS else None
    if not isinstance(given, FileSet) or not isinstance(settings.evaluate.engine, LocalEngine):
        return
    from susystream.data.files import is_glob, matching

    if is_glob(given.path):
        matching(given.path)
    elif not given.path.exists():
        raise SettingsError(
            f"setting evaluate.input: expected a file, received {given.path}, which is not there; "
            "correct the path"
        )


def _check_figure(settings: Settings) -> None:
    """A search is for the best of a figure."""
    from susystream.stages.objective import objective_of

    if objective_of(settings).name is None:
        raise SettingsError(
            "setting sweep.metric: expected a figure to search by, received none; name one"
        )


def _check_given_once(hydra: DictConfig) -> None:
    """Hydra's grid takes a setting with a sign and without for two, and runs all pairs of values.

    Raises:
        SettingsError: One that is swept is given so.
    """
    first: dict[str, Override] = {}
    for one in _given(hydra):
        before = first.setdefault(name_of(one), one)
        keys = [before.get_key_element(), one.get_key_element()]
        if keys[0] != keys[1] and (before.is_sweep_override() or one.is_sweep_override()):
            raise SettingsError(
                f"setting {name_of(one)}: expected it once in a sweep, received {keys[0]}=… and "
                f"{keys[1]}=…, whose values would all be paired; type it as {keys[0]}=…"
            )


def _check_folders(folders: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for number, folder in enumerate(folders):
        if first.setdefault(folder, number) != number:
            raise SettingsError(
                "setting hydra.sweep.subdir: expected a folder of its own for each trial, received "
                f"{folder!r} for trials {first[folder]} and {number}; put ${{hydra.job.num}} into "
                "it"
            )


def _folder(trial: DictConfig, number: int) -> str:
    with open_dict(trial):
        trial.hydra.job.num, trial.hydra.job.id = number, str(number)
    return os.path.normpath(str(OmegaConf.select(trial, "hydra.sweep.subdir")))


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


def _trials(overrides: Sequence[Override], *, most: int | None) -> Iterator[list[str]]:
    """All combinations; of more than `most` only each value, with the first of the others."""
    values = [[*_values(one)] for one in overrides]
    if most is None or math.prod(map(len, values)) <= most:
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
