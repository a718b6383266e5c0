"""Every error has one line with its cure."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from susystream.errors import BadRow, SettingsError, line_of


def refusal(number: int, *places: str) -> OSError:
    first = places[0] if places else None
    second = places[1] if len(places) > 1 else None
    return OSError(number, os.strerror(number), first, None, second)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SettingsError("mine\n  on two lines"), ["mine on two lines"]),
        (BadRow("f.csv", 3, "MT2", "x", "a number"), ["f.csv, line 3, MT2: expected a number"]),
        (refusal(errno.ENOENT, "/a/b"), ["/a/b", "no such file or directory; correct the path"]),
        (refusal(errno.EACCES, "/a/b"), ["/a/b", "permission denied; choose a place", "home="]),
        (refusal(errno.ENOSPC), ["no space left on device; free disk space"]),
        (refusal(errno.EXDEV, "/a/b", "/c/d"), ["/a/b and /c/d", "correct the path"]),
        (refusal(errno.EIO), ["input/output error; run again with -v"]),
        (MemoryError(), ["expected enough memory", "evaluate.batch_rows"]),
        (ValueError("a\nb"), ["unexpected ValueError: a b; this is a defect", "-v", "report it"]),
        (OSError("of a library"), ["unexpected OSError: of a library; this is a defect"]),
        (RuntimeError("x" * 10_000), ["xxx...; this is a defect"]),
    ],
)
def test_any_error_is_one_line_with_its_cure(error: Exception, words: list[str]) -> None:
    line = line_of(error)
    assert "\n" not in line
    assert len(line) < 600
    assert all(word in line for word in words), line


def test_the_system_names_the_path_it_refused() -> None:
    with pytest.raises(OSError, match="nope") as caught:
        Path("/proc/nope").mkdir()
    assert line_of(caught.value).startswith("expected to use /proc/nope, received: ")
