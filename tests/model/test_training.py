from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import log_loss, roc_auc_score

from susystream.errors import ModelError, StreamStalled
from susystream.model.network import build_network, named_weights
from susystream.model.tensorflow_scorer import TensorFlowScorer
from susystream.model.training import History, fit, forget_networks
from susystream.registry.document import encode_weights, weights_digest
from susystream.schema import EventBatch
from susystream.stream.dataset import SliceDataset

ROWS = 5000


def events() -> EventBatch:
    random = np.random.default_rng(5)
    features = random.normal(size=(ROWS, 18)).astype(np.float32)
    labels = (features[:, 0] + random.normal(size=ROWS) > 0).astype(np.uint8)
    return EventBatch(np.arange(ROWS), features, labels)


def data(**changes: Any) -> SliceDataset:
    settings: dict[str, Any] = {
        "rows": ROWS,
        "expected": None,
        "features": tuple(range(18)),
        "batch_size": 100,
        "shuffle_window": 2000,
        "seed": 1,
    }
    batches = changes.pop("batches", lambda: iter([events()]))
    return SliceDataset(batches, **(settings | changes))


def network(seed: int = 1) -> Any:
    return build_network(
        features=18,
        hidden=(16, 8),
        dropout=(0.2, 0.2),
        activation="relu",
        mean=[0.0] * 18,
        std=[1.0] * 18,
        seed=seed,
    )


def run(net: Any, train: SliceDataset, **changes: Any) -> History:
    settings: dict[str, Any] = {
        "validation": None,
        "epochs": 2,
        "learning_rate": 1e-2,
        "jit": False,
        "on_epoch": lambda epoch, found: None,
    }
    return fit(net, train, **(settings | changes))


def digest(jit: bool = False) -> str:
    net = network()
    run(net, data(), jit=jit)
    return weights_digest(encode_weights(named_weights(net)))


def test_training_learns_and_its_figures_are_those_of_scikit_learn() -> None:
    net, seen = network(), list[tuple[int, dict[str, float]]]()
    history = run(
        net,
        data(),
        validation=data(shuffle_window=0),
        on_epoch=lambda epoch, found: seen.append((epoch, found)),
    )
    assert [epoch for epoch, _ in seen] == [0, 1]
    assert [found for _, found in seen] == list(history.epochs)
    last = history.epochs[-1]
    assert set(last) == {
        *("train/loss", "train/accuracy"),
        *("validation/loss", "validation/accuracy", "validation/auc", "validation/auc_stderr"),
    }
    logits = TensorFlowScorer(net, tuple(range(18)), 512).logits(events().features)
    labels = events().labels
    assert last["validation/auc"] == pytest.approx(roc_auc_score(labels, logits), abs=1e-6)
    assert last["validation/accuracy"] == pytest.approx(((logits > 0) == labels).mean(), abs=1e-3)
    chance = 1 / (1 + np.exp(-logits.astype(np.float64)))
    assert last["validation/loss"] == pytest.approx(log_loss(labels, chance), abs=1e-5)
    assert 0.80 < last["validation/auc"] < 0.88  # the best possible is 0.833 on other events
    assert 0.6 < last["train/accuracy"] < 0.8


@pytest.mark.parametrize("jit", [False, True])
def test_the_same_events_settings_and_seed_give_the_same_weights_in_another_process(
    jit: bool,
) -> None:
    here = Path(__file__)
    code = f"import runpy; print(runpy.run_path({str(here)!r})['digest']({jit}))"
    other = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert other.stdout.split()[-1] == digest(jit) == digest(jit)


def test_another_seed_gives_other_weights() -> None:
    first, second = network(1), network(2)
    run(first, data())
    run(second, data())
    assert named_weights(first)[0][1].tobytes() != named_weights(second)[0][1].tobytes()


def test_an_error_of_the_stream_comes_out_as_itself_and_closes_the_reader() -> None:
    closed = []

    def stalling() -> Iterator[EventBatch]:
        try:
            yield events()[:4000]
            raise StreamStalled("expected a message in 20 s, received none; look at the broker")
        finally:
            closed.append(True)

    with pytest.raises(StreamStalled, match="look at the broker"):
        run(network(), data(batches=stalling))
    assert closed == [True]


def test_an_interruption_passes_and_leaves_no_reader_open() -> None:
    def interrupt(epoch: int, found: dict[str, float]) -> None:
        raise KeyboardInterrupt

    train = data()
    with pytest.raises(KeyboardInterrupt):
        run(network(), train, on_epoch=interrupt)
    assert not train._open


def test_a_loss_that_is_no_number_is_an_error() -> None:
    whole = events()
    broken = replace(whole, features=np.full_like(whole.features, 1e38))
    with pytest.raises(ModelError, match="learning rate"):
        run(network(), data(batches=lambda: iter([broken])), learning_rate=1e6, epochs=3)


def test_many_networks_one_after_the_other_leave_no_graphs_and_no_notice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A chain may be long."""
    left = []
    for _ in range(7):  # TensorFlow warns at the sixth
        run(network(), data(), epochs=1)
        forget_networks()
        left.append(sum(type(one).__name__ == "FuncGraph" for one in gc.get_objects()))
    tf.get_logger().warning("is heard")
    assert left[-1] <= left[1]
    assert [record.getMessage() for record in caplog.records] == ["is heard"]
