"""Logits by TensorFlow, the same bits however the rows are cut and whichever process asks.

In: a network and the 18 features of events. Out: float32 logits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from susystream.errors import ModelError
from susystream.model.scorer import blocks
from susystream.quiet_tensorflow import keras, tf
from susystream.schema import FEATURES, Float32Array


class TensorFlowScorer:
    """Scores blocks of one fixed shape; the last block is filled up with zeros.

    A kernel may sum in another order for another shape, so only a fixed shape gives an event
    the same bits in every block.

    Args:
        network: Takes the chosen columns, gives one logit.
        features: Which of the 18 columns the network takes, in its order.
        batch_rows: Rows a block; by default 16,384.

    Raises:
        ModelError: The network takes another number of columns.
    """

    def __init__(
        self, network: keras.Model, features: tuple[int, ...], batch_rows: int | None = None
    ) -> None:
        if network.input_shape != (None, len(features)):
            raise ModelError(
                f"expected a network of {len(features)} columns, received one of shape "
                f"{network.input_shape}; give the features it was trained on"
            )
        rows = 16_384 if batch_rows is None else batch_rows
        if rows < 1:
            raise ModelError(f"expected at least one row a block, received {rows}")
        self._columns = None if features == tuple(range(len(FEATURES))) else list(features)
        self._rows = rows
        self._score = _compiled(network, (rows, len(features)))

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


def limit_threads(threads: int) -> None:
    """How many threads TensorFlow uses in this process; no more to change after its first use."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:  # it was used before
        return


def _compiled(network: keras.Model, shape: tuple[int, int]) -> Any:
    """The network without dropout as a TensorFlow function of one shape, giving (rows,) logits."""

    def score(block: Any) -> Any:
        return tf.reshape(network(block, training=False), (shape[0],))

    signature = [tf.TensorSpec(shape, tf.float32)]
    return tf.function(score, input_signature=signature, autograph=False).get_concrete_function()
