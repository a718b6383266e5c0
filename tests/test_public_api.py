"""What other programs may rely on: the commands, the exit codes, the form of result.json."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from susystream.known_settings import hydras_keys
from susystream.stages.result import StageResult


def susystream(
    *arguments: str, cwd: Path, program: tuple[str, ...] = ("-m", "susystream")
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *program, *arguments],
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
        ["report", "--help"],
        ["--version"],
    ],
)
def test_a_command_that_only_tells_exits_with_0(command: list[str], tmp_path: Path) -> None:
    done = susystream(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_help_of_run_tells_flags_exit_status_groups_and_settings(tmp_path: Path) -> None:
    told = susystream("run", "--help", cwd=tmp_path).stdout
    flags = ("-m, --multirun", "--from-run ID", "-v ", "--overrides", "--cfg job", "130")
    assert [word for word in flags if word not in told] == []
    for group in ("hydra/sweeper: basic", "hydra/launcher: basic", "stage: evaluate, pipeline"):
        assert f"\n{group}" in told
    for choices in hydras_keys().values():
        for group, _, option in (one.partition("=") for one in choices):
            assert re.search(rf"^{group}: .*\b{option} \(", told, re.M), (group, option)
    assert "\n  epochs: 5\n" in told
    assert "powered by Hydra" not in told
    assert "score)" in told.partition("== Flags")[0]
    assert "\n  bad_rows: stop  # skip: rows that are no events are counted" in told
    assert "\n  stop_on_failure: false  # true: the first trial that fails ends the sweep\n" in told
    assert "last model; wait for more\n  follow: false\n" in told
    assert "\ndata:  # toy: Simulated events" in told
    assert "table of contents" not in told


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
        (["run", "--cfg", "jbo"], ["--cfg jbo", "job, hydra or all"]),
        (["run", "--from-run", "x", "--overrides", "-m seed=1,2 --cfg job"], ["-m and --cfg job"]),
    ],
)
def test_a_wrong_setting_is_one_line_and_exits_with_2(
    arguments: list[str], words: list[str], tmp_path: Path
) -> None:
    done = susystream(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("susystream: ")
    assert all(word in lines[0] for word in words), lines[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "stage=prepare", "hydra.run.dir=/proc/nope"],
        ["models", "list", "--home", "/proc/nope"],
        ["services", "up", "--home", "/proc/nope"],
    ],
    ids=" ".join,
)
def test_what_the_system_refuses_is_one_line_and_exits_with_1(
    arguments: list[str], tmp_path: Path
) -> None:
    done = susystream(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("susystream: expected to use /proc/nope, received: ")
    assert line.endswith("; correct the path")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_one_line_and_exits_with_1(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "susystream", "services", "status"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            cwd=tmp_path,
        )
    assert done.returncode == 1
    assert "no space left on device; free disk space" in done.stderr
    assert "Traceback" not in done.stderr


FAULT = """
from susystream import cli
from susystream.services import control
def broken(home): raise KeyError("a part of ours")
control.statuses = broken
cli.main()
"""


def test_a_defect_is_one_line_that_asks_for_a_report(tmp_path: Path) -> None:
    done = susystream("services", "status", cwd=tmp_path, program=("-c", FAULT))
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("susystream: unexpected KeyError: 'a part of ours'; this is a defect")


PRESSED_THREE_TIMES = """
import atexit, os, signal, sys
from susystream import cli
def press(*_): os.kill(os.getpid(), signal.SIGINT)
class AtAnImport:
    def find_spec(self, name, *_): press() if name == "susystream.commands" else None
class AtTheVeryEnd:
    __del__ = press
late = AtTheVeryEnd()
atexit.register(press)
sys.meta_path.insert(0, AtAnImport())
signal.signal(signal.SIGINT, signal.default_int_handler)
cli.main()
"""


def test_ctrl_c_at_the_first_and_the_last_moment_is_one_word(tmp_path: Path) -> None:
    done = susystream("run", cwd=tmp_path, program=("-c", PRESSED_THREE_TIMES))
    assert (done.returncode, done.stderr, done.stdout) == (130, "interrupted\n", "")


HEAVY = """
import sys
from susystream import cli
try:
    cli.main()
finally:
    print([one for one in ("tensorflow", "keras", "mlflow", "kafka") if one in sys.modules])
"""


@pytest.mark.parametrize("given", ["train.epochs=abc", "trian.epochs=3", "seed=1,,2"])
def test_a_wrong_setting_is_told_before_anything_heavy_is_loaded(
    given: str, tmp_path: Path
) -> None:
    done = susystream("run", "stage=train", given, cwd=tmp_path, program=("-c", HEAVY))
    assert (done.returncode, done.stdout) == (2, "[]\n"), done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["-v", "seed=x"], ["seed=x", "--overrides", "-v"], ["--overrides", "seed=x -v"]],
    ids=" ".join,
)
def test_a_traceback_is_shown_on_request(arguments: list[str], tmp_path: Path) -> None:
    done = susystream("run", *arguments, cwd=tmp_path)
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("susystream: setting seed")


@pytest.mark.parametrize(
    "arguments",
    [
        ["stage=prepare", "--cfg", "job", "seed=7"],
        ["stage=prepare", "--overrides", "--cfg job seed=7"],
    ],
    ids=" ".join,
)
def test_flags_of_hydra_may_stand_anywhere(arguments: list[str], tmp_path: Path) -> None:
    done = susystream("run", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "seed: 7" in done.stdout
    assert "name: prepare" in done.stdout


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
