"""The proof that a model's document and its network scale the columns by the same constants.

In: an architecture, a scaler, feature names, as plain data. Out: nothing, or an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from susystream.data.scaling import Scaler
from susystream.errors import DocumentInvalid
from susystream.schema import FEATURES

_ROUNDING = 1e-6  # relative: a few steps of float32, in which Keras may have held the constants
_TINY = 1e-30  # float32 has nothing between this and 0


def prove_preprocessing(
    config: Mapping[str, Any], preprocessing: Mapping[str, Any], features: Sequence[str]
) -> None:
    """Compares the constants of the network's Normalization layer with the scaler.

    The layer holds mean and variance of each of the model's columns; the scaler holds mean and
    standard deviation of all features in the order of `FEATURES`. A network without such
    constants states them once, so there is nothing to compare.

    Raises:
        DocumentInvalid: They differ by more than rounding.
    """
    layer = _normalization(config)
    if layer is None:
        return
    scaler = Scaler.from_json(preprocessing)
    unknown = [name for name in features if name not in FEATURES]
    if unknown:
        raise DocumentInvalid(f"expected feature names out of {FEATURES}, received {unknown[:3]}")
    chosen = [FEATURES.index(name) for name in features]
    for name, stated in (
        ("mean", [scaler.mean[i] for i in chosen]),
        ("variance", [scaler.std[i] ** 2 for i in chosen]),
    ):
        if not _same(layer[name], stated):
            raise DocumentInvalid(
                f"expected the network to scale by the {name} of its preprocessing, received "
                "others; the document is damaged: store the model again"
            )


def _normalization(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The configuration of the first Normalization layer whose constants stand in it."""
    layers = config.get("layers")
    for layer in layers if isinstance(layers, list) else []:
        if isinstance(layer, Mapping) and layer.get("class_name") == "Normalization":
            found = layer.get("config")
            if isinstance(found, Mapping) and found.get("mean") is not None:
                return {"mean": found["mean"], "variance": found.get("variance")}
    return None


def _same(received: Any, stated: list[float]) -> bool:
    try:
        constants = np.asarray(received, np.float64).reshape(len(stated))
    except (TypeError, ValueError, OverflowError):
        return False
    return np.allclose(constants, stated, rtol=_ROUNDING, atol=_TINY)
