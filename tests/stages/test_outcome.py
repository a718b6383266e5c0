"""Outcomes of trials, in folders that hold files of other programs too."""

from __future__ import annotations

from pathlib import Path

import pytest

from susystream.stages.outcome import FILE, Outcome, outcomes, read_outcome


@pytest.mark.parametrize(
    "foreign", [b"", b"{", b"[1]", b"3", b"\xff", b'{"number": 1}', b'{"parent_run_id": "other"}']
)
def test_files_of_others_are_passed_over(tmp_path: Path, foreign: bytes) -> None:
    Outcome("s", 0, {"seed": "1"}, "finished", 1.0).write(tmp_path / "0")
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / FILE).write_bytes(foreign)
    (tmp_path / "2" / FILE).mkdir(parents=True)
    assert outcomes(tmp_path, parent_run_id="s") == [read_outcome(tmp_path / "0")]
