"""Overrides that Hydra reads, and stumbles over later.

In: overrides as typed. Out: nothing, or one line for the first that has no name, an endless range,
or what is no name of an option. No range is counted out: it may be longer than memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hydra.core.override_parser.types import (
    ChoiceSweep,
    Override,
    QuotedString,
    RangeSweep,
    ValueType,
)

from susystream.as_overrides import key_of
from susystream.errors import SettingsError
from susystream.known_settings import options_of
from susystream.refusals import shown_of
from susystream.typed_names import parsed


def check_named(overrides: Sequence[str]) -> None:
    """Refuses overrides of nothing.

    Raises:
        SettingsError: There is one; its value is not repeated, for it may be a secret.
    """
    if not all(key_of(one).strip() for one in overrides):
        raise SettingsError(
            "expected overrides as key=value, received one without a name; write key=value, "
            "without blanks around ="
        )


def check_values(overrides: Sequence[str]) -> None:
    """Refuses ranges without an end, and what is no name where an option of a group is named.

    Raises:
        SettingsError: There is one, as `seed=range(0,10,0)` or `train=3`.
    """
    for one in overrides:
        override = parsed(one)
        if override is not None and "=" in one:
            _check_range(one, override)
            _check_option(one, override)


def _check_range(typed: str, override: Override) -> None:
    given = override.value()
    if not isinstance(given, RangeSweep):
        return
    numbers = (given.start or 0, given.stop or 0, given.step)
    if given.step == 0 or not all(map(math.isfinite, numbers)):
        key = key_of(typed)
        raise SettingsError(
            f"setting {key}: expected a range between two numbers with a step other than 0, "
            f"received {shown_of(key, typed.partition('=')[2])}; correct its numbers"
        )


def _check_option(typed: str, override: Override) -> None:
    group = override.key_or_group
    if "." in group or _names_options(override):
        return
    if options := options_of(group):
        received = shown_of(key_of(typed), typed.partition("=")[2])
        raise SettingsError(
            f"setting {group}: expected one of {', '.join(options)}, received {received}; "
            "name one, or leave it out"
        )


def _names_options(override: Override) -> bool:
    """By one name or a list of them; a mapping in their place sets what is in the group."""
    if override.value_type == ValueType.GLOB_CHOICE_SWEEP:
        return True
    given = override.value()
    values = given.list if isinstance(given, ChoiceSweep) else [given]
    if override.is_delete():
        return all(map(_is_name, values))
    return all(
        all(map(_is_name, one)) if isinstance(one, list) else _is_name(one) or isinstance(one, dict)
        for one in values
    )


def _is_name(value: object) -> bool:
    return isinstance(value, (str, QuotedString))
