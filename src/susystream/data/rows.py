"""One row of text in the UCI form: what is wrong with it, if anything.

In: a line. Out: None, or the first fault. Slow and obvious: it is asked only after a fast parser
refused a piece of text, and decides which row was the reason. A quick look spares most rows this.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from susystream.schema import COLUMNS, LABEL

LONGEST_LINE = 1 << 20  # bytes; a longer one is no row, and must not fill the memory
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_TOO_LARGE = 2.0**128 - 2.0**103  # what lies below is rounded to a finite float32
_USUAL = b"0123456789+-.eE,\r"


class Fault(NamedTuple):
    """Where a row is wrong.

    Attributes:
        column: The column's name, or what is wrong with the row as a whole.
        text: The offending text.
        expected: What should have stood there.
    """

    column: str
    text: str
    expected: str


def is_usual(line: bytes) -> bool:
    """Whether a line is an event at first sight, many times faster than `fault_of` finds no fault.

    False says nothing yet.
    """
    if len(line) >= LONGEST_LINE or line.translate(None, _USUAL):
        return False  # of these signs float() reads numbers only
    try:
        values = [float(text) for text in line.rstrip(b"\r").split(b",")]
    except ValueError:
        return False
    finite = max(map(abs, values)) < _TOO_LARGE
    return finite and len(values) == len(COLUMNS) and values[0] in (0.0, 1.0)


def fault_of(line: bytes, *, first: bool = False) -> Fault | None:
    """The first fault of a line, which may end in a line break.

    Args:
        line: The bytes.
        first: Whether it is the first line of a file, which may begin with a byte order mark.
    """
    row = line.decode("utf-8-sig" if first else "utf-8", "backslashreplace").rstrip("\r\n")
    if len(line) >= LONGEST_LINE:
        return Fault("length of the row", row, "at most 1 MiB")
    fields = row.split(",") if row else []
    if len(fields) != len(COLUMNS):
        return Fault("number of columns", row, f"{len(COLUMNS)} columns, not {len(fields)}")
    for name, text in zip(COLUMNS, fields, strict=True):
        expected = _expected_instead(name, text)
        if expected:
            return Fault(name, text, expected)
    return None


def _expected_instead(name: str, text: str) -> str | None:
    """What should have stood in a field, if it holds something else."""
    try:
        value = float(text)
    except ValueError:
        return "a number"
    if not math.isfinite(value) or abs(value) >= _TOO_LARGE:
        return "a finite float32"
    if not _NUMBER.fullmatch(text):  # Python reads 1_0 and other scripts' digits
        return "a number"
    return "0 or 1" if name == LABEL and value not in (0.0, 1.0) else None
