"""What a library writes to standard error is passed on, but for lines with a secret."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from susystream.stream.stderr import stderr_without


def written(text: str) -> None:
    """As C++ does: not by way of sys.stderr."""
    os.write(2, text.encode())


def test_lines_with_a_secret_are_left_out(capfd: pytest.CaptureFixture[str]) -> None:
    with stderr_without(["hush", "sesame"]):
        written("one\nthe password is hush\n")
        written("two\nsesame is another\nthree\n")
    written("four\n")
    assert capfd.readouterr().err == "one\ntwo\nthree\nfour\n"


def test_an_error_passes_and_standard_error_is_as_before(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with stderr_without(["hush"]):
            written("hush\nbefore\n")
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        fail()
    written("after\n")
    assert capfd.readouterr().err == "before\nafter\n"


def test_several_at_once_take_turns(capfd: pytest.CaptureFixture[str]) -> None:
    def one(number: int) -> None:
        with stderr_without(["hush"]):
            written(f"hush {number}\n")
            written(f"line {number}\n")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(100)))
    lines = capfd.readouterr().err.splitlines()
    assert sorted(lines) == sorted(f"line {number}" for number in range(100))
