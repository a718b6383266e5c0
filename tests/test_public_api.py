"""What other programs may rely on: the commands, the exit codes, the form of result.json."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from susystream.stages.result import StageResult


def susystream(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "susystream", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
    )


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["run", "--help"],
        ["run", "--cfg", "job"],
        ["services", "--help"],
        ["services", "status"],
        ["models", "--help"],
        ["data", "--help"],
        ["--version"],
    ],
)
def test_a_command_that_only_tells_exits_with_0(command: list[str], tmp_path: Path) -> None:
    done = susystream(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("command", [["fly"], ["services", "fly"], ["models", "list", "--fly"]])
def test_wrong_usage_exits_with_2(command: list[str], tmp_path: Path) -> None:
    assert susystream(*command, cwd=tmp_path).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "stage=fly"], ["fly", "evaluate", "pipeline", "prepare", "publish", "train"]),
        (["run", "experiment=fly"], ["fly", "quickstart", "seed_report"]),
        (["run", "train.epochs=-1"], ["train.epochs", "-1"]),
        (["run", "--overrides", "a='"], ["quote"]),
        (["run", "seed=x"], ["seed", "x"]),
    ],
)
def test_an_error_of_ours_is_one_line_and_exits_with_1(
    arguments: list[str], words: list[str], tmp_path: Path
) -> None:
    done = susystream(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("susystream: ")
    assert all(word in lines[0] for word in words), lines[0]


def test_a_traceback_is_shown_only_on_request(tmp_path: Path) -> None:
    assert "Traceback" not in susystream("run", "seed=x", cwd=tmp_path).stderr
    assert "Traceback" in susystream("run", "-v", "seed=x", cwd=tmp_path).stderr


def test_result_json_has_the_promised_fields(tmp_path: Path) -> None:
    path = StageResult("train", "r", rows=10, seconds=2.0).write(tmp_path)
    found = json.loads(path.read_text())
    assert set(found) >= {
        "schema_version",
        "stage",
        "run_id",
        "model_ids",
        "dataset_ids",
        "inputs",
        "metrics",
        "rows",
        "seconds",
        "rows_per_second",
        "peak_rss_bytes",
    }
    assert found["rows_per_second"] == 5.0
    assert found["peak_rss_bytes"] > 0
