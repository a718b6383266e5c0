"""Networks: built from settings, and rebuilt from a stored architecture without executing it.

In: sizes, rates and the scaler; or an architecture as JSON. Out: a Keras network with logits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from susystream.errors import ModelError
from susystream.quiet_tensorflow import keras

Network: TypeAlias = keras.Model
LAYERS: dict[str, type[keras.layers.Layer]] = {
    layer.__name__: layer
    for layer in (
        keras.layers.Activation,
        keras.layers.BatchNormalization,
        keras.layers.Dense,
        keras.layers.Dropout,
        keras.layers.ELU,
        keras.layers.InputLayer,
        keras.layers.LayerNormalization,
        keras.layers.LeakyReLU,
        keras.layers.Normalization,
        keras.layers.ReLU,
    )
}
ACTIVATIONS = frozenset(
    ["elu", "gelu", "leaky_relu", "linear", "relu", "selu", "sigmoid", "silu", "softplus", "tanh"]
)
MAX_LAYERS = 200
MAX_WIDTH = 16_384  # units of all layers together, so at most 2**28 parameters: 1 GiB
_RANDOM = ["GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform"]
_INITIALIZERS = frozenset([*_RANDOM, "Constant", "Ones", "Zeros", "RandomNormal", "RandomUniform"])
_MODULES = {"keras": {"DTypePolicy"}, "keras.initializers": _INITIALIZERS}
_WORDS = ACTIVATIONS | {"float32", "zeros", "ones", "glorot_uniform"}
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_NESTED_KEYS = {"module", "class_name", "config", "registered_name", "shared_object_id"}


def build_network(
    *,
    features: int,
    hidden: Sequence[int],
    dropout: Sequence[float],
    activation: str,
    mean: Sequence[float],
    std: Sequence[float],
    seed: int,
) -> keras.Model:
    """A dense network: scaler, then hidden layers each with its dropout, then one logit.

    The scaler's constants stand in the architecture, so a stored network takes raw columns and
    they are no parameters. Sets the process's seeds too: the same arguments and events give the
    same weights, bit by bit.

    Args:
        features: Columns in.
        hidden: Units of each hidden layer; the report's are 128, 256, 128.
        dropout: Rate after each hidden layer.
        activation: Of the hidden layers.
        mean: Of each column.
        std: Standard deviation of each column, positive.
        seed: Of weights and dropout.

    Raises:
        ModelError: The arguments do not fit together.
    """
    _check_sizes(features, hidden, dropout, mean, std)
    keras.utils.set_random_seed(seed)
    variance = [float(deviation) ** 2 for deviation in std]
    layers: list[dict[str, Any]] = [
        _layer("InputLayer", "columns", batch_shape=[None, features]),
        _layer("Normalization", "scaler", mean=[float(m) for m in mean], variance=variance),
    ]
    for i, (units, rate) in enumerate(zip(hidden, dropout, strict=True), start=1):
        layers.append(_dense(f"hidden_{i}", units, activation, seed + 2 * i))
        layers.append(_layer("Dropout", f"dropout_{i}", rate=float(rate), seed=seed + 2 * i + 1))
    layers.append(_dense("logit", 1, "linear", seed))
    return network_from_json({"class_name": "Sequential", "layers": layers})


def architecture_of(network: keras.Model) -> dict[str, Any]:
    """The architecture as plain JSON data, from which `network_from_json` builds an equal one.

    Raises:
        ModelError: The network is not a plain stack of known layers.
    """
    # keras.Sequential.layers hides the input layer; _layers is what its own get_config reads
    stack = getattr(network, "_layers", network.layers)
    layers = [
        {"class_name": type(layer).__name__, "config": _plain(layer.get_config())}
        for layer in stack
        if not isinstance(layer, keras.Model)
    ]
    architecture = {"class_name": "Sequential", "layers": layers}
    _check(architecture)
    return architecture


def network_from_json(architecture: Mapping[str, Any]) -> keras.Model:
    """The network of an architecture, with fresh weights.

    Keras' own loader executes what a document names; here nothing is built before every part
    of the document stood on a list.

    Raises:
        ModelError: A part is not on the list; the message names the list.
    """
    stack = _check(architecture)
    try:
        layers = [LAYERS[layer["class_name"]].from_config(layer["config"]) for layer in stack]
        network = keras.Sequential(layers, name="network")
    except (TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
        raise ModelError(f"expected a buildable architecture, Keras says {_line(error)}") from error
    if network.output_shape != (None, 1):
        raise ModelError(f"expected one logit an event, received shape {network.output_shape}")
    return network


def named_weights(network: keras.Model) -> list[tuple[str, NDArray[Any]]]:
    """Every weight with its name, in the order of `network.set_weights`."""
    return [(variable.path, np.asarray(variable)) for variable in network.weights]


def _check_sizes(
    features: int,
    hidden: Sequence[int],
    dropout: Sequence[float],
    mean: Sequence[float],
    std: Sequence[float],
) -> None:
    if not len(mean) == len(std) == features:
        raise ModelError(
            f"expected a mean and deviation for each of {features} columns, "
            f"received {len(mean)} and {len(std)}; fit the scaler on the same columns"
        )
    if len(hidden) != len(dropout):
        raise ModelError(
            f"expected one dropout rate for each of {len(hidden)} hidden layers, "
            f"received {len(dropout)}"
        )
    if not all(np.isfinite(deviation) and deviation > 0 for deviation in std):
        raise ModelError(f"expected positive deviations, received {list(std)}")


def _dense(name: str, units: int, activation: str, seed: int) -> dict[str, Any]:
    glorot = {
        "module": "keras.initializers",
        "class_name": "GlorotUniform",
        "config": {"seed": seed},
        "registered_name": None,
    }
    return _layer("Dense", name, units=units, activation=activation, kernel_initializer=glorot)


def _layer(class_name: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, **config}}


def _plain(value: Any) -> Any:
    """Tuples as lists: what JSON makes of them."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _check(architecture: Any) -> list[dict[str, Any]]:
    if not isinstance(architecture, Mapping) or set(architecture) != {"class_name", "layers"}:
        _refuse("an architecture {class_name, layers}", architecture)
    layers = architecture["layers"]
    if architecture["class_name"] != "Sequential" or not isinstance(layers, list):
        _refuse("a Sequential stack of layers", architecture["class_name"])
    if not 2 <= len(layers) <= MAX_LAYERS:
        _refuse(f"2 to {MAX_LAYERS} layers", len(layers))
    for layer in layers:
        _check_layer(layer)
    if layers[0]["class_name"] != "InputLayer":
        _refuse("InputLayer first", layers[0]["class_name"])
    width = sum(size for layer in layers for size in _sizes(layer["config"]))
    if width > MAX_WIDTH:
        _refuse(f"at most {MAX_WIDTH:,} units and inputs together", f"{width:,}")
    return list(layers)


