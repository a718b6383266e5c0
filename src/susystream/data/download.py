"""Fetching the UCI SUSY file: with progress, resumed after a break, checked before it is used.

In: an address. Out: `SUSY.csv.gz`, whole, or an error and the part that came, to go on from.
"""

from __future__ import annotations

import shutil
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path

import numpy as np

from susystream.data.scan import scan_events
from susystream.data.source import sample_path
from susystream.errors import DataError, DownloadError
from susystream.schema import concatenate

SUSY_URL = "https://archive.ics.uci.edu/static/public/279/susy.zip"
SUSY_ROWS = 5_000_000
_INNER = "SUSY.csv.gz"
_SILENCE_SECONDS = 30.0
_PIECE = 1 << 20
_ATTEMPTS = 5
_CURE = "check the network, or give a file you have: data.path=SUSY.csv.gz"


def download_susy(
    target: Path,
    *,
    url: str = SUSY_URL,
    expected_rows: int | None = SUSY_ROWS,
    progress: Callable[[int, int | None], None],
    deadline_seconds: float = 86_400.0,
) -> Path:
    """Fetches the file to `target`; one that broke off before is continued.

    Args:
        target: Where the file goes; it appears there only after its checks.
        url: A `.csv.gz`, or a zip that holds `SUSY.csv.gz`.
        expected_rows: Its rows.
        progress: Called with bytes done and in all.
        deadline_seconds: For the whole transfer.

    Raises:
        DownloadError: It could not be fetched, or is another file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    ends = time.monotonic() + deadline_seconds
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            if _transfer(url, part, progress, ends):
                break
        except (OSError, HTTPException) as error:
            if attempt == _ATTEMPTS or isinstance(error, urllib.error.HTTPError):
                raise DownloadError(
                    f"expected to fetch {url}, received: {error}; {_CURE}"
                ) from error
    else:
        raise DownloadError(f"expected all of {url}, the server broke off each time; {_CURE}")
    whole = _unzipped(part)
    _check(whole, url, expected_rows)
    whole.replace(target)
    part.unlink(missing_ok=True)
    return target


def _transfer(
    url: str, part: Path, progress: Callable[[int, int | None], None], ends: float
) -> bool:
    """Continues the part; True when the server's whole length has arrived."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310  # the address is the user's own setting
    try:
        response: HTTPResponse = urllib.request.urlopen(request, timeout=_SILENCE_SECONDS)  # noqa: S310  # as above
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing left to send: the part is already whole
            return True
        raise
    with response:
        continues = response.status == 206
        done = have if continues else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        with part.open("ab" if continues else "wb") as file:
            for piece in iter(lambda: response.read(_PIECE), b""):
                file.write(piece)
                done += len(piece)
                progress(done, total)
                if time.monotonic() > ends:
                    raise DownloadError(f"expected {url} within its deadline; run again to go on")
    return total is None or done == total


def _unzipped(part: Path) -> Path:
    """The `.csv.gz` inside a zip, or the part itself."""
    if not zipfile.is_zipfile(part):
        return part
    inner = part.with_name(part.name + ".inner")
    with zipfile.ZipFile(part) as archive, inner.open("wb") as file:
        if _INNER not in archive.namelist():
            raise DownloadError(f"expected {_INNER} in the archive, received {archive.namelist()}")
        with archive.open(_INNER) as source:
            shutil.copyfileobj(source, file, _PIECE)
    return inner


def _check(path: Path, url: str, expected_rows: int | None) -> None:
    """The first 500 rows must be the shipped ones, and the number of rows the known one."""
    shipped = concatenate(list(scan_events(sample_path())))
    rows = 0
    try:
        for batch in scan_events(path):
            if rows == 0:
                first = batch[: len(shipped)]
                if not np.array_equal(first.features, shipped.features) or not np.array_equal(
                    first.labels, shipped.labels
                ):
                    raise DataError("its first 500 rows are not those of UCI SUSY")
            rows += len(batch)
        if expected_rows is not None and rows != expected_rows:
            raise DataError(f"it holds {rows:,} rows, not {expected_rows:,}")
    except DataError as error:
        path.unlink(missing_ok=True)
        raise DownloadError(f"expected the UCI SUSY file at {url}: {error}; {_CURE}") from error
