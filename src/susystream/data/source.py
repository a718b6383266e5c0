"""Where events come from.

In: a seed, or a file. Out: a `Source`, which gives its events in order, as often as asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import polars as pl

from susystream.data.frames import first_bytes
from susystream.data.scan import scan_events
from susystream.errors import DataError
from susystream.physics.features import high_level
from susystream.physics.toy import CHUNK, VERSION, toy_events
from susystream.schema import LABEL, LOW_LEVEL, EventBatch

_LOW_LEVEL = "susy_real_low_level_10k.csv.gz"
_READ = (LABEL, *LOW_LEVEL)


class Source(Protocol):
    """Events in a fixed order."""

    @property
    def name(self) -> str:
        """What a person calls it."""

    @property
    def rows(self) -> int | None:
        """How many events, if that is known before reading."""

    def batches(self) -> Iterator[EventBatch]:
        """All events, checked; event numbers count up."""

    def describe(self) -> dict[str, Any]:
        """What identifies the events, as plain data for the record of a data set."""


@dataclass(frozen=True, slots=True)
class ToySource:
    """Events `offset` to `offset + rows - 1` of the toy Monte Carlo."""

    rows: int
    seed: int
    name: str = "toy"
    offset: int = 0

    def batches(self) -> Iterator[EventBatch]:
        """A few chunks of the generator at a time."""
        stop = self.offset + self.rows
        for start in range(self.offset, stop, 2 * CHUNK):
            yield toy_events(
                start=start, stop=min(start + 2 * CHUNK, stop), seed=self.seed
            ).checked()

    def describe(self) -> dict[str, Any]:
        """Kind, range, seed and the generator's version."""
        return {
            "kind": "toy",
            "rows": self.rows,
            "offset": self.offset,
            "seed": self.seed,
            "version": VERSION,
        }


@dataclass(frozen=True, slots=True)
class FileSource:
    """The events of a file.

    Attributes:
        path: CSV, CSV.GZ or Parquet.
        name: What a person calls it.
        expected_rows: Another number of rows is an error.
        limit: Only the first so many.
        batch_rows: At most so many rows a batch.
        skip_rows: Rows passed over at the beginning, for a scan that goes on.
    """

    path: Path
    name: str = "susy"
    expected_rows: int | None = None
    limit: int | None = None
    batch_rows: int = 131_072
    skip_rows: int = 0

    @property
    def rows(self) -> int | None:
        """As stated; the file was not read yet."""
        return stated_rows(self)

    def batches(self) -> Iterator[EventBatch]:
        """The file's events.

        Raises:
            DataError: The file does not hold the expected number of rows.
        """
        scan = scan_events(self.path, batch_rows=self.batch_rows, skip_rows=self.skip_rows)
        return bounded(scan, self, before=self.skip_rows)

    @property
    def place(self) -> str:
        """What is read, for a person."""
        return str(self.path)

    def describe(self) -> dict[str, Any]:
        """Kind, name and content of the file; not its folder, which is nobody else's.

        Raises:
            DataError: No such file, or none that can be read.
        """
        return {
            "kind": "file",
            "file": self.path.name,
            "sha256": _sha256(self.path),
            "limit": self.limit,
        }


class Bounds(Protocol):
    """How many rows there are to be."""

    @property
    def limit(self) -> int | None:
        """Rows to end at, those passed over among them."""

    @property
    def expected_rows(self) -> int | None:
        """How many there must be, those passed over among them."""

    @property
    def place(self) -> str:
        """What is read, for a person."""


def stated_rows(bounds: Bounds) -> int | None:
    """How many rows there are to be, as far as that is stated."""
    stated = [rows for rows in (bounds.limit, bounds.expected_rows) if rows is not None]
    return min(stated, default=None)


class Rows(Protocol):
    """Rows that can be counted and cut."""

    def __len__(self) -> int: ...

    def __getitem__(self: _Rows, rows: slice, /) -> _Rows: ...


_Rows = TypeVar("_Rows", bound=Rows)


def bounded(scan: Iterator[_Rows], bounds: Bounds, *, before: int) -> Iterator[_Rows]:
    """A scan that ends at a limit, and that must hold as many rows as expected.

    Args:
        scan: Rows in order; not asked for more than needed.
        bounds: Their limit and number.
        before: Rows that were passed over.

    Raises:
        DataError: There are fewer or more.
    """
    limit = bounds.limit
    done = before
    if limit is not None and done >= limit:
        return
    for batch in scan:
        if limit is not None and done + len(batch) >= limit:
            yield batch[: limit - done]
            return
        yield batch
        done += len(batch)
    check_end(bounds, done)


def check_end(bounds: Bounds, done: int) -> None:
    """Whether a scan that did not reach its limit may end after so many rows.

    Raises:
        DataError: There are fewer or more rows than expected.
    """
    if bounds.expected_rows is not None and done != bounds.expected_rows:
        raise DataError(
            f"expected {bounds.expected_rows:,} rows in {bounds.place}, received {done:,}; remove "
            "a fetched file and run again, or set data.expected_rows=null for one of your own"
        )
    if bounds.limit is not None and done < bounds.limit:
        raise DataError(
            f"expected at least data.limit={bounds.limit:,} rows in {bounds.place}, received "
            f"{done:,}; lower the limit"
        )


def _sha256(path: Path) -> str:
    """Of the whole file: size and date would let a file of other events pass for this one."""
    first_bytes(path)  # refuses what is no file to read
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(1 << 22), b""):
            digest.update(piece)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class RealLowLevelSource:
    """The 10,499 shipped real rows of label and low-level columns.

    Their high-level columns are computed (`susystream.physics.features`): nine of the ten as UCI
    has them to a few parts in a million, MET_rel in about 85 % of rows, since jets are not known.
    """

    name: str = "real_low_level"
    rows: int = 10_499

    def batches(self) -> Iterator[EventBatch]:
        """All events, in one batch.

        Raises:
            DataError: The shipped file is not what it was.
        """
        frame = pl.read_csv(_shipped(_LOW_LEVEL), schema_overrides=dict.fromkeys(_READ, pl.Float32))
        if tuple(frame.columns) != _READ or frame.height != self.rows:
            raise DataError(
                f"expected {self.rows:,} rows of {len(_READ)} columns in {_LOW_LEVEL}, received "
                f"{frame.height:,} of {len(frame.columns)}; install the package again"
            )
        low = np.ascontiguousarray(frame.select(LOW_LEVEL).to_numpy(), np.float32)
        features = np.concatenate([low, high_level(low)], axis=1)
        labels = frame[LABEL].to_numpy().astype(np.uint8)
        yield EventBatch(np.arange(self.rows, dtype=np.int64), features, labels).checked()

    def describe(self) -> dict[str, Any]:
        """Kind and content."""
        return {"kind": "real_low_level", "sha256": _sha256(_shipped(_LOW_LEVEL))}


def _shipped(name: str) -> Path:
    """A file of real rows in the package (UCI SUSY, CC BY 4.0, doi 10.24432/C54606)."""
    return Path(str(files("susystream.data").joinpath(f"real/{name}")))


def sample_path() -> Path:
    """The 500 real rows shipped in the package, all 19 columns."""
    return _shipped("susy_real_500.csv")


def real_sample(name: str = "real_sample") -> FileSource:
    """The shipped real rows as a source."""
    return FileSource(sample_path(), name=name, expected_rows=500)