def _check_layer(layer: Any) -> None:
    if not isinstance(layer, Mapping) or set(layer) != {"class_name", "config"}:
        _refuse("a layer {class_name, config}", layer)
    if layer["class_name"] not in list(LAYERS):  # a list: an unhashable name is no error
        _refuse(f"layers out of {sorted(LAYERS)}", layer["class_name"])
    if not isinstance(layer["config"], Mapping):
        _refuse("a layer's config as an object", layer["config"])
    for key, value in layer["config"].items():
        _check_value(key, value)


def _check_value(key: str, value: Any) -> None:
    """One value of a configuration: number, known word, list of numbers, known nested object."""
    if isinstance(value, Mapping):
        _check_nested(value)
    elif isinstance(value, list):
        good = len(value) <= MAX_WIDTH and all(_is_number(item) for item in value)
        if not good:
            _refuse(f"at most {MAX_WIDTH:,} numbers in {key}", value)
    elif isinstance(value, str):
        known = _NAME.fullmatch(value) if key == "name" else value in _WORDS
        if not known:
            _refuse(f"{key} out of {sorted(_WORDS)}", value)
    elif not _is_number(value):
        _refuse(f"a JSON value in {key}", value)


def _check_nested(value: Mapping[str, Any]) -> None:
    module, name = value.get("module"), value.get("class_name")
    known = {f"{module}.{name}" for module, names in _MODULES.items() for name in names}
    if not set(value) <= _NESTED_KEYS or f"{module}.{name}" not in known:
        _refuse(f"nested objects out of {sorted(known)}", f"{module}.{name}")
    if value.get("registered_name") not in (None, ""):
        _refuse("no registered_name", value["registered_name"])
    config = value.get("config")
    if not isinstance(config, Mapping):
        _refuse("a nested object's config as an object", config)
    for key, item in config.items():
        if key == "name" and item != "float32":
            _refuse("float32", item)
        if isinstance(item, Mapping):
            _refuse(f"a plain {key}", item)
        _check_value(key, item)


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float)


def _sizes(config: Mapping[str, Any]) -> Iterator[int]:
    """What decides how large a layer's arrays get."""
    units, shape = config.get("units", 0), config.get("batch_shape", [None, 0])
    good = isinstance(units, int) and isinstance(shape, list) and len(shape) == 2
    if not good or shape[0] is not None or not isinstance(shape[1], int):
        _refuse("whole units and batch_shape [null, columns]", {"units": units, "shape": shape})
    if units < 0 or shape[1] < 0:
        _refuse("positive sizes", {"units": units, "shape": shape})
    yield units
    yield shape[1]


def _refuse(expected: str, received: object) -> NoReturn:
    raise ModelError(
        f"expected {expected} in a stored architecture, received {_line(received)}; "
        "it was not built"
    )


def _line(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 160 else text[:157] + "..."
