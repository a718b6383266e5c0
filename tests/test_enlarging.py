"""`susystream data enlarge` as a person types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from susystream.data.scan import count_rows
from susystream.data.source import sample_path


def enlarge(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "susystream", "data", "enlarge", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_toy_file_has_the_rows_asked_for(tmp_path: Path, form: str) -> None:
    path = tmp_path / "new folder" / f"big.{form}"
    done = enlarge(str(path), "--rows", "70000")
    assert done.returncode == 0, done.stderr
    assert count_rows(path) == 70_000
    assert done.stdout.splitlines()[-1] == f"{path}: {path.stat().st_size:,} bytes"


def test_a_given_file_is_repeated_as_in_the_report(tmp_path: Path) -> None:
    done = enlarge(str(tmp_path / "big.csv"), "--from", str(sample_path()))
    assert done.returncode == 0, done.stderr
    assert count_rows(tmp_path / "big.csv") == 15 * 500


@pytest.mark.parametrize(
    ("arguments", "words", "status"),
    [
        ([], "either --rows or --from", 2),
        (["--rows", "5", "--from", "x.csv"], "either --rows or --from", 2),
        (["--from", "none.csv"], "none.csv", 1),
    ],
)
def test_a_wrong_request_is_one_line(
    tmp_path: Path, arguments: list[str], words: str, status: int
) -> None:
    done = enlarge(str(tmp_path / "big.csv"), *arguments)
    assert done.returncode == status
    (line,) = done.stderr.strip().splitlines()
    assert words in line
