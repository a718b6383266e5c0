"""Fetching the UCI SUSY file: with progress, resumed after a break, checked before it is used.

In: an address. Out: `SUSY.csv.gz`, whole, or an error and the part that came, to go on from.
Beside the part lies its origin (address, length, ETag): a part of another file is begun anew.
"""

from __future__ import annotations

import json
import shutil
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
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
_ATTEMPTS = 5  # in a row without a byte
_CURE = "check the network, or give a file you have: data.path=SUSY.csv.gz"


Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class _Origin:
    """What a part is a part of."""

    url: str
    total: int | None
    validator: str | None  # a strong ETag, else Last-Modified


def download_susy(
    target: Path,
    *,
    url: str = SUSY_URL,
    expected_rows: int | None = SUSY_ROWS,
    progress: Progress,
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
    if not url.startswith(("http://", "https://")):
        raise DownloadError(f"expected an http or https address, received {url!r}; {_CURE}")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    _fetch(url, part, progress, time.monotonic() + deadline_seconds)
    inner = part.with_name(part.name + ".inner")
    try:
        whole = _unzipped(part, inner)
        _check(whole, url, expected_rows)
        whole.replace(target)
    except DownloadError:  # it would fail its checks again: the next run begins anew
        _remove(inner, part, _origin_path(part))
        raise
    _remove(inner, part, _origin_path(part))
    return target


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _fetch(url: str, part: Path, progress: Progress, ends: float) -> None:
    """Transfers again and again while that brings bytes."""
    failures = 0
    while True:
        before = _size(part)
        try:
            if _transfer(url, part, progress, ends):
                return
            reason = "the connection broke off"
        except urllib.error.HTTPError as error:
            raise DownloadError(f"expected to fetch {url}, received: {error}; {_CURE}") from error
        except (OSError, HTTPException, ValueError) as error:
            reason = str(error) or type(error).__name__
        failures = 0 if _size(part) > before else failures + 1
        if failures == _ATTEMPTS or time.monotonic() > ends:
            raise DownloadError(f"expected to fetch {url}, received: {reason}; {_CURE}")


def _transfer(url: str, part: Path, progress: Progress, ends: float) -> bool:
    """Continues the part, or begins it; True when the server's whole length has arrived."""
    have, known = _size(part), _read_origin(part)
    if known is None or known.url != url:
        have = 0  # nothing says that the part belongs to this file
    headers = {"Range": f"bytes={have}-"} if have else {}
    if have and known and known.validator:
        headers["If-Range"] = known.validator
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # http(s) only, checked
    try:
        response: HTTPResponse = urllib.request.urlopen(request, timeout=_SILENCE_SECONDS)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        if known and have == known.total:
            return True
        part.unlink()  # longer than the file: it is another's
        return False
    with response:
        return _receive(response, url, part, known if have else None, progress, ends)


def _receive(
    response: HTTPResponse,
    url: str,
    part: Path,
    known: _Origin | None,
    progress: Progress,
    ends: float,
) -> bool:
    done = _size(part) if known and response.status == 206 else 0
    origin = _origin_of(response, url, done)
    if known and done and (origin != known or _range_start(response) != done):
        part.unlink()  # the file changed, and the server does not know If-Range
        return False
    _origin_path(part).write_text(json.dumps(asdict(origin)))
    with part.open("ab" if done else "wb") as file:
        for piece in iter(lambda: response.read1(_PIECE), b""):
            file.write(piece)
            done += len(piece)
            progress(done, origin.total)
            if time.monotonic() > ends:
                raise DownloadError(f"expected {url} within its deadline; run again to go on")
    return origin.total is None or done == origin.total


def _origin_of(response: HTTPResponse, url: str, done: int) -> _Origin:
    length, tag = response.headers.get("Content-Length"), response.headers.get("ETag")
    strong = tag if tag and not tag.startswith("W/") else None  # If-Range takes no weak tag
    total = done + int(length) if length else None
    stated = response.headers.get("Content-Range", "").rpartition("/")[2]
    total = int(stated) if stated.isdigit() else total
    return _Origin(url, total, strong or response.headers.get("Last-Modified"))


def _range_start(response: HTTPResponse) -> int:
    """The first byte of a partial answer: `Content-Range: bytes 100-999/1000`."""
    text = response.headers.get("Content-Range", "")
    return int(text.removeprefix("bytes ").partition("-")[0] or -1)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _origin_path(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_origin(part: Path) -> _Origin | None:
    try:
        return _Origin(**json.loads(_origin_path(part).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _unzipped(part: Path, inner: Path) -> Path:
    """The `.csv.gz` inside a zip, or the part itself."""
    with part.open("rb") as file:
        if file.read(2) != b"PK":
            return part
    try:
        with zipfile.ZipFile(part) as archive, inner.open("wb") as file:
            names = [n for n in archive.namelist() if n.rpartition("/")[2] == _INNER]
            if not names:
                raise DownloadError(
                    f"expected {_INNER} in the archive, received {archive.namelist()[:9]}; {_CURE}"
                )
            with archive.open(names[0]) as source:
                shutil.copyfileobj(source, file, _PIECE)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DownloadError(
            f"expected a whole zip archive, received a damaged one ({error}); {_CURE}"
        ) from error
    return inner


def _check(path: Path, url: str, expected_rows: int | None) -> None:
    """The first 500 rows must be the shipped ones, and the number of rows the known one."""
    shipped = concatenate(list(scan_events(sample_path())))
    rows = 0
    try:
        for batch in scan_events(path):
            known = shipped[rows : rows + len(batch)]
            found = batch[: len(known)]
            if not np.array_equal(found.features, known.features) or not np.array_equal(
                found.labels, known.labels
            ):
                raise DataError(f"its first {len(shipped)} rows are not those of UCI SUSY")
            rows += len(batch)
        if rows < len(shipped) or rows != (expected_rows or rows):
            raise DataError(f"it holds {rows:,} rows, not {expected_rows or len(shipped):,}")
    except DataError as error:
        raise DownloadError(f"expected the UCI SUSY file at {url}: {error}; {_CURE}") from error
