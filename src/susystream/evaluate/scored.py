"""Rows that were scored, on their way to being counted.

In: labels, logits by model, and what proves which events they are of. Out: the same, cut at any
row; in rising order, so that windows and journals hold the same rows whoever scored them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from susystream.data.parts import cut
from susystream.data.sift import SAMPLED
from susystream.errors import BadRow
from susystream.schema import Float32Array, Int64Array, UInt8Array
from susystream.stream.slices import ContentDigest


@dataclass(frozen=True, slots=True)
class Scored:
    """Some consecutive rows.

    Attributes:
        labels: uint8, shape (n,), of the good rows.
        logits: float32, shape (n,), by model.
        digest: Of the n events.
        rows: How many rows, good and bad.
        bad: The first of the bad ones.
    """

    labels: UInt8Array
    logits: dict[str, Float32Array]
    digest: ContentDigest
    rows: int
    bad: tuple[BadRow, ...] = ()


def joined(parts: list[Scored]) -> Scored:
    """Several parts, at least one, as one."""
    digest = ContentDigest()
    for part in parts:
        digest = digest.merge(part.digest)
    return Scored(
        np.concatenate([part.labels for part in parts]),
        {name: np.concatenate([part.logits[name] for part in parts]) for name in parts[0].logits},
        digest,
        sum(part.rows for part in parts),
        tuple(one for part in parts for one in part.bad)[:SAMPLED],
    )


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """The same with a hash for each event, so that it can be cut; its length is that of its rows.

    Attributes:
        labels, logits, bad: As in `Scored`.
        hashes: Of each event's content without its number, uint64, shape (n,).
        numbers: Of each event, int64, shape (n,).
        places: Where among the rows each event lies, int64, ascending.
        bad_places: Where each bad row lies.
        rows: How many rows, good and bad.
    """

    labels: UInt8Array
    logits: dict[str, Float32Array]
    hashes: NDArray[np.uint64]
    numbers: Int64Array
    places: Int64Array
    bad: tuple[BadRow, ...]
    bad_places: Int64Array
    rows: int

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, rows: slice) -> ScoredRows:
        start, stop, _ = rows.indices(self.rows)
        good, bad = cut(self.places, start, stop), cut(self.bad_places, start, stop)
        return ScoredRows(
            self.labels[good],
            {name: values[good] for name, values in self.logits.items()},
            self.hashes[good],
            self.numbers[good],
            self.places[good] - start,
            self.bad[bad],
            self.bad_places[bad] - start,
            stop - start,
        )

    def summed(self) -> Scored:
        """These rows with one digest for all."""
        digest = ContentDigest.of_hashes(self.hashes, self.numbers)
        return Scored(self.labels, self.logits, digest, self.rows, self.bad)
