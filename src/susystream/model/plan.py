"""A network as plain arrays: all that scoring needs of it.

In: arrays. Out: frozen, picklable layers; nothing here loads Keras, so any process can take them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from susystream.schema import Float32Array

ActivationName: TypeAlias = Literal["relu", "tanh", "sigmoid", "elu", "gelu", "selu", "silu"]


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """(x - mean) / deviation, both float32 of one shape that x is broadcast with."""

    mean: Float32Array
    deviation: Float32Array


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """x @ kernel + bias: float32 of shape (inputs, units), and (units,) or none."""

    kernel: Float32Array
    bias: Float32Array | None


@dataclass(frozen=True, slots=True)
class Activation:
    """A function of each value, as Keras defines the one of that name."""

    name: ActivationName


Layer: TypeAlias = Scaling | Dense | Activation
Plan: TypeAlias = tuple[Layer, ...]
