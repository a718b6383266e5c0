from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from susystream.errors import ModelError
from susystream.model.network import (
    architecture_of,
    build_network,
    named_weights,
    network_from_json,
)

MEAN, STD = [0.1 * i for i in range(18)], [1 / (i + 3) for i in range(18)]


def network(**changes: Any) -> Any:
    settings: dict[str, Any] = {
        "features": 18,
        "hidden": (128, 256, 128),
        "dropout": (0.2, 0.4, 0.4),
        "activation": "relu",
        "mean": MEAN,
        "std": STD,
        "seed": 3,
    }
    return build_network(**(settings | changes))


def small() -> dict[str, Any]:
    architecture = architecture_of(network(hidden=(4,), dropout=(0.1,)))
    return copy.deepcopy(json.loads(json.dumps(architecture)))


def test_the_reports_network_has_68481_parameters_all_trainable() -> None:
    built = network()
    assert built.count_params() == 68_481
    assert sum(int(np.prod(v.shape)) for v in built.trainable_variables) == 68_481


def test_the_architecture_survives_json_exactly_and_carries_the_scaler() -> None:
    built = network()
    text = json.dumps(architecture_of(built))
    again = network_from_json(json.loads(text))
    assert json.dumps(architecture_of(again)) == text
    scaler = json.loads(text)["layers"][1]["config"]
    assert scaler["mean"] == MEAN
    assert scaler["variance"] == [s**2 for s in STD]


def test_a_rebuilt_network_predicts_the_same_bits() -> None:
    built = network()
    again = network_from_json(json.loads(json.dumps(architecture_of(built))))
    again.set_weights([array for _, array in named_weights(built)])
    rows = np.random.default_rng(0).normal(size=(64, 18)).astype(np.float32)
    assert np.asarray(again(rows)).tobytes() == np.asarray(built(rows)).tobytes()


def test_the_network_is_that_of_numpy() -> None:
    built = network()
    rows = np.random.default_rng(0).normal(size=(64, 18))
    arrays = [array.astype(np.float64) for _, array in named_weights(built)]
    layer = (rows - MEAN) / STD
    for kernel, bias in zip(arrays[0::2], arrays[1::2], strict=True):
        last = layer @ kernel + bias
        layer = np.maximum(last, 0)
    np.testing.assert_allclose(
        np.asarray(built(rows.astype(np.float32))), last, rtol=1e-3, atol=1e-4
    )


def test_the_seed_decides_the_weights_and_the_names_stay() -> None:
    first, again, other = network(), network(), network(seed=4)
    for (name, a), (name_again, b) in zip(named_weights(first), named_weights(again), strict=True):
        assert name == name_again
        assert a.tobytes() == b.tobytes()
    assert named_weights(first)[0][1].tobytes() != named_weights(other)[0][1].tobytes()


@pytest.mark.parametrize(
    "wrong",
    [{"mean": MEAN[1:]}, {"std": [0.0] * 18}, {"dropout": (0.1,)}, {"hidden": (99_999,) * 3}],
)
def test_settings_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="expected"):
        network(**wrong)


LAMBDA = {
    "class_name": "Lambda",
    "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wA="}}},
}
FOREIGN = {"module": "os", "class_name": "system", "config": {"command": "true"}}
FUNCTION = {
    "module": "builtins",
    "class_name": "function",
    "config": "eval",
    "registered_name": "function",
}
CUSTOM = {
    "module": "keras.initializers",
    "class_name": "Zeros",
    "config": {},
    "registered_name": "mine>Zeros",
}
NESTED = {
    "module": "keras.initializers",
    "class_name": "Constant",
    "config": {"value": FUNCTION},
    "registered_name": None,
}


def hurt(place: str, value: Any) -> Any:
    document = small()
    if place == "document":
        return value
    if place == "layer":
        document["layers"][2] = value
    else:
        document["layers"][2]["config"][place] = value
    return document


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("layer", LAMBDA),
        ("layer", {"class_name": "TorchModuleWrapper", "config": {}}),
        ("layer", {"class_name": "TFSMLayer", "config": {"filepath": "x"}}),
        ("layer", {"class_name": ["Dense"], "config": {}}),
        ("layer", {"module": "os", "class_name": "Dense", "config": {"units": 1}}),
        ("layer", {"class_name": "Dense", "config": {"units": 1, "build_config": {"a": [1]}}}),
        ("layer", {"class_name": "Dense", "config": {"units": -1}}),
        ("layer", {"class_name": "Dense", "config": {"units": 10**9}}),
        ("layer", {"class_name": "Dense", "config": {"units": 4, "surprise": 1}}),
        ("activation", FUNCTION),
        ("activation", "os.system"),
        ("activation", {"class_name": "__lambda__", "config": {}}),
        ("kernel_initializer", FOREIGN),
        ("kernel_initializer", CUSTOM),
        ("kernel_initializer", NESTED),
        ("kernel_initializer", [FUNCTION]),
        ("bias_initializer", "__main__.evil"),
        ("units", "4"),
        ("name", "../../etc"),
        ("document", None),
        ("document", []),
        ("document", {"class_name": "Functional", "layers": []}),
        ("document", {"class_name": "Sequential", "layers": []}),
    ],
)
def test_a_malicious_or_damaged_architecture_is_not_built(place: str, value: Any) -> None:
    with pytest.raises(ModelError, match="expected") as caught:
        network_from_json(hurt(place, value))
    assert "\n" not in str(caught.value)


def test_a_refusal_lists_the_allowed_layers() -> None:
    with pytest.raises(ModelError, match=r"BatchNormalization.*Dense.*Dropout"):
        network_from_json(hurt("layer", LAMBDA))


def test_importing_the_package_loads_no_keras() -> None:
    code = (
        "import sys, susystream; assert not {'keras', 'tensorflow', 'pymongo'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
