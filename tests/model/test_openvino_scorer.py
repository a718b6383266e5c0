"""OpenVINO's logits are Keras' to 1e-5, and the same bits in every block and thread."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import pytest

from susystream.errors import ModelError
from susystream.model.layers import plan_of
from susystream.model.network import ACTIVATIONS, build_network
from susystream.model.openvino_scorer import BLOCK_ROWS, OpenVinoScorer
from susystream.model.tensorflow_scorer import TensorFlowScorer
from susystream.physics.toy import toy_events

ALL = tuple(range(18))
SETTINGS_ALLOW = ["relu", "tanh", "elu", "gelu", "selu", "silu"]


def network(features: int = 18, activation: str = "relu", **changed: Any) -> Any:
    values = toy_events(start=0, stop=5000, seed=2).features[:, :features].astype(np.float64)
    return build_network(
        features=features,
        hidden=(128, 256, 128),
        dropout=(0.2, 0.4, 0.4),
        activation=activation,
        mean=values.mean(axis=0).tolist(),
        std=values.std(axis=0).tolist(),
        seed=9,
    )


def events(rows: int) -> Any:
    return toy_events(start=0, stop=rows, seed=3).features


@pytest.mark.parametrize("activation", SETTINGS_ALLOW)
def test_logits_are_those_of_keras_to_1e_5(activation: str) -> None:
    net, features = network(activation=activation), events(20_000)
    expected = net.predict(features, batch_size=4096, verbose=0)[:, 0]
    found = OpenVinoScorer(plan_of(net), ALL).logits(features)
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(found - TensorFlowScorer(net, ALL).logits(features)).max() < 1e-5


@pytest.mark.parametrize("columns", [tuple(range(8)), tuple(range(8, 18)), (17, 0, 3)])
def test_a_network_of_some_columns_gets_these(columns: tuple[int, ...]) -> None:
    net, features = network(len(columns)), events(6000)
    expected = TensorFlowScorer(net, columns).logits(features)
    assert np.abs(OpenVinoScorer(plan_of(net), columns).logits(features) - expected).max() < 1e-5


def test_bits_depend_on_no_block_no_place_and_no_thread() -> None:
    net, features = network(), events(3 * BLOCK_ROWS + 5)
    scorer = OpenVinoScorer(plan_of(net), ALL)
    whole = scorer.logits(features)
    order = np.random.default_rng(0).permutation(len(features))
    assert np.array_equal(scorer.logits(features[order]), whole[order])
    for size in (1, 7, BLOCK_ROWS - 1, BLOCK_ROWS + 1):
        starts = range(0, 40 if size == 1 else len(features), size)
        parts = np.concatenate([scorer.logits(features[i : i + size]) for i in starts])
        assert np.array_equal(parts, whole[: len(parts)])
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(scorer.logits, [features] * 12):
            assert np.array_equal(found, whole)


def test_a_single_event_and_none() -> None:
    scorer = OpenVinoScorer(plan_of(network()), ALL)
    assert scorer.logits(events(1)).shape == (1,)
    assert scorer.logits(events(5)[:0]).shape == (0,)


def test_bfloat16_is_near_or_refused() -> None:
    net, features = network(), events(20_000)
    exact = OpenVinoScorer(plan_of(net), ALL).logits(features)
    try:
        found = OpenVinoScorer(plan_of(net), ALL, "bfloat16").logits(features)
    except ModelError as error:
        assert "evaluate.precision=float32" in str(error)  # noqa: PT017  # either outcome is right
        return
    assert 0 < np.abs(found - exact).max() < 0.1


def test_a_layer_without_counterpart_names_the_cure() -> None:
    layers = [keras.layers.Input((18,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    with pytest.raises(ModelError, match=r"BatchNormalization.*evaluate\.scorer=tensorflow"):
        plan_of(keras.Sequential(layers))


def test_every_activation_of_the_settings_is_one_of_the_allowed() -> None:
    assert set(SETTINGS_ALLOW) <= ACTIVATIONS


def test_nothing_is_reported_to_anybody() -> None:
    """OpenVINO's converter would report its use; what is used here opens no connection."""
    code = (
        "import sys; seen = []; "
        "sys.addaudithook(lambda e, a: seen.append(e) if e.startswith('socket.') else None); "
        "import keras, numpy; from susystream.model.layers import plan_of; "
        "from susystream.model.openvino_scorer import OpenVinoScorer; "
        "net = keras.Sequential([keras.layers.Input((18,)), keras.layers.Dense(1)]); "
        "OpenVinoScorer(plan_of(net), tuple(range(18))).logits(numpy.zeros((9, 18), 'float32')); "
        "print([e for e in seen if e in ('socket.connect', 'socket.getaddrinfo')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr


FREED_ELSEWHERE = """
import os, signal, sys, threading
import numpy as np
from susystream.model.openvino_scorer import OpenVinoScorer
from susystream.model.plan import Dense

signal.signal(signal.SIGTERM, lambda number, frame: print("handled", flush=True))
kernel = np.ones((18, 1), np.float32)
scorers = [OpenVinoScorer((Dense(kernel, None),), tuple(range(18)))]
thread = threading.Thread(target=scorers.clear)
thread.start()
thread.join()
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_signal_is_handled_after_a_scorer_was_freed_in_another_thread() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FREED_ELSEWHERE], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
