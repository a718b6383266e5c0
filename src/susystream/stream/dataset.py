"""The events of a slice as a `tf.data.Dataset`: shuffled in windows, counted, proven, any epoch.

In: a function that reads the slice from its start. Out: (features, label) batches for training.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from susystream.errors import DigestMismatch, SettingsError, SliceTruncated
from susystream.quiet_tensorflow import tf
from susystream.schema import FEATURES, EventBatch, Float32Array, concatenate
from susystream.stream.ahead import ahead
from susystream.stream.slices import ContentDigest

_ALL = tuple(range(len(FEATURES)))
_OPTIONS = tf.data.Options()
_OPTIONS.autotune.enabled = False  # nothing here can be tuned, and it counts every step
_Pair = tuple[Float32Array, Float32Array]


@dataclass(slots=True, eq=False)
class SliceDataset:
    """Reads a slice once an epoch, a window ahead; memory is some shuffle windows, not the slice.

    Rows are shuffled inside windows of `shuffle_window` rows by a permutation that depends on
    (seed, epoch, window) alone, so neither the reader's batches nor timing change the order.

    Args:
        batches: Reads the slice from its start, in the same order at each call.
        rows: How many events the slice holds.
        expected: The digest the events must have, or None where it is proven elsewhere.
        features: Which of the 18 columns, in the order wanted.
        batch_size: Rows a training step; the last batch of an epoch may be shorter.
        shuffle_window: Rows shuffled together; 0 keeps the order.
        seed: Of the shuffling.

    Attributes:
        error: What stopped the last epoch, for TensorFlow hands on no Python exception.
    """

    batches: Callable[[], Iterator[EventBatch]]
    rows: int = field(kw_only=True)
    expected: ContentDigest | None = field(kw_only=True)
    features: tuple[int, ...] = field(kw_only=True)
    batch_size: int = field(kw_only=True)
    shuffle_window: int = field(kw_only=True)
    seed: int = field(kw_only=True)
    error: BaseException | None = field(default=None, init=False)
    _open: dict[threading.Event, Generator[_Pair, None, None]] = field(
        default_factory=dict, init=False, repr=False
    )

    def __post_init__(self) -> None:
        for name, least in (("rows", 1), ("batch_size", 1), ("shuffle_window", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise SettingsError(
                    f"expected {name} of at least {least}, received {getattr(self, name)}"
                )

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return -(-self.rows // self.batch_size)

    def dataset(self, epoch: int = 0) -> tf.data.Dataset:
        """One epoch: float32 features of shape (b, k) and float32 labels of shape (b, 1).

        Iterating raises TensorFlow's error; `error` then holds ours: `SliceTruncated`,
        `DigestMismatch`, or what the reader raised.
        """
        signature = (
            tf.TensorSpec((None, len(self.features)), tf.float32),
            tf.TensorSpec((None, 1), tf.float32),
        )
        self.error = None
        windows = tf.data.Dataset.from_generator(
            lambda: self._tracked(epoch), output_signature=signature
        )
        # the number of steps lets Keras run many of them in one call
        exact = tf.data.experimental.assert_cardinality(self.steps)
        return windows.rebatch(self.batch_size).apply(exact).with_options(_OPTIONS)

    def close(self) -> None:
        """Ends epochs that were left early, and their readers; safe to call at any time."""
        for closing, generator in list(self._open.items()):
            closing.set()
            try:
                generator.close()
            except ValueError:  # it runs in TensorFlow's thread and sees the flag at its next step
                continue

    def windows(
        self, epoch: int = 0, *, closing: threading.Event | None = None
    ) -> Generator[_Pair, None, None]:
        """One epoch in windows: what `dataset` cuts into batches.

        Args:
            epoch: Its number.
            closing: Set by another thread, it ends the epoch early.

        Raises:
            SliceTruncated: The reader gave more or fewer events than the slice has.
            DigestMismatch: It gave other events.
        """
        for number, batch in enumerate(self._windows(closing or threading.Event())):
            order: Any = slice(None)
            if self.shuffle_window:
                random = np.random.default_rng([self.seed, epoch, number])
                order = random.permutation(len(batch))
            yield self._pair(batch, order)

    def _pair(self, batch: EventBatch, order: Any) -> _Pair:
        # rows before columns: gathering whole rows is several times faster
        features = batch.features[order]
        if self.features != _ALL:
            features = np.take(features, self.features, axis=1)
        return features, batch.labels[order].astype(np.float32)[:, None]

    def _windows(self, closing: threading.Event) -> Iterator[EventBatch]:
        """Verified events in windows of the shuffle's size, whatever the reader's batches are."""
        size, held, count = self.shuffle_window, list[EventBatch](), 0
        for batch in self._verified(closing):
            if not size:
                yield batch
                continue
            held.append(batch)
            count += len(batch)
            while count >= size:
                whole = concatenate(held) if len(held) > 1 else held[0]
                yield whole[:size]
                held, count = [whole[size:]], count - size
        if count:
            yield concatenate(held)

    def _verified(self, closing: threading.Event) -> Iterator[EventBatch]:
        digest, source = ContentDigest(), self.batches()
        rows = 0
        try:
            for batch in source:
                if closing.is_set():
                    return
                rows += len(batch)
                if rows > self.rows:
                    break
                if self.expected is not None:
                    digest = digest.update(batch)
                yield batch
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()
        self._prove(rows, digest)

    def _prove(self, rows: int, digest: ContentDigest) -> None:
        if rows != self.rows:
            found = f"more than {self.rows:,}" if rows > self.rows else f"{rows:,}"
            raise SliceTruncated(
                f"expected {self.rows:,} events in the slice, received {found}; "
                "publish the data again"
            )
        if self.expected is not None and digest != self.expected:
            raise DigestMismatch(
                f"expected events with digest {self.expected}, received {digest}; "
                "publish the data again"
            )

    def _tracked(self, epoch: int) -> Generator[_Pair, None, None]:
        """The windows, remembered while open so that `close` finds them, and their error kept."""
        closing = threading.Event()
        # while the steps of one window run, the next is read
        inner = self._open[closing] = ahead(self.windows(epoch, closing=closing))
        try:
            yield from inner
        except Exception as error:
            self.error = error
            raise
        finally:
            inner.close()
            self._open.pop(closing, None)
