"""Counting by address: neighbouring bins of one level, each with its own cell.

In: keys and labels. Out: `BinCounts` of the keys inside, positions of those outside.
Once bins are joined they fill again and again, and a cell is found in 15 ns where sorting and
adding to sorted bins takes 70. Which keys are inside decides the speed, never the result.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from susystream.errors import EvaluationError
from susystream.evaluate.bins import (
    CHUNK,
    BinCounts,
    UInt32Array,
    coarse_keys,
    count_type,
    mantissa_bits_dropped,
)
from susystream.schema import Int64Array, UInt8Array

_MANTISSA = np.uint32((1 << 23) - 1)


class DenseBins:
    """Cells for signal and background of `width` bins in a row.

    Args:
        around: Counts at the level of the bins, which lie around their middle event.
        width: How many bins; 16 bytes each.
    """

    __slots__ = ("_cells", "_first", "_width", "level")

    def __init__(self, around: BinCounts, *, width: int) -> None:
        if not len(around):
            raise EvaluationError("expected counts to lay bins around, received none")
        self.level = around.level
        self._width = width
        ordinals = bin_ordinals(around.keys, self.level)
        low, high = int(ordinals[0]), int(ordinals[-1])
        if high - low < width:
            middle = (low + high) // 2
        else:
            events = np.cumsum(around.signal + around.background)
            middle = int(ordinals[np.searchsorted(events, events[-1] // 2)])
        self._first = middle - width // 2
        self._cells = np.zeros(2 * width, np.int64)  # background and signal of a bin side by side

    def add(self, keys: UInt32Array, labels: UInt8Array) -> Int64Array:
        """Counts the keys inside; returns the positions of those outside."""
        cells = bin_ordinals(keys, self.level)
        cells -= self._first
        # seen as unsigned, places before the first bin are beyond the last too
        outside = np.flatnonzero(cells.view(np.uint64) >= np.uint64(self._width))
        cells <<= 1
        cells |= labels
        if len(outside):
            cells = np.delete(cells, outside)
        np.add.at(self._cells, cells, 1)
        return outside

    def absorb(self, counts: BinCounts) -> BinCounts:
        """Adds counts of the same level; returns those of the bins outside."""
        at = bin_ordinals(counts.keys, self.level)
        at -= self._first
        low, high = (int(i) for i in np.searchsorted(at, (0, self._width)))
        inside = at[low:high]
        self._cells[0::2][inside] += counts.background[low:high]
        self._cells[1::2][inside] += counts.signal[low:high]
        keys = np.delete(counts.keys, slice(low, high))
        signal = np.delete(counts.signal, slice(low, high))
        background = np.delete(counts.background, slice(low, high))
        events = int(signal.sum(dtype=np.int64) + background.sum(dtype=np.int64))
        kind = count_type(events)
        return BinCounts(keys, signal.astype(kind), background.astype(kind), self.level, events)

    def counts(self) -> BinCounts:
        """The counts of all bins that hold an event."""
        events = int(self._cells.sum())
        kind, found = count_type(events), []
        for start in range(0, self._width, CHUNK):
            background, signal = self._cells[2 * start : 2 * (start + CHUNK)].reshape(-1, 2).T
            at = np.flatnonzero(background + signal)
            keys = ordinal_keys(at + (self._first + start), self.level)
            found.append((keys, signal[at].astype(kind), background[at].astype(kind)))
        keys, signal, background = (np.concatenate(c) for c in zip(*found, strict=True))
        return BinCounts(keys, signal, background, self.level, events)


def bin_ordinals(keys: UInt32Array, level: int) -> Int64Array:
    """The number of each key's bin among all bins of a level, in their order; int64."""
    drop, first = _binades(level)
    ordinals = np.empty(len(keys), np.int64)
    for start in range(0, len(keys), CHUNK):
        part = keys[start : start + CHUNK]
        binade = (part >> np.uint32(23)).astype(np.intp)
        ordinals[start : start + CHUNK] = (part & _MANTISSA) >> drop[binade]
        ordinals[start : start + CHUNK] += first[binade]
    return ordinals


def ordinal_keys(ordinals: Int64Array, level: int) -> UInt32Array:
    """The keys of the bins of ascending numbers: the inverse of `bin_ordinals`."""
    drop, first = _binades(level)
    keys = np.empty(len(ordinals), np.uint32)
    for start in range(0, len(ordinals), CHUNK):
        part = ordinals[start : start + CHUNK]
        binade = np.searchsorted(first, part, side="right") - 1
        keys[start : start + CHUNK] = (part - first[binade] << drop[binade]) | (binade << 23)
    return coarse_keys(keys, level)


@cache
def _binades(level: int) -> tuple[UInt32Array, Int64Array]:
    """For each sign and exponent (512): bits of the mantissa to drop, and its first bin's number.

    Binades that vanish in the bin next to zero drop all 23 bits and share that bin's number.
    """
    dropped = mantissa_bits_dropped(level)
    dropped = np.concatenate([dropped[::-1], dropped])  # negative keys rise as magnitudes fall
    size = np.left_shift(1, 23 - np.minimum(dropped, 23))
    vanishes = dropped > 23
    size[vanishes] = 0
    size[[255, 256]] = np.maximum(size[[255, 256]], 1)  # each sign has its bin next to zero
    start = np.cumsum(size) - size
    start[:256][vanishes[:256]] = start[255]
    start[256:][vanishes[256:]] = start[256]
    return np.minimum(dropped, 23).astype(np.uint32), start
