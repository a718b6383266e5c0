"""Logits of many events, the same bits however the rows are cut and whichever process asks.

In: a network and the 18 features of events. Out: float32 logits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from susystream.errors import ModelError
from susystream.schema import FEATURES, Float32Array


class Scorer(Protocol):
    """What gives each event its score; several threads may ask at once."""

    def logits(self, features: Float32Array) -> Float32Array:
        """Logits, float32 of shape (n,), of features of shape (n, 18)."""
        ...


class TensorFlowScorer:
    """Scores blocks of one fixed shape; the last block is filled up with zeros.

    A kernel may sum in another order for another shape, so only a fixed shape gives an event
    the same bits in every block.

    Args:
        network: Takes the chosen columns, gives one logit.
        features: Which of the 18 columns the network takes, in its order.
        batch_rows: Rows a block.

    Raises:
        ModelError: The network takes another number of columns.
    """

    def __init__(
        self, network: keras.Model, features: tuple[int, ...], batch_rows: int = 16_384
    ) -> None:
        if network.input_shape != (None, len(features)):
            raise ModelError(
                f"expected a network of {len(features)} columns, received one of shape "
                f"{network.input_shape}; give the features it was trained on"
            )
        if batch_rows < 1:
            raise ModelError(f"expected at least one row a block, received {batch_rows}")
        self._columns = None if features == tuple(range(len(FEATURES))) else list(features)
        self._rows = batch_rows
        self._score = _compiled(network, (batch_rows, len(features)))

    def logits(self, features: Float32Array) -> Float32Array:
        """Logits of events.

        Args:
            features: float32, shape (n, 18).

        Returns:
            float32, shape (n,).

        Raises:
            ModelError: The array has another shape or type.
        """
        out = np.empty(len(features), np.float32)
        for rows, block in blocks(features, self._columns, self._rows):
            out[rows] = self._score(tf.constant(block)).numpy()[: rows.stop - rows.start]
        return out


def blocks(
    features: Float32Array, columns: list[int] | None, rows: int
) -> Iterator[tuple[slice, Float32Array]]:
    """Events in blocks of exactly `rows`: where they lie, and their chosen columns, C order.

    Raises:
        ModelError: The array has another shape or type.
    """
    if features.ndim != 2 or features.shape[1] != len(FEATURES) or features.dtype != np.float32:
        raise ModelError(
            f"expected float32 features of shape (n, {len(FEATURES)}), received "
            f"{features.dtype} {features.shape}"
        )
    for start in range(0, len(features), rows):
        part = features[start : start + rows]
        block = np.ascontiguousarray(part if columns is None else part[:, columns])
        if len(block) < rows:
            block = np.pad(block, ((0, rows - len(block)), (0, 0)))
        yield slice(start, start + len(part)), block


def _compiled(network: keras.Model, shape: tuple[int, int]) -> Any:
    """The network without dropout as a TensorFlow function of one shape, giving (rows,) logits."""

    def score(block: Any) -> Any:
        return tf.reshape(network(block, training=False), (shape[0],))

    signature = [tf.TensorSpec(shape, tf.float32)]
    return tf.function(score, input_signature=signature, autograph=False).get_concrete_function()
