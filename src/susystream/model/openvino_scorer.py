"""Logits by OpenVINO: on a processor about twice as fast as TensorFlow in float32.

In: a network's plan and the 18 features of events. Out: float32 logits, within 1e-5 of Keras', the
same bits however the rows are cut, whichever thread asks, and however many threads there are.
bfloat16 is several times faster where the processor has it, and differs in the second decimal.
"""

from __future__ import annotations

import importlib
import threading
from functools import cache
from typing import Any, Literal

import numpy as np

from susystream.errors import ModelError
from susystream.model.plan import Activation, ActivationName, Dense, Layer, Plan, Scaling
from susystream.model.scorer import check_features
from susystream.processors import processors
from susystream.schema import FEATURES, Float32Array

BLOCK_ROWS = 4096  # the arrays of a block stay in the processor's cache
_LOCK = threading.Lock()
Precision = Literal["float32", "bfloat16"]
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoScorer:
    """Scores blocks of one fixed shape; each thread has its own request.

    Args:
        plan: Of a network that takes the chosen columns and gives one logit.
        features: Which of the 18 columns the network takes, in its order.
        precision: Of the products inside; sums and logits are float32.
        threads: How many ask at once at full speed; by default one for each processor.
        block_rows: Rows of a block, `BLOCK_ROWS` by default; fewer events take as long.

    Raises:
        ModelError: OpenVINO is not installed, or the processor has no bfloat16.
    """

    def __init__(
        self,
        plan: Plan,
        features: tuple[int, ...],
        precision: Precision = "float32",
        *,
        threads: int | None = None,
        block_rows: int | None = None,
    ) -> None:
        self._columns = None if features == tuple(range(len(FEATURES))) else list(features)
        self._rows = block_rows or BLOCK_ROWS
        self._model = _compiled(plan, (self._rows, len(features)), precision, threads)
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
        check_features(features)
        if not hasattr(self._own, "request"):
            self._own.request = _Request(self._model, self._columns)
        out = np.empty(len(features), np.float32)
        for start in range(0, len(features), self._rows):
            rows = slice(start, start + self._rows)
            self._own.request.score(features[rows], out[rows])
        return out


class _Request:
    """A thread's way into a compiled model: its input and output are arrays of its own."""

    def __init__(self, model: Any, columns: list[int] | None) -> None:
        openvino = importlib.import_module("openvino")
        self._columns = columns
        self._block = np.zeros(model.input().shape, np.float32)
        self._logits = np.empty(len(self._block), np.float32)
        self._request = model.create_infer_request()
        self._request.set_input_tensor(openvino.Tensor(self._block, shared_memory=True))
        self._request.set_output_tensor(openvino.Tensor(self._logits, shared_memory=True))

    def score(self, features: Float32Array, out: Float32Array) -> None:
        """Scores at most a block of events; rows beyond them hold what was there, unused."""
        rows = len(features)
        if self._columns is None:
            self._block[:rows] = features
        else:
            np.take(features, self._columns, axis=1, out=self._block[:rows])
        # `infer` would hold its caller longer: it copies its answer
        self._request.start_async()
        self._request.wait()
        out[:] = self._logits[:rows]


def available() -> bool:
    """Whether OpenVINO can be imported."""
    try:
        importlib.import_module("openvino")
    except ImportError:
        return False
    return True


def has_bfloat16() -> bool:
    """Whether OpenVINO can be imported and the processor multiplies bfloat16."""
    return available() and _has_bfloat16(_core())


def _core() -> Any:
    """One for the life of the process, whichever thread asks first.

    It gives the thread that makes it a stack for signals (for AMX), and takes that memory away when
    it is freed, by whatever thread: the first SIGTERM after that would end the process.
    """
    with _LOCK:
        return _only_core()


@cache
def _only_core() -> Any:
    return importlib.import_module("openvino").Core()


def _has_bfloat16(core: Any) -> bool:
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _compiled(plan: Plan, shape: tuple[int, int], precision: Precision, threads: int | None) -> Any:
    try:
        openvino = importlib.import_module("openvino")
    except ImportError as error:
        raise ModelError(
            "expected the package openvino, received none; pip install openvino or set "
            "evaluate.scorer=tensorflow"
        ) from error
    core = _core()
    if precision == "bfloat16" and not _has_bfloat16(core):
        raise ModelError(
            "expected a processor with bfloat16 for evaluate.precision=bfloat16, received one "
            "without; set evaluate.precision=float32"
        )
    threads = threads or processors()
    settings = {
        "PERFORMANCE_HINT": "THROUGHPUT",  # a stream a thread: they do not wait for each other
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
    }
    return core.compile_model(_graph(openvino, plan, shape), "CPU", settings)


def _graph(openvino: Any, plan: Plan, shape: tuple[int, int]) -> Any:
    """The network as OpenVINO's graph, layer by layer.

    OpenVINO's own converter would do it too, but reports its use to its makers.
    """
    ops = openvino.opset13
    columns = ops.parameter(list(shape), dtype=np.float32, name="columns")
    value = columns
    for layer in plan:
        value = _layer(ops, value, layer)
    logits = ops.reshape(value, np.array([-1]), False)
    return openvino.Model([logits], [columns], "network")


def _layer(ops: Any, value: Any, layer: Layer) -> Any:
    match layer:
        case Scaling():
            centred = ops.subtract(value, ops.constant(layer.mean))
            return ops.divide(centred, ops.constant(layer.deviation))
        case Dense():
            product = ops.matmul(value, ops.constant(layer.kernel), False, False)
            return product if layer.bias is None else ops.add(product, ops.constant(layer.bias))
        case Activation():
            return _activated(ops, value, layer.name)


def _activated(ops: Any, value: Any, name: ActivationName) -> Any:
    match name:
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
