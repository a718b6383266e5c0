"""Test sets that are named as data sets.

In: a plain configuration. Out: the settings that name a data set in Kafka to test on, which may be
another one tomorrow (`dataset:latest`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from susystream.as_overrides import at

DATASET = "dataset:"
INPUT, SETS = "evaluate.input", "evaluate.sets"


def named_sets(config: Mapping[str, Any]) -> dict[str, str]:
    """What is named, with `dataset:` before it, by the dotted name of the setting.

    Example:
        >>> named_sets({"evaluate": {"input": "dataset:latest", "sets": {}}})
        {'evaluate.input': 'dataset:latest'}
    """
    given = at(config, INPUT)
    if given is not None:  # in place of all sets
        named = {INPUT: given}
    else:
        sets = (at(config, SETS) or {}).items()
        named = {f"{SETS}.{name}.events": at(one, "events") for name, one in sets}
    return {name: str(text) for name, text in named.items() if str(text).startswith(DATASET)}
