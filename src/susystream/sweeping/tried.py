"""With what a search is checked before it begins.

In: the values of each setting, as overrides. Out: those that are checked, and for each of them the
trials in which it may be right, the likeliest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

_MOST_VALUES = 50  # of a setting, and trials with one of them: each takes some 50 ms
_MOST_TRIED = 50


def some_of(values: Sequence[str]) -> list[str]:
    """All, or 50 of them: the first, the last, and evenly spaced ones between.

    Example:
        >>> some_of([str(n) for n in range(99)])[-2:]
        ['96', '98']
    """
    last, most = len(values) - 1, _MOST_VALUES - 1
    return [*values] if last <= most else [values[at * last // most] for at in range(most + 1)]


def trials_with(values: Sequence[Sequence[str]], at: int, place: int) -> Iterator[list[str]]:
    """Trials with one value of one setting, 50 at most.

    The first values of all others come first. Then few others change, to values near the front:
    each setting has its turn, however many values another one has.

    Args:
        values: By setting.
        at: The setting.
        place: Of the value among those of the setting.

    Example:
        >>> [*trials_with([["a=1"], ["b=1", "b=2"], ["c=1", "c=2"]], 1, 1)]
        [['a=1', 'b=2', 'c=1'], ['a=1', 'b=2', 'c=2']]
    """
    ordered = [_beside(place, len(some)) for some in values]
    ordered[at] = [place]
    for steps in islice(_near([len(one) for one in ordered]), _MOST_TRIED):
        chosen = (order[step] for order, step in zip(ordered, steps, strict=True))
        yield [some[one] for some, one in zip(values, chosen, strict=True)]


def _beside(place: int, count: int) -> list[int]:
    """Places in another setting: what belongs together is often typed in one order."""
    return [*dict.fromkeys([0, min(place, count - 1), *range(count)])]


def _near(counts: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Numbers of steps below `counts`, all of them, those with the fewest steps in all first."""
    for steps in range(sum(counts) - len(counts) + 1):
        yield from _in_all(steps, counts)


def _in_all(steps: int, counts: Sequence[int]) -> Iterator[tuple[int, ...]]:
    if not counts:
        yield ()
        return
    first, *others = counts
    room = sum(others) - len(others)
    for own in range(max(0, steps - room), min(steps, first - 1) + 1):
        yield from ((own, *rest) for rest in _in_all(steps - own, others))
