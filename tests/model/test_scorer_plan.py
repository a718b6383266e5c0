"""A plan says the same after pickling, and opens where neither Keras nor TensorFlow is loaded."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from susystream.errors import ModelError
from susystream.model.layers import plan_of
from susystream.model.network import architecture_of, build_network
from susystream.model.plan import Activation, Dense, Layer, Scaling
from susystream.model.scorer_plan import OpenVinoPlan, ScorerPlan, TensorFlowPlan
from susystream.physics.toy import toy_events

ALL = tuple(range(18))
EVENTS = toy_events(start=0, stop=20_000, seed=3).features


def network(activation: str = "relu", seed: int = 9) -> Any:
    values = EVENTS[:5000].astype(np.float64)
    return build_network(
        features=18,
        hidden=(128, 256, 128),
        dropout=(0.2, 0.4, 0.4),
        activation=activation,
        mean=values.mean(axis=0).tolist(),
        std=values.std(axis=0).tolist(),
        seed=seed,
    )


def plans() -> dict[str, ScorerPlan]:
    net = network()
    architecture = json.dumps(architecture_of(net))
    return {
        "openvino": OpenVinoPlan(plan_of(net), ALL),
        "tensorflow": TensorFlowPlan(architecture, tuple(net.get_weights()), ALL),
    }


PLANS = plans()


def parts(layer: Layer) -> list[Any]:
    match layer:
        case Scaling():
            return [layer.mean, layer.deviation]
        case Dense():
            return [layer.kernel, layer.bias]
        case Activation():
            return [layer.name]


def test_what_does_nothing_when_scoring_is_not_in_a_plan() -> None:
    dense = [Dense, Activation] * 3
    assert [type(layer) for layer in plan_of(network())] == [Scaling, *dense, Dense]
    assert [type(layer) for layer in plan_of(network("silu"))] == [Scaling, *dense, Dense]


def test_a_plan_is_a_copy_of_the_network() -> None:
    net = network()
    plan, before = plan_of(net), [np.array(weight) for weight in net.get_weights()]
    net.set_weights([0 * weight for weight in before])
    kernels = [layer.kernel for layer in plan if isinstance(layer, Dense)]
    for kernel, weight in zip(kernels, before[0::2], strict=True):
        assert np.array_equal(kernel, weight)


def test_pickling_changes_no_bit() -> None:
    plan = plan_of(network("selu"))
    back = pickle.loads(pickle.dumps(plan))
    for one, other in zip(plan, back, strict=True):
        assert type(one) is type(other)
        for mine, its in zip(parts(one), parts(other), strict=True):
            assert np.array_equal(mine, its)
            assert getattr(mine, "dtype", None) == getattr(its, "dtype", None)


def test_an_activation_without_counterpart_names_the_cure() -> None:
    layers = [keras.layers.Input((18,)), keras.layers.Dense(1, activation="softplus")]
    with pytest.raises(ModelError, match=r"received softplus; set evaluate\.scorer=tensorflow"):
        plan_of(keras.Sequential(layers))


@pytest.mark.parametrize("kind", PLANS)
@pytest.mark.parametrize("threads", [1, 2])
def test_another_process_with_any_number_of_threads_gives_the_same_bits(
    kind: str, threads: int, tmp_path: Path
) -> None:
    mine = PLANS[kind].open().logits(EVENTS)
    (tmp_path / "plan").write_bytes(pickle.dumps(PLANS[kind]))
    np.save(tmp_path / "events.npy", EVENTS)
    code = (
        "import pathlib, pickle, sys, numpy as np; folder = pathlib.Path(sys.argv[1]);"
        "plan = pickle.loads((folder / 'plan').read_bytes());"
        f"scorer = plan.open(threads={threads});"
        "np.save(folder / 'logits.npy', scorer.logits(np.load(folder / 'events.npy')));"
        "print([name for name in ('keras', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    loaded = [] if kind == "openvino" else ["keras", "tensorflow"]
    assert done.stdout.strip() == str(loaded)
    assert np.load(tmp_path / "logits.npy").tobytes() == mine.tobytes()


def test_both_kinds_agree_to_1e_5() -> None:
    one, other = (PLANS[kind].open().logits(EVENTS) for kind in ("openvino", "tensorflow"))
    assert np.abs(one - other).max() < 1e-5
