"""Fetching the UCI SUSY file: with progress, resumed after a break, checked before it is used.

In: an address. Out: `SUSY.csv.gz`, whole, or an error and the part that came, to go on from.
Beside the part lies its origin (address, length, ETag): a part of another file is begun anew.
"""

from __future__ import annotations

import errno
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from http.client import HTTPException, HTTPResponse, InvalidURL
from pathlib import Path

from susystream.data.susy_file import RowsDiffer, check_susy, unpacked
from susystream.disclosure import public_text, public_uri
from susystream.errors import DataError, DownloadError
from susystream.file_lock import file_lock

SUSY_URL = "https://archive.ics.uci.edu/static/public/279/susy.zip"
SUSY_ROWS = 5_000_000
_SILENCE_SECONDS = 30.0
_PIECE = 1 << 20
_ATTEMPTS = 5  # in a row without a byte
_ADDRESS = re.compile(r"https?://[^/?#@]+([/?#]|$)")  # urllib takes no user name and password
_OWN_FILE = "give a file you have: data.path=SUSY.csv.gz"
_CURE = f"check the network, or {_OWN_FILE}"

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class _Origin:
    """What a part is a part of. Its address is the public one: it stays on the disk."""

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

    Of several commands at once, one fetches and the others wait for it.

    Args:
        target: Where the file goes; it appears there only after its checks, and one that is there
            is kept.
        url: A `.csv.gz`, or a zip that holds `SUSY.csv.gz`.
        expected_rows: Its rows.
        progress: Called with bytes done and in all, if that is known.
        deadline_seconds: For the whole transfer.

    Raises:
        DownloadError: It could not be fetched, or is another file.
    """
    if not _ADDRESS.match(url):
        raise DownloadError(
            "expected an http or https address without user name and password, received "
            f"{public_uri(url)!r}; {_CURE}"
        )
    ends = time.monotonic() + deadline_seconds
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with _alone(part, progress, ends):
        if not target.exists():
            _fetch(url, part, progress, ends)
            _accept(part, target, url, expected_rows)
    return target


def _alone(part: Path, progress: Progress, ends: float) -> AbstractContextManager[None]:
    """Two commands would write into one part; who waits shows how far the other one is."""
    target = part.with_suffix("")

    def late(known: str) -> DownloadError:
        return DownloadError(
            f"expected to fetch {target}, received: {known}; wait for it, or {_OWN_FILE}"
        )

    def waiting() -> None:
        origin = _read_origin(part)
        progress(_size(part), origin.total if origin else None)

    return file_lock(
        target.with_name(target.name + ".lock"),
        deadline_seconds=max(0.0, ends - time.monotonic()),
        late=late,
        waiting=waiting,
    )


def _accept(part: Path, target: Path, url: str, expected_rows: int | None) -> None:
    """Moves the file to its place once it has passed its checks."""
    inner = part.with_name(part.name + ".inner")
    try:
        whole = unpacked(part, inner)
        check_susy(whole, expected_rows)
        whole.replace(target)
    except RowsDiffer as error:  # whole, and fetched at some cost: another number may be right
        inner.unlink(missing_ok=True)
        raise DownloadError(
            f"expected the UCI SUSY file at {public_uri(url)}: {error}; correct "
            "data.expected_rows (null: any number) and run again, nothing is fetched twice"
        ) from error
    except DataError as error:  # it would fail again: the next run begins anew
        _remove(inner, part, _origin_path(part))
        raise DownloadError(
            f"expected the UCI SUSY file at {public_uri(url)}: {error}; {_CURE}"
        ) from error
    _remove(inner, part, _origin_path(part))


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
            raise _failed(url, str(error)) from error
        except InvalidURL:  # its text repeats parts of the address
            raise _failed(url, "no usable address") from None
        except (OSError, HTTPException, ValueError) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise  # the disk is full: trying again would not help
            reason = str(error) or type(error).__name__
        failures = 0 if _size(part) > before else failures + 1
        if failures == _ATTEMPTS or time.monotonic() > ends:
            raise _failed(url, reason)


def _failed(url: str, reason: str) -> DownloadError:
    return DownloadError(
        f"expected to fetch {public_uri(url)}, received: {public_text(reason)}; {_CURE}"
    )


def _transfer(url: str, part: Path, progress: Progress, ends: float) -> bool:
    """Continues the part, or begins it; True when the server's whole length has arrived."""
    have, known = _size(part), _read_origin(part)
    if known is None or known.url != public_uri(url):
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
                raise DownloadError(
                    f"expected {origin.url} within its deadline; run again to go on"
                )
    return origin.total is None or done == origin.total


def _origin_of(response: HTTPResponse, url: str, done: int) -> _Origin:
    length, tag = response.headers.get("Content-Length"), response.headers.get("ETag")
    strong = tag if tag and not tag.startswith("W/") else None  # If-Range takes no weak tag
    total = done + int(length) if length else None
    stated = response.headers.get("Content-Range", "").rpartition("/")[2]
    total = int(stated) if stated.isdigit() else total
    return _Origin(public_uri(url), total, strong or response.headers.get("Last-Modified"))


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
