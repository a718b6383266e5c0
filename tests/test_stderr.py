"""What a library writes to standard error is passed on, but for lines with a secret."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from susystream.stderr import stderr_without


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


def run_in_python(code: str, **options: Any) -> subprocess.CompletedProcess[str]:
    head = "import os, signal, sys\nfrom susystream.stderr import stderr_without\n"
    words = [sys.executable, "-c", head + code]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, **options)


@pytest.mark.parametrize("number", ["SIGSEGV", "SIGKILL"])
def test_the_last_lines_of_a_process_that_dies_are_written(number: str) -> None:
    done = run_in_python(f"""
with stderr_without(["hush"]):
    os.write(2, b"hush\\nwhat went wrong\\nand no")
    os.kill(os.getpid(), signal.{number})
""")
    assert done.returncode < 0
    assert done.stderr == "what went wrong\nand no"


def test_ctrl_c_loses_no_line() -> None:
    """A terminal sends it to all processes of the group."""
    done = run_in_python(
        """
signal.signal(signal.SIGINT, lambda *_: print("came"))
with stderr_without(["hush"]):
    os.killpg(0, signal.SIGINT)
    os.write(2, b"after it\\n")
""",
        start_new_session=True,
    )
    assert (done.stdout, done.stderr) == ("came\n", "after it\n")


@pytest.mark.parametrize("shown", ["sys.stderr", "sys.stdout"])
def test_a_process_without_standard_error_keeps_its_other_files(shown: str) -> None:
    done = run_in_python(
        f"""
sys.stderr = {shown}
with stderr_without(["hush"]):
    print("fine")
""",
        preexec_fn=lambda: os.close(2),
    )
    assert (done.returncode, done.stdout) == (0, "fine\n")
