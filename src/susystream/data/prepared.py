"""Prepared events: split into train and test, with the scaler and the digests.

In: a source. Out: a folder of its own with `train.parquet`, `test.parquet` and `manifest.json`.
Row order is kept; the last part is the test set; the scaler sees train only.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pyarrow.parquet as pq

from susystream.data.enlarge import frame_of
from susystream.data.frames import EVENT_NUMBER
from susystream.data.scaling import Scaler, ScalerFit
from susystream.data.source import Source
from susystream.errors import DataError
from susystream.schema import EventBatch
from susystream.stream.slices import ContentDigest

_SCHEMA_VERSION = 2  # 2: digests m2
_DRAFT = ".part"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a preparation left in its folder."""

    folder: Path
    rows_train: int
    rows_test: int
    digest_train: str
    digest_test: str
    scaler: Scaler
    source: dict[str, Any]

    @property
    def train(self) -> Path:
        """The training events."""
        return self.folder / "train.parquet"

    @property
    def test(self) -> Path:
        """The test events."""
        return self.folder / "test.parquet"


def folder_of(under: Path, name: str, described: Mapping[str, Any]) -> Path:
    """Where events of this description lie: one folder for each, so none replaces another."""
    text = json.dumps(described, sort_keys=True)
    return under / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def prepare_events(
    source: Source,
    *,
    under: Path,
    test_fraction: float,
    progress: Callable[[int], None],
) -> Prepared:
    """Prepares a source in a folder of its own under `under`, which is reused if it is there.

    The folder appears under its name only when it is whole; two processes that prepare the same
    events at once make the same folder, and the first one's stays.

    Raises:
        DataError: The source holds no events, or too few for a training set.
    """
    described = _described(source, test_fraction)
    folder = folder_of(under, source.name, described)
    if (before := prepared_before(source, under=under, test_fraction=test_fraction)) is not None:
        return before
    rows = source.rows if source.rows is not None else sum(len(b) for b in source.batches())
    rows_train = rows - round(rows * test_fraction)
    if rows_train < 1:
        raise DataError(
            f"expected events to train on in {source.name}, received {rows} with "
            f"{rows - rows_train} of them for the test; give more rows or a smaller "
            "data.test_fraction"
        )
    _remove_abandoned(under)
    under.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(_DRAFT, f"{folder.name}.{os.getpid()}.", under))
    try:
        _write(source, draft, described, rows_train, progress)
        _put_in_place(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return load_prepared(folder)


def prepared_before(source: Source, *, under: Path, test_fraction: float) -> Prepared | None:
    """What `prepare_events` would find there; None where it would prepare anew."""
    described = _described(source, test_fraction)
    found = _loaded_or_none(folder_of(under, source.name, described))
    whole = found is not None and found.source == described and _as_many(found, source)
    return found if whole else None


def _described(source: Source, test_fraction: float) -> dict[str, Any]:
    return {**source.describe(), "test_fraction": test_fraction}


def _as_many(before: Prepared, source: Source) -> bool:
    """A source that states another number of rows is read again, and says so itself."""
    return source.rows in (None, before.rows_train + before.rows_test)


def _remove_abandoned(under: Path) -> None:
    """Removes what preparations left that were killed."""
    for draft in under.glob(f"*{_DRAFT}"):
        pid = draft.name.split(".")[-3:][0]  # folder's name, process, random letters, ending
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(draft, ignore_errors=True)


def _put_in_place(draft: Path, folder: Path) -> None:
    """Renames; a whole folder that another process put there meanwhile holds the same."""
    if _loaded_or_none(folder) is not None:
        return
    shutil.rmtree(folder, ignore_errors=True)  # what is there is damaged
    try:
        draft.rename(folder)
    except OSError:
        if _loaded_or_none(folder) is None:
            raise


def load_prepared(folder: Path) -> Prepared:
    """What an earlier preparation left.

    Raises:
        DataError: There is none, or its manifest is damaged.
    """
    path = folder / "manifest.json"
    if not path.exists():
        raise DataError(
            f"expected prepared events in {folder}, received none; run stage=prepare first"
        )
    prepared = _loaded_or_none(folder)
    if prepared is None:
        raise DataError(f"expected a manifest at {path}, received a damaged one; remove {folder}")
    return prepared


def part_with(digest: str, *, under: Path) -> Path | None:
    """The prepared part, train or test, that holds the events of a digest; None if none does."""
    for manifest in sorted(under.glob("*/manifest.json")):
        found = _loaded_or_none(manifest.parent)
        if found is not None and digest == found.digest_test:
            return found.test
        if found is not None and digest == found.digest_train:
            return found.train
    return None


def _loaded_or_none(folder: Path) -> Prepared | None:
    try:
        value = json.loads((folder / "manifest.json").read_text())
        if value.pop("schema_version") != _SCHEMA_VERSION:
            return None
        value["scaler"] = Scaler.from_json(value["scaler"])
        prepared = Prepared(folder=folder, **value)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    whole = _rows_in(prepared.train) == prepared.rows_train
    return prepared if whole and _rows_in(prepared.test) == prepared.rows_test else None


def _rows_in(path: Path) -> int | None:
    """The rows a Parquet file states; None for one that is missing or damaged."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, ValueError):  # pyarrow's errors are among them
        return None


def _write(
    source: Source,
    folder: Path,
    described: dict[str, Any],
    rows_train: int,
    progress: Callable[[int], None],
) -> None:
    fit, digests, done = ScalerFit(), [ContentDigest(), ContentDigest()], 0
    with _Writer(folder / "train.parquet") as train, _Writer(folder / "test.parquet") as test:
        for batch in source.batches():
            for part, piece in _split(batch, rows_train - done):
                (train, test)[part].write(piece)
                digests[part] = digests[part].update(piece)
                if part == 0:
                    fit.update(piece)
            done += len(batch)
            progress(done)
    if digests[0].rows != rows_train:
        raise DataError(f"expected {rows_train:,} training events, received {digests[0].rows:,}")
    _write_manifest(folder, described, (digests[0], digests[1]), fit.result())


def _split(batch: EventBatch, before: int) -> Iterator[tuple[int, EventBatch]]:
    """The part of a batch for training and the part for testing, as (0 or 1, events)."""
    middle = min(max(before, 0), len(batch))
    if middle:
        yield 0, batch[:middle]
    if middle < len(batch):
        yield 1, batch[middle:]


def _write_manifest(
    folder: Path,
    described: dict[str, Any],
    digests: tuple[ContentDigest, ContentDigest],
    scaler: Scaler,
) -> None:
    value = {
        "schema_version": _SCHEMA_VERSION,
        "rows_train": digests[0].rows,
        "rows_test": digests[1].rows,
        "digest_train": str(digests[0]),
        "digest_test": str(digests[1]),
        "scaler": scaler.to_json(),
        "source": described,
    }
    text = json.dumps(value, indent=2, sort_keys=True) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


class _Writer:
    """A Parquet file of events."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> _Writer:
        empty = self._table(EventBatch.empty())
        self._writer = self._stack.enter_context(pq.ParquetWriter(self._path, empty.schema))
        return self

    def write(self, batch: EventBatch) -> None:
        """Adds a row group."""
        assert self._writer is not None
        self._writer.write_table(self._table(batch))

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @staticmethod
    def _table(batch: EventBatch) -> Any:
        return frame_of(batch).insert_column(0, pl.Series(EVENT_NUMBER, batch.numbers)).to_arrow()
