"""What was chosen of Hydra's own: the sweeper, the launcher, and what they are to run over.

In: Hydra's configuration of a multirun and its overrides. Out: nothing, or the first thing in it
that cannot go well, before anything is opened.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, ValueType
from omegaconf import DictConfig

from susystream.disclosure import public_value
from susystream.errors import SettingsError
from susystream.sweeping.shown import public

GRID = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
_SEARCH = "hydra_plugins.susystream_search.search.SearchSweeper"
_PLACE = ("tracking.uri", "tracking.experiment")
_CHOICES = {"sampler": ("tpe", "random"), "pruner": ("median", "hyperband", "none")}


def check_chosen(config: DictConfig, swept: Mapping[str, Override]) -> None:
    """Checks a sweep before its trials are composed.

    Args:
        config: Of the multirun.
        swept: What differs between the trials, by the settings' names.

    Raises:
        SettingsError: Naming the first setting that is wrong, or that nothing is swept.
    """
    hydra = config.hydra
    _check_whole(hydra.launcher, "launcher.n_jobs", "other than 0 (-1: one a processor)")
    if hydra.sweeper._target_ == _SEARCH:
        for name, known in _CHOICES.items():
            _check_choice(f"hydra.sweeper.{name}", hydra.sweeper[name], known)
        _check_whole(hydra.sweeper, "sweeper.trials", "of at least 1", least=1)
    elif hydra.sweeper.get("max_batch_size") is not None:
        _check_whole(hydra.sweeper, "sweeper.max_batch_size", "of at least 1", least=1)
    _check_something(hydra, swept)
    check_one_place(swept)
    for name, one in swept.items():
        _check_any(name, one)
        if hydra.sweeper._target_ == GRID:
            _check_values(name, one)


def check_one_place(swept: Iterable[str]) -> None:
    """Refuses several places of runs: trials lie below the run of their sweep.

    Args:
        swept: The settings that have several values.

    Raises:
        SettingsError: Naming one of them that says where runs lie.
    """
    for name in swept:
        if name in _PLACE:
            raise SettingsError(
                f"setting {name}: expected one, for trials lie where the run of their sweep does, "
                "received several; name one, or give the command once for each"
            )


def check_once(swept: Mapping[str, Override]) -> None:
    """Checks values of which equal trials would be run once, or at the same time for nothing.

    Args:
        swept: As of `check_chosen`.

    Raises:
        SettingsError: Naming a setting that has a value twice.
    """
    for name, one in swept.items():
        if isinstance(one.value(), IntervalSweep):
            continue
        twice = next((value for value, count in Counter(_texts(one)).items() if count > 1), None)
        if twice is not None:
            raise SettingsError(
                f"setting {name}: expected each value once, for equal trials run once, received "
                f"{public_value(name, public(name, twice))} twice; leave one out, or run all of "
                "them with sweep.resume=false"
            )


def _check_choice(name: str, given: object, known: Sequence[str]) -> None:
    if given in known:
        return
    near = difflib.get_close_matches(str(given), known, n=1)
    raise SettingsError(
        f"setting {name}: expected one of {', '.join(known)}, received {given!r}; "
        + (f"did you mean {near[0]}?" if near else "choose one")
    )


def _check_whole(group: Any, name: str, wanted: str, *, least: int | None = None) -> None:
    given = group.get(name.partition(".")[2], 1)
    whole = isinstance(given, int) and not isinstance(given, bool)
    if given is None and least is None:
        return
    if not whole or (given == 0 if least is None else given < least):
        raise SettingsError(
            f"setting hydra.{name}: expected a whole number {wanted}, received {given!r}; "
            "correct it"
        )


def _check_something(hydra: DictConfig, swept: Mapping[str, Override]) -> None:
    if swept:
        return
    if hydra.sweeper.get("params"):  # a recipe's, of which each was given one value
        cure = "or run it once with hydra.mode=RUN"
    else:
        cure = "or leave -m out"
    typed = "a=1,2 or a=interval(0,1)" if hydra.sweeper._target_ == _SEARCH else "seed=1,2"
    raise SettingsError(
        "expected a setting with several values in a sweep (-m), received none; "
        f"type some, as {typed}, {cure}"
    )


def _check_any(name: str, override: Override) -> None:
    """A range or a pattern may hold nothing."""
    if isinstance(override.value(), IntervalSweep) or any(True for _ in _texts(override)):
        return
    received, cure = override.get_value_string(), "correct its ends"
    if override.value_type == ValueType.GLOB_CHOICE_SWEEP:
        known = override.config_loader and override.config_loader.get_group_options(name)
        cure = f"choose among {', '.join(known)}" if known else "it chooses among files of conf/"
    raise SettingsError(
        f"setting {name}: expected values to sweep over, received {received}, which holds none; "
        f"{cure}"
    )


def _texts(override: Override) -> Iterator[str]:
    return (str(one) for one in override.sweep_string_iterator())


def _check_values(name: str, override: Override) -> None:
    """A grid is made of values."""
    if isinstance(override.value(), IntervalSweep):
        raise SettingsError(
            f"setting {name}: expected single values, for hydra/sweeper=basic tries all of them, "
            f"received {override.input_line}; add hydra/sweeper=tpe or hydra/sweeper=random"
        )
