"""Counts in pieces: what sums over bins walk along, with memory for a piece at a time.

In: `BinCounts`. Out: pieces in rising order of score, each with how many events lie below it.
The arrays of a piece take a few MB; those of millions of bins at once would take a GiB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from susystream.evaluate.bins import POSITIVE, BinCounts, Float64Array, UInt32Array, bin_edges
from susystream.schema import Int64Array

PIECE = 1 << 17  # bins: long enough for threads, which hold the interpreter between two arrays


@dataclass(frozen=True, slots=True)
class Piece:
    """Some neighbouring bins.

    Attributes:
        keys: uint32, shape (b,), ascending.
        signal, background: int64, shape (b,): events in each bin.
        signal_before, background_before: Events in all bins of lower scores than these.
        level: Of the bins.
    """

    keys: UInt32Array
    signal: Int64Array
    background: Int64Array
    signal_before: int
    background_before: int
    level: int

    @property
    def signal_below(self) -> Int64Array:
        """Signal events of lower scores than each bin's, int64, shape (b,)."""
        return np.cumsum(self.signal) - self.signal + self.signal_before

    @property
    def background_below(self) -> Int64Array:
        """Background events of lower scores than each bin's, int64, shape (b,)."""
        return np.cumsum(self.background) - self.background + self.background_before

    @property
    def first_positive(self) -> int:
        """The position of the first bin whose events are called signal."""
        return int(np.searchsorted(self.keys, POSITIVE))

    def logits(self) -> Float64Array:
        """The middle of each bin, float64, shape (b,)."""
        none = np.empty(0, np.uint32)
        near, far = bin_edges(BinCounts(self.keys, none, none, self.level, 0))
        return near if self.level == 0 else (near + far) / 2


def pieces(counts: BinCounts, *, size: int = PIECE) -> Iterator[Piece]:
    """The counts, `size` bins at a time."""
    signal_before = background_before = 0
    for start in range(0, len(counts), size):
        part = slice(start, start + size)
        signal, background = (c[part].astype(np.int64) for c in (counts.signal, counts.background))
        yield Piece(
            counts.keys[part], signal, background, signal_before, background_before, counts.level
        )
        signal_before += int(signal.sum())
        background_before += int(background.sum())
