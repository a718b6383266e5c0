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


def test_a_trial_that_began_counts_until_it_ends(tmp_path: Path) -> None:
    began = Outcome("s", 0, {"seed": "1"}, "interrupted", 0.0)
    began.begin(tmp_path / "0")
    assert outcomes(tmp_path, parent_run_id="s") == []
    (found,) = outcomes(tmp_path, parent_run_id="s", begun=True)
    assert (found.number, found.state, found.seconds >= 0) == (0, "interrupted", True)
    Outcome("s", 0, {"seed": "1"}, "finished", 1.0).write(tmp_path / "0")
    (found,) = outcomes(tmp_path, parent_run_id="s", begun=True)
    assert found.state == "finished"


def test_a_trial_that_begins_again_counts_as_begun(tmp_path: Path) -> None:
    """Its first process told that it was ended; what ends the second one is not known yet."""
    first = Outcome("s", 0, {"seed": "1"}, "interrupted", 90.0, error="ended by SIGTERM")
    first.write(tmp_path / "0")
    Outcome("s", 0, {"seed": "1"}, "interrupted", 0.0).begin(tmp_path / "0")
    (found,) = outcomes(tmp_path, parent_run_id="s", begun=True)
    assert (found.error, found.seconds < 90) == (None, True)
