"""A vertical scale for one parameter of a sweep: numbers, linear or logarithmic, or texts.

In: the values of all trials. Out: their places between 0 and 1, and what to write beside the scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator

from susystream.evaluate.bins import Float64Array
from susystream.plots.style import shown

Value = float | str | None
_DECADES = 2.0  # numbers that span more are drawn to a logarithmic scale
_APART = 0.07  # of the height, between two labels
_LONGEST = 14  # letters of a label
_MOST = 14  # labels


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Where values lie.

    Attributes:
        places: Of each trial's value, from 0 to 1; NaN where it has none.
        ticks: (place, text), the lowest first.
        low, high: The numbers at 0 and at 1; NaN for texts.
        is_log: Whether they are drawn to their logarithm.
    """

    places: Float64Array
    ticks: tuple[tuple[float, str], ...]
    low: float = math.nan
    high: float = math.nan
    is_log: bool = False


def scale_of(values: Sequence[Value]) -> Scale:
    """A scale over all values: of numbers if all are numbers, else of texts.

    Args:
        values: None or NaN where a trial has none.
    """
    known = [one for one in values if one is not None and one == one]
    if all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in known):
        numbers = [math.nan if one is None else float(one) for one in values]
        return _of_numbers(np.array(numbers, np.float64))
    return _of_texts(["" if one is None or one != one else text_of(one) for one in values])


def text_of(value: Value) -> str:
    """A value as a person would write it."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:.4g}"
    return str(value)


def _of_texts(texts: Sequence[str]) -> Scale:
    """One place for each text, in plain order."""
    found = sorted({one for one in texts if one})
    places = {text: _place(at, len(found) - 1) for at, text in enumerate(found)}
    step = -(-len(found) // _MOST)
    return Scale(
        np.array([places.get(one, math.nan) for one in texts], np.float64),
        tuple((places[text], shown(text, longest=_LONGEST)) for text in found[::step]),
    )


def _of_numbers(numbers: Float64Array) -> Scale:
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return Scale(np.full(len(numbers), math.nan), ())
    low, high = float(finite.min()), float(finite.max())
    is_log = low > 0 and high / low > 10**_DECADES
    places = _places(numbers, low, high, is_log=is_log)
    ticks = _ticks(finite, low, high, is_log=is_log)
    return Scale(np.where(np.isfinite(numbers), places, math.nan), ticks, low, high, is_log)


def _places(numbers: Float64Array, low: float, high: float, *, is_log: bool) -> Float64Array:
    if low == high:
        return np.full(len(numbers), 0.5)
    if is_log:
        return np.asarray(np.log(numbers / low) / math.log(high / low), np.float64)
    return np.asarray((numbers - low) / (high - low), np.float64)


def _ticks(
    finite: Float64Array, low: float, high: float, *, is_log: bool
) -> tuple[tuple[float, str], ...]:
    """Both ends; between them the values themselves if they are few, else round numbers."""
    values = np.unique(finite)
    if len(values) > 8:
        locator = LogLocator() if is_log else MaxNLocator(5, steps=[1, 2, 5, 10])
        values = np.array([one for one in locator.tick_values(low, high) if low < one < high])
    wanted = [low, high, *values.tolist()]
    kept: dict[float, str] = {}
    for value, place in zip(
        wanted, _places(np.array(wanted), low, high, is_log=is_log).tolist(), strict=True
    ):
        if all(abs(place - other) >= _APART for other in kept):
            kept[place] = f"{value:.3g}" if abs(value) < 1e3 else text_of(value)
    return tuple(sorted(kept.items()))


def _place(at: int, last: int) -> float:
    return at / last if last else 0.5
