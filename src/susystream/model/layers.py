"""From a Keras network to its plan.

In: a Keras network. Out: its layers as plain arrays, without those that do nothing when scoring.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast, get_args

import numpy as np

from susystream.errors import ModelError
from susystream.model.plan import Activation, ActivationName, Dense, Layer, Plan, Scaling
from susystream.quiet_tensorflow import keras
from susystream.schema import Float32Array

_CURE = "set evaluate.scorer=tensorflow"


def plan_of(network: keras.Model) -> Plan:
    """The network's plan; its arrays are copies.

    Raises:
        ModelError: A layer or an activation has no counterpart.
    """
    return tuple(part for layer in network.layers for part in _parts(layer))


def _parts(layer: Any) -> Iterator[Layer]:
    match layer:
        case keras.layers.InputLayer() | keras.layers.Dropout():
            return
        case keras.layers.Normalization() if not layer.invert:
            yield _scaling(layer)
        case keras.layers.Dense():
            yield Dense(_copy(layer.kernel), _copy(layer.bias) if layer.use_bias else None)
            yield from _activation(layer.activation)
        case keras.layers.Activation():
            yield from _activation(layer.activation)
        case keras.layers.ReLU() if _is_plain(layer):
            yield Activation("relu")
        case _:
            raise ModelError(
                "expected layers, set as they are built for OpenVINO, received a "
                f"{type(layer).__name__}; {_CURE}"
            )


def _is_plain(layer: Any) -> bool:
    """Whether a ReLU is max(x, 0) and nothing else."""
    return layer.max_value is None and layer.negative_slope == layer.threshold == 0


def _activation(function: Any) -> Iterator[Activation]:
    name = getattr(function, "__name__", type(function).__name__)  # an object may be set as one
    if name == "linear":
        return
    if name not in get_args(ActivationName):
        raise ModelError(
            f"expected an activation that is built for OpenVINO, received {name}; {_CURE}"
        )
    yield Activation(cast(ActivationName, name))


def _scaling(layer: Any) -> Scaling:
    """Mean and deviation as Keras applies them: no division by less than its epsilon."""
    deviation = np.maximum(np.sqrt(np.asarray(layer.variance)), keras.backend.epsilon())
    return Scaling(_copy(layer.mean), _copy(deviation))


def _copy(values: Any) -> Float32Array:
    return np.array(values, np.float32)
