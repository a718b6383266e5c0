"""What the trials of a sweep differ in.

In: Hydra's configuration of a multirun. Out: its overrides, the swept settings as typed, and the
settings of its trials or the first error that they would have, before anything runs.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict

from susystream.errors import SettingsError, SusystreamError
from susystream.settings import Settings
from susystream.settings.data import FileSet
from susystream.settings.engine import LocalEngine
from susystream.stages.resuming import is_resumed
from susystream.sweeping.chosen import GRID, check_chosen, check_once, check_one_place
from susystream.sweeping.given import name_of, overrides_of
from susystream.sweeping.shown import public
from susystream.sweeping.tried import some_of, trials_with

if TYPE_CHECKING:
    from susystream.stages.objective import Objective

_TESTS = ("evaluate", "pipeline")


def swept(hydra: DictConfig) -> dict[str, str]:
    """What differs between the trials, as typed; without secrets."""
    return {
        name: public(name, (one.input_line or "").split("=", 1)[1])
        for name, one in _swept(overrides_of(hydra)).items()
    }


def _swept(overrides: Sequence[Override]) -> dict[str, Override]:
    return {name_of(one): one for one in overrides if one.is_sweep_override()}


def check_trials(config: DictConfig) -> list[Settings]:
    """Composes and checks trials as far as they are known: all of a grid, values of a search.

    Of a search the first values must be right together, and each other value in some trial; of many
    values only some are checked. What it asks for is not known, and a trial that is wrong ends no
    other.

    Returns:
        Their settings.

    Raises:
        HydraException: A swept setting does not exist.
        SettingsError: A trial's settings are wrong, two would use one folder or be judged
            otherwise than each other, or what was chosen of Hydra's own cannot go well.
        DataError: There is no file of the pattern that one is to test on.
    """
    grid = config.hydra.sweeper._target_ == GRID
    chosen = overrides_of(config.hydra)
    check_chosen(config, _swept(chosen))
    for one in chosen:
        _check_interval(one)
    found = (_of_grid if grid else _of_search)(config, chosen)
    _check_figures(found, wanted=not grid)
    _check_places(found)
    return found


def _of_grid(config: DictConfig, chosen: Sequence[Override]) -> list[Settings]:
    """All trials."""
    loader, folders = GlobalHydra.instance().config_loader(), list[str]()
    found: list[Settings] = []
    for number, overrides in enumerate(trials_of(chosen)):
        composed = loader.load_sweep_config(config, overrides)
        found.append(_checked(composed))
        folders.append(_folder(composed, number))
    _check_values_once(found, chosen)
    _check_folders(folders)
    return found


def _of_search(config: DictConfig, chosen: Sequence[Override]) -> list[Settings]:
    """The trial of all first values, and for each other value one that it is right in."""
    loader = GlobalHydra.instance().config_loader()
    values = [some_of([*_values(one)]) for one in chosen]
    right = {one[0] for one in values}
    composed = loader.load_sweep_config(config, [one[0] for one in values])
    found = [_checked(composed)]
    for at, some in enumerate(values):
        for place, value in enumerate(some):
            if value not in right:
                settings, overrides = _first_right(config, trials_with(values, at, place))
                found.append(settings)
                right.update(overrides)
    _check_values_once(found, chosen)
    # a search may ask for one point twice: then the number alone sets two apart
    _check_folders([_folder(composed, number) for number in range(2)])
    return found


def _first_right(config: DictConfig, trials: Iterable[list[str]]) -> tuple[Settings, Sequence[str]]:
    """The first that is right; what is wrong with the first of all where none is."""
    loader, wrong = GlobalHydra.instance().config_loader(), list[Exception]()
    for overrides in trials:
        try:
            return _checked(loader.load_sweep_config(config, overrides)), overrides
        except (HydraException, SusystreamError) as error:
            wrong.append(error)
    raise wrong[0]


def _check_values_once(trials: Iterable[Settings], chosen: Sequence[Override]) -> None:
    """Where it matters: only the trials say whether what finished is run again."""
    if any(map(is_resumed, trials)):
        check_once(_swept(chosen))


def _checked(trial: DictConfig) -> Settings:
    settings = _settings_below(trial)
    _check_input(settings)
    return settings


def first_trial(config: DictConfig) -> Settings:
    """The settings of a trial with the first value of each that is swept."""
    loader = GlobalHydra.instance().config_loader()
    overrides = next(trials_of(overrides_of(config.hydra)))
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


def _check_figures(trials: Sequence[Settings], *, wanted: bool) -> None:
    """The best of figures of several kinds, or of both directions, is none.

    Args:
        trials: Of one sweep.
        wanted: Whether there must be a figure: a search is for the best of one.
    """
    from susystream.stages.objective import objective_of

    first, *others = dict.fromkeys(map(objective_of, trials))
    if others:
        raise SettingsError(
            "setting sweep.metric: expected all trials to be judged by one figure, received "
            f"{_judged_by(first)} of some and {_judged_by(others[0])} of others; "
            "name one figure and one direction that all have, or give the command once for each"
        )
    if wanted and first.name is None:
        raise SettingsError(
            "setting sweep.metric: expected a figure to search by, received none; name one"
        )


def _check_places(trials: Iterable[Settings]) -> None:
    """A place may hang on what is swept (`e${seed}`)."""
    for name in ("uri", "experiment"):
        if len({getattr(one.tracking, name) for one in trials}) > 1:
            check_one_place([f"tracking.{name}"])


def _judged_by(objective: Objective) -> str:
    way = "the most" if objective.maximize else "the least"
    return f"{way} {objective.name}" if objective.name else "no figure"


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


def trials_of(overrides: Sequence[Override]) -> Iterator[list[str]]:
    """All combinations of values, as overrides of one trial each."""
    yield from map(list, itertools.product(*([*_values(one)] for one in overrides)))


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
