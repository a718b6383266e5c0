"""Whether a file is the UCI SUSY file.

In: what was fetched. Out: the `.csv.gz` of a zip, and an error for anything but the events known.
"""

from __future__ import annotations

import shutil
import zipfile
import zlib
from pathlib import Path

import numpy as np

from susystream.data.scan import scan_events
from susystream.data.source import sample_path
from susystream.errors import DataError
from susystream.schema import concatenate

_INNER = "SUSY.csv.gz"
_PIECE = 1 << 20


class RowsDiffer(DataError):
    """The file is good, but of another length than expected."""


def unpacked(file: Path, inner: Path) -> Path:
    """The `SUSY.csv.gz` of a zip, written to `inner`; the file itself if it is no zip.

    Raises:
        DataError: The zip is damaged or holds no such file.
    """
    with file.open("rb") as begun:
        if begun.read(2) != b"PK":
            return file
    try:
        with zipfile.ZipFile(file) as archive, inner.open("wb") as copy:
            names = [n for n in archive.namelist() if n.rpartition("/")[2] == _INNER]
            if not names:
                raise DataError(f"expected {_INNER} in the zip, received {archive.namelist()[:9]}")
            with archive.open(names[0]) as source:
                shutil.copyfileobj(source, copy, _PIECE)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(f"expected a whole zip, received a damaged one ({error})") from error
    return inner


def check_susy(path: Path, expected_rows: int | None) -> None:
    """The first 500 rows must be the shipped ones, and the number of rows the known one.

    Raises:
        RowsDiffer: The number is another one.
        DataError: The rows are others, or the file cannot be read.
    """
    shipped = concatenate(list(scan_events(sample_path())))
    rows = 0
    for batch in scan_events(path):
        known = shipped[rows : rows + len(batch)]
        found = batch[: len(known)]
        if not np.array_equal(found.features, known.features) or not np.array_equal(
            found.labels, known.labels
        ):
            raise DataError(f"its first {len(shipped)} rows are not those of UCI SUSY")
        rows += len(batch)
    if rows < len(shipped):
        raise DataError(f"it holds {rows:,} rows, not {expected_rows or len(shipped):,}")
    if rows != (expected_rows or rows):
        raise RowsDiffer(f"it holds {rows:,} rows, not {expected_rows:,}")
