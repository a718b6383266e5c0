"""What scores events, and how they are cut for it.

In: the 18 features of events. Out: blocks of the columns a network takes, all of one shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from susystream.errors import ModelError
from susystream.schema import FEATURES, Float32Array


class Scorer(Protocol):
    """What gives each event its score; several threads may ask at once."""

    def logits(self, features: Float32Array) -> Float32Array:
        """Logits, float32 of shape (n,), of features of shape (n, 18)."""
        ...


def check_features(features: Float32Array) -> None:
    """Refuses what no scorer takes.

    Raises:
        ModelError: The array has another shape or type.
    """
    if features.ndim != 2 or features.shape[1] != len(FEATURES) or features.dtype != np.float32:
        raise ModelError(
            f"expected float32 features of shape (n, {len(FEATURES)}), received "
            f"{features.dtype} {features.shape}"
        )


def blocks(
    features: Float32Array, columns: list[int] | None, rows: int
) -> Iterator[tuple[slice, Float32Array]]:
    """Events in blocks of exactly `rows`: where they lie, and their chosen columns, C order.

    Raises:
        ModelError: The array has another shape or type.
    """
    check_features(features)
    for start in range(0, len(features), rows):
        part = features[start : start + rows]
        block = np.ascontiguousarray(part if columns is None else part[:, columns])
        if len(block) < rows:
            block = np.pad(block, ((0, rows - len(block)), (0, 0)))
        yield slice(start, start + len(part)), block
