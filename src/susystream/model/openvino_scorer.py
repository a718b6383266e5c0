"""Logits by OpenVINO: on a processor about twice as fast as TensorFlow in float32.

In: a network and the 18 features of events. Out: float32 logits, within 1e-5 of Keras', the same
bits however the rows are cut, whichever thread asks, and however many threads there are. bfloat16
is several times faster where the processor has it, and differs in the second decimal of a logit.
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
from typing import Any, Literal

import keras
import numpy as np

from susystream.errors import ModelError
from susystream.evaluate.local_engine import processors
from susystream.model.scorer import blocks
from susystream.schema import FEATURES, Float32Array

BLOCK_ROWS = 4096  # the arrays of a block stay in the processor's cache
Precision = Literal["float32", "bfloat16"]
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoScorer:
    """Scores blocks of one fixed shape; each thread has its own request.

    Args:
        network: Takes the chosen columns, gives one logit.
        features: Which of the 18 columns the network takes, in its order.
        precision: Of the products inside; sums and logits are float32.

    Raises:
        ModelError: OpenVINO is not installed, cannot take the network, or the processor has no
            bfloat16.
    """

    def __init__(
        self, network: keras.Model, features: tuple[int, ...], precision: Precision = "float32"
    ) -> None:
        self._columns = None if features == tuple(range(len(FEATURES))) else list(features)
        self._model = _compiled(network, (BLOCK_ROWS, len(features)), precision)
        self._own = threading.local()

    def logits(self, features: Float32Array) -> Float32Array:
        """Logits of events.

        Args:
            features: float32, shape (n, 18).

        Returns:
            float32, shape (n,).

        Raises:
            ModelError: The array has another shape or type.
        """
        if not hasattr(self._own, "request"):
            self._own.request = self._model.create_infer_request()
        out = np.empty(len(features), np.float32)
        for rows, block in blocks(features, self._columns, BLOCK_ROWS):
            found = self._own.request.infer([block], share_inputs=True, share_outputs=True)[0]
            out[rows] = found[: rows.stop - rows.start]
        return out


def available() -> bool:
    """Whether OpenVINO can be imported."""
    return importlib.util.find_spec("openvino") is not None


def _compiled(network: keras.Model, shape: tuple[int, int], precision: Precision) -> Any:
    try:
        openvino = importlib.import_module("openvino")
    except ImportError as error:
        raise ModelError(
            "expected the package openvino, received none; pip install openvino or set "
            "evaluate.scorer=tensorflow"
        ) from error
    core = openvino.Core()
    if precision == "bfloat16" and "BF16" not in core.get_property(
        "CPU", "OPTIMIZATION_CAPABILITIES"
    ):
        raise ModelError(
            "expected a processor with bfloat16 for evaluate.precision=bfloat16, received one "
            "without; set evaluate.precision=float32"
        )
    threads = processors()
    settings = {
        "PERFORMANCE_HINT": "THROUGHPUT",  # a stream a thread: they do not wait for each other
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
    }
    return core.compile_model(_graph(openvino, network, shape), "CPU", settings)


def _graph(openvino: Any, network: keras.Model, shape: tuple[int, int]) -> Any:
    """The network as OpenVINO's graph, layer by layer.

    OpenVINO's own converter would do it too, but reports its use to its makers.

    Raises:
        ModelError: A layer has no counterpart here.
    """
    ops = openvino.opset13
    columns = ops.parameter(list(shape), dtype=np.float32, name="columns")
    value = columns
    for layer in network.layers:
        value = _layer(ops, value, layer)
    logits = ops.reshape(value, np.array([-1]), False)
    return openvino.Model([logits], [columns], "network")


def _layer(ops: Any, value: Any, layer: Any) -> Any:
    match layer:
        case keras.layers.InputLayer() | keras.layers.Dropout():
            return value
        case keras.layers.Normalization():
            mean, deviation = (np.asarray(v, np.float32) for v in _scaling(layer))
            return ops.divide(ops.subtract(value, ops.constant(mean)), ops.constant(deviation))
        case keras.layers.Dense():
            product = ops.matmul(value, ops.constant(np.asarray(layer.kernel)), False, False)
            if layer.use_bias:
                product = ops.add(product, ops.constant(np.asarray(layer.bias)))
            return _activated(ops, product, layer.activation.__name__)
        case keras.layers.Activation():
            return _activated(ops, value, layer.activation.__name__)
        case keras.layers.ReLU() if (layer.max_value, layer.negative_slope) == (None, 0):
            return ops.relu(value)
    raise ModelError(
        f"expected layers that are built for OpenVINO, received {type(layer).__name__}; set "
        "evaluate.scorer=tensorflow"
    )


def _scaling(layer: Any) -> tuple[Any, Any]:
    """Mean and deviation as Keras applies them: no division by less than its epsilon."""
    deviation = np.sqrt(np.asarray(layer.variance))
    return layer.mean, np.maximum(deviation, keras.backend.epsilon())


def _activated(ops: Any, value: Any, name: str) -> Any:
    match name:
        case "linear":
            return value
        case "relu" | "tanh" | "sigmoid":
            return getattr(ops, name)(value)
        case "elu":
            return ops.elu(value, 1.0)
        case "gelu":
            return ops.gelu(value, "erf")
        case "silu":
            return ops.swish(value)
        case "selu":
            return ops.selu(value, np.float32(1.6732632), np.float32(1.050701))
    raise ModelError(
        f"expected an activation that is built for OpenVINO, received {name}; set "
        "evaluate.scorer=tensorflow"
    )
