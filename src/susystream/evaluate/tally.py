"""The identity of an evaluation: how many signal and background events had which score.

In: logits and labels, in any order and partition. Out: `Tally`, the same for each of them.
Engines only count; `susystream.evaluate.metrics` computes every number from the merged counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from susystream.errors import EvaluationError
from susystream.evaluate import bins, tally_bytes
from susystream.evaluate.bins import BinCounts
from susystream.evaluate.dense_bins import DenseBins
from susystream.schema import Float32Array, UInt8Array

# bins, in 84 MB: for scores of one spread an AUC bracket of about 1e-6 at any number of rows; a
# group of scores far narrower than the rest shares few bins, and the bracket is as wide as it is
LIMIT = 1 << 22
BUFFER = 1 << 22  # rows: a sort and a merge of bins serve many rows; 34 MB


class Tally:
    """Counts of signal and background over score bins; empty, update, merge and nothing else.

    At most `limit` bins are kept. While the scores seen have no more distinct values than that,
    each value is its own bin and everything computed from the tally is exact; otherwise bins are
    joined by nested levels (`susystream.evaluate.bins`), to the lowest level L at which at most
    `limit` remain.

    The result depends on the multiset of (score, label) alone, not on order, batches or tree of
    merges. Proof: let D(L, M) be the number of bins of level L that multiset M occupies. Levels
    are nested, so D falls as L rises; a part occupies no bin that the whole does not, so
    D(L, A) <= D(L, A + B). Hence L*(M) = min {L: D(L, M) <= limit} has L*(A) <= L*(A + B): a part
    is never coarser than the whole needs. Adding A (at L*(A)) and B (at L*(B)) starts at
    max(L*(A), L*(B)) <= L*(A + B) and rises until D <= limit, which is at L*(A + B). The counts
    at that level are sums over its bins, and addition has no order.

    Args:
        limit: The most bins kept, at least 260.

    Example:
        >>> tally = Tally.empty()
        >>> tally.update(np.float32([-1, 2]), np.uint8([0, 1])).rows
        2
    """

    __slots__ = ("_buffer", "_counts", "_dense", "_filled", "limit")

    def __init__(self, *, limit: int = LIMIT) -> None:
        if limit < bins.MIN_LIMIT:
            raise EvaluationError(
                f"expected a limit of at least {bins.MIN_LIMIT} bins, received {limit}; raise it"
            )
        self.limit = limit
        self._counts = bins.no_counts()
        self._buffer: NDArray[np.uint64] | None = None
        self._filled = 0
        self._dense: DenseBins | None = None  # what they hold is in `_counts` no more

    @classmethod
    def empty(cls, *, limit: int = LIMIT) -> Tally:
        """A tally of no events."""
        return cls(limit=limit)

    @classmethod
    def of(cls, counts: BinCounts, *, limit: int = LIMIT) -> Tally:
        """A tally of counts, at their level."""
        tally = cls(limit=limit)
        tally._counts = counts
        return tally

    def update(self, logits: Float32Array, labels: UInt8Array) -> Tally:
        """Adds events to this tally; the arrays are copied.

        Args:
            logits: float32, shape (n,), finite.
            labels: uint8, shape (n,): 1 is signal, 0 is background.

        Returns:
            This tally.

        Raises:
            EvaluationError: The arrays are not that; nothing was added.
        """
        _check(logits, labels)
        for start in range(0, len(logits), BUFFER):
            part = slice(start, start + BUFFER)
            self._add(bins.score_keys(logits[part]), labels[part])
        return self

    def merge(self, other: Tally) -> Tally:
        """A new tally of the events of both.

        Raises:
            EvaluationError: The tallies have different limits.
        """
        if other.limit != self.limit:
            raise EvaluationError(
                f"expected a tally of limit {self.limit}, received {other.limit}; use one limit"
            )
        both = Tally(limit=self.limit)
        both._counts = bins.combine(self.counts, other.counts, limit=self.limit)
        return both

    @property
    def counts(self) -> BinCounts:
        """The counts of all events so far."""
        self._fold()
        return self._counts

    @property
    def signal(self) -> int:
        """Signal events counted."""
        return int(self.counts.signal.sum(dtype=np.int64))

    @property
    def background(self) -> int:
        """Background events counted."""
        return self.rows - self.signal

    @property
    def rows(self) -> int:
        """Events counted."""
        return self.counts.events

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tally):
            return NotImplemented
        mine, theirs = self.to_arrays(), other.to_arrays()
        return all(np.array_equal(mine[name], theirs[name]) for name in mine)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Tally({self.rows} rows, {len(self.counts)} bins, level {self.counts.level})"

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The whole state: header (version, limit, level), keys, signal, background."""
        counts = self.counts
        header = np.array([tally_bytes.VERSION, self.limit, counts.level], np.int64)
        return {
            "header": header,
            "keys": counts.keys,
            "signal": counts.signal.astype(np.int64),
            "background": counts.background.astype(np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Tally:
        """The tally that `to_arrays` described.

        Raises:
            EvaluationError: The arrays are incomplete, damaged or of another version.
        """
        limit, counts = tally_bytes.checked_counts(arrays)
        tally = cls(limit=limit)
        tally._counts = counts
        return tally

    def to_bytes(self) -> bytes:
        """The tally in the form of `susystream.evaluate.tally_bytes`."""
        return tally_bytes.pack(self.to_arrays())

    @classmethod
    def from_bytes(cls, content: bytes) -> Tally:
        """The tally that `to_bytes` wrote.

        Raises:
            EvaluationError: The content is foreign or damaged.
        """
        return cls.from_arrays(tally_bytes.unpack(content))

    def _add(self, keys: NDArray[np.uint32], labels: UInt8Array) -> None:
        if self._dense is None and self._counts.level:
            self._dense = DenseBins(self._counts, width=self.limit * 5 // 4)
            self._counts = self._dense.absorb(self._counts)
        if self._dense is not None:
            outside = self._dense.add(keys, labels)
            keys, labels = keys[outside], labels[outside]
        if self._filled + len(keys) > BUFFER:
            self._fold()  # the next call lays dense bins where the events lie by then
        if self._buffer is None:
            self._buffer = np.empty(BUFFER, np.uint64)
        self._buffer[self._filled : self._filled + len(keys)] = bins.packed(keys, labels)
        self._filled += len(keys)

    def _fold(self) -> None:
        if self._dense is not None:
            inside, self._dense = self._dense.counts(), None
            self._counts = bins.combine(inside, self._counts, limit=self.limit)
        if self._buffer is not None:
            rows, self._buffer = self._buffer[: self._filled], None
            new = bins.count(rows, level=self._counts.level)
            del rows  # gives the buffer's memory back before bins are added
            self._counts = bins.combine(self._counts, new, limit=self.limit)
            self._filled = 0


def _check(logits: Float32Array, labels: UInt8Array) -> None:
    if logits.dtype != np.float32 or logits.ndim != 1:
        raise EvaluationError(
            f"expected float32 logits of shape (n,), received {logits.dtype} {logits.shape}; "
            "flatten and convert them"
        )
    if labels.dtype != np.uint8 or labels.shape != logits.shape:
        raise EvaluationError(
            f"expected uint8 labels of shape {logits.shape}, received {labels.dtype} "
            f"{labels.shape}; give one label a logit"
        )
    if len(labels) and labels.max() > 1:
        raise EvaluationError(
            f"expected labels 0 or 1, received {int(labels.max())}; correct the labels"
        )
    wrong = len(logits) - int(np.count_nonzero(np.isfinite(logits)))
    if wrong:
        raise EvaluationError(
            f"expected finite logits, received NaN or infinity for {wrong} of {len(logits)} "
            "events; check the model's weights and the scaling of its inputs"
        )
