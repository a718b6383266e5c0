"""What several configurations share.

In: those of a sweep's trials, or of an ensemble's members. Out: the part in which they agree, which
is that of the whole: it has no value that none of them has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def shared(configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The settings that are in all configurations, with the same value.

    Example:
        >>> shared([{"seed": 1, "data": {"rows": 9}}, {"seed": 2, "data": {"rows": 9}}])
        {'data': {'rows': 9}}
    """
    first, *others = configs
    found: dict[str, Any] = {}
    for name, value in first.items():
        if not all(name in one for one in others):
            continue
        values = [one[name] for one in others]
        if all(one == value for one in values):
            found[name] = value
        elif all(isinstance(one, Mapping) for one in (value, *values)):
            inner = shared([value, *values])
            found |= {name: inner} if inner else {}
    return found
