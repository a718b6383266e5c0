"""Training a network on the events of a slice.

In: a network and proven events. Out: the network trained, and figures of each epoch.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from susystream.errors import ModelError
from susystream.evaluate.metrics import metrics
from susystream.evaluate.tally import Tally
from susystream.quiet_tensorflow import config, keras, ops, tf
from susystream.stream.dataset import SliceDataset

STEPS_PER_EXECUTION = 32  # steps between returns to Python: twice the speed at batch 64


@dataclass(frozen=True, slots=True)
class History:
    """What a training gave.

    Attributes:
        epochs: Figures of each epoch, by metric name, the first epoch first.
        seconds: Wall time of the training alone, without validation.
    """

    epochs: tuple[dict[str, float], ...]
    seconds: float


def fit(
    network: keras.Model,
    train: SliceDataset,
    *,
    validation: SliceDataset | None,
    epochs: int,
    learning_rate: float,
    jit: bool,
    on_epoch: Callable[[int, dict[str, float]], None],
) -> History:
    """Minimises binary cross entropy by Adam; every epoch reads the slice anew.

    `train/loss` (nats) and `train/accuracy` are means over an epoch's steps, dropout included;
    `validation/loss`, `validation/accuracy`, `validation/auc` and `validation/auc_stderr` are those
    of `susystream.evaluate.metrics`, after the epoch.

    Args:
        network: Changed in place.
        train: Events to learn from.
        validation: Events to judge by, or None.
        epochs: How often every event is seen.
        learning_rate: Adam's.
        jit: Whether XLA compiles the training step; other weights than without, as reproducible
            on one machine.
        on_epoch: Called after each epoch with its number from 0 and its figures.

    Raises:
        StreamError: What the stream raised, or that it held other events than it should.
        EvaluationError: The validation events are of one class only.
        ModelError: The loss is no number any more.
    """
    _set_determinism(on=not jit)
    _compile(network, learning_rate=learning_rate, jit=jit)
    done: list[dict[str, float]] = []
    seconds, score = 0.0, _scoring(network)
    for epoch in range(epochs):
        started = time.monotonic()
        found = _train_epoch(network, train, epoch)
        seconds += time.monotonic() - started
        if validation is not None:
            found |= _validate(score, validation)
        done.append(found)
        on_epoch(epoch, found)
    return History(tuple(done), seconds)


def forget_networks() -> None:
    """Lets go of all networks that were trained, which none may be in use any more.

    TensorFlow keeps the gradient functions of each traced step for ever, and with them its graphs:
    a process that trains one network after the other grows by some 10 MB for each without this.
    """
    kept = ops.gradient_registry._registry
    for name in [name for name in kept if name.startswith("CustomGradient-")]:
        del kept[name]
    keras.backend.clear_session()
    gc.collect()


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """That a function is traced often is no news: each network traces its own step once."""
    return "triggered tf.function retracing" not in record.getMessage()


tf.get_logger().addFilter(_is_worth_a_line)


def _set_determinism(*, on: bool) -> None:
    """TensorFlow's deterministic operations, or XLA: Keras drops `jit_compile` where both are on.

    XLA gave equal weights in every run on CPUs too, but promises nothing on other devices.
    """
    if on:
        tf.config.experimental.enable_op_determinism()
    else:
        config.disable_op_determinism()


def _compile(network: keras.Model, *, learning_rate: float, jit: bool) -> None:
    network.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        # Keras' BinaryAccuracy takes no threshold 0, which is where a logit decides
        metrics=[keras.metrics.MeanMetricWrapper(_right, name="accuracy")],
        steps_per_execution=STEPS_PER_EXECUTION,
        jit_compile=jit,
    )


def _right(labels: Any, logits: Any) -> Any:
    same = keras.ops.equal(labels > 0.5, logits > 0)
    return keras.ops.cast(same, "float32")


def _train_epoch(network: keras.Model, train: SliceDataset, epoch: int) -> dict[str, float]:
    history = _guarded(
        train, lambda: network.fit(train.dataset(epoch), epochs=1, shuffle=False, verbose=0)
    )
    found = {f"train/{name}": float(values[-1]) for name, values in history.history.items()}
    if not np.isfinite(found["train/loss"]):
        raise ModelError(
            f"expected a finite training loss, received {found['train/loss']} in epoch "
            f"{epoch + 1}; lower the learning rate"
        )
    return found


def _scoring(network: keras.Model) -> Callable[[Any], Any]:
    """Logits of a batch of any size, traced once for all epochs."""
    score: Callable[[Any], Any] = tf.function(
        lambda block: tf.reshape(network(block, training=False), (-1,)), reduce_retracing=True
    )
    return score


def _validate(score: Callable[[Any], Any], validation: SliceDataset) -> dict[str, float]:
    tally = Tally.empty()

    def count() -> None:
        for features, labels in validation.dataset():
            tally.update(score(features).numpy(), labels.numpy()[:, 0].astype(np.uint8))

    _guarded(validation, count)
    found = metrics(tally)
    names = {"loss": "log_loss", "accuracy": "accuracy", "auc": "auc", "auc_stderr": "auc_stderr"}
    return {f"validation/{name}": found[key] for name, key in names.items()}


def _guarded(data: SliceDataset, work: Callable[[], Any]) -> Any:
    """Does the work; an error of the stream comes out as itself; no reader stays open."""
    try:
        return work()
    except tf.errors.OpError:
        if data.error is None:
            raise
        raise data.error from None  # TensorFlow's text adds a page and no fact
    finally:
        data.close()
