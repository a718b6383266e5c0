"""Test sets that are named as data sets.

In: a plain configuration. Out: the settings that name a data set in Kafka to test on, which may be
another one tomorrow (`dataset:latest`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from susystream.as_overrides import Keys, at

DATASET = "dataset:"
INPUT, SETS = ("evaluate", "input"), ("evaluate", "sets")


def named_sets(config: Mapping[str, Any]) -> dict[Keys, str]:
    """What is named, with `dataset:` before it, by the keys of the setting: a set's may hold dots.

    Example:
        >>> named_sets({"evaluate": {"input": "dataset:latest", "sets": {}}})
        {('evaluate', 'input'): 'dataset:latest'}
    """
    given = at(config, INPUT)
    named: dict[Keys, Any] = {INPUT: given}
    if given is None:  # else it stands in place of all sets
        sets = (at(config, SETS) or {}).items()
        named = {(*SETS, name, "events"): at(one, ("events",)) for name, one in sets}
    return {keys: str(text) for keys, text in named.items() if str(text).startswith(DATASET)}
