"""The picture of a result, which says of which figures it is.

In: a report and a result. Out: `figure.png`, drawn before anything is replaced; whether the one
that stands in a folder is of a result.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from susystream.reports.form import Report
from susystream.reports.result import Result

PICTURE = "figure.png"
_KEY = "susystream tables"  # of a text in the file
_DPI = 120


@contextmanager
def drawn(report: Report, result: Result, folder: Path) -> Iterator[Path]:
    """The picture, drawn beside its place; gone at the end of the block unless it was moved."""
    draft = folder / f"{os.getpid()}.{PICTURE}"
    try:
        figure = report.draw(result.tables)
        figure.savefig(draft, dpi=_DPI, metadata={_KEY: _digest(result)})
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def is_of(result: Result, folder: Path) -> bool:
    """Whether the picture in a folder was drawn of a result."""
    try:
        return _digest(result).encode() in (folder / PICTURE).read_bytes()  # PNG keeps it as it is
    except FileNotFoundError:
        return False


def _digest(result: Result) -> str:
    text = json.dumps(result.to_json()["tables"], sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
