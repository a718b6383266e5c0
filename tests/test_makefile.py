"""What `make` does, run in a folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from susystream.services.store import embedded_store

ROOT = Path(__file__).parents[1]
MAKEFILE = ROOT / "Makefile"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with this Makefile and an environment that counts as built."""
    shutil.copy(MAKEFILE, tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".ready").touch()
    return tmp_path


def make(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    ours = ("MLFLOW_", "MAKE", "MFLAGS")  # under `make test` an outer make hands its own on
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["make", "-o", ".venv/.ready", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=checkout,
        env={**clean, "PATH": path, **variables},
    )


def test_the_main_job_runs_under_the_products_experiment(checkout: Path) -> None:
    done = make(checkout, "-n", "run")
    assert "mlflow run . --env-manager local --experiment-name" in done.stdout
    assert "MLFLOW_EXPERIMENT_NAME:-susystream" in done.stdout


def test_the_ui_of_a_server_is_named_not_started(checkout: Path) -> None:
    done = make(checkout, "ui", MLFLOW_TRACKING_URI="http://me:hush@127.0.0.1:9/base")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("http://127.0.0.1:9/base")
    assert "hush" not in done.stdout + done.stderr


def test_a_port_in_use_is_told_with_another_one(checkout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = make(checkout, "ui", f"PORT={port}")
    assert done.returncode != 0
    assert f"port {port} of 127.0.0.1 is in use; make ui PORT={port + 1}\n" in done.stderr


@pytest.mark.parametrize("port", ["abc", "0", "99999"])
def test_what_is_no_port_is_told_so(checkout: Path, port: str) -> None:
    done = make(checkout, "ui", f"PORT={port}")
    assert done.returncode != 0
    told = f"expected a free port as PORT, received {port} (no number from 1 to 65535); make ui"
    assert told in done.stderr
    assert "in use" not in done.stderr


def test_every_shell_script_is_checked(checkout: Path) -> None:
    folders = (".ci/*", "docker/*", "docker/standins/*", "experiments/*/*")
    files = [path for folder in folders for path in ROOT.glob(folder) if path.is_file()]
    shebang = re.compile(rb"#!.*\b(ba)?sh\n")
    scripts = {path for path in files if shebang.match(path.read_bytes())}
    (line,) = re.findall(r"^shellcheck .*", make(checkout, "-n", "check").stdout, re.M)
    assert {ROOT / word for word in line.split()[1:] if not word.startswith("--")} == scripts
    assert ROOT / "docker/up.sh" in scripts


def test_what_comes_as_source_and_what_builds_it_are_installed_first_from_the_lock() -> None:
    building = ["make", "-n", "--always-make", ".venv/.ready"]
    said = subprocess.run(building, cwd=ROOT, capture_output=True, text=True, timeout=60).stdout
    steps = [line.split(" | ") for line in said.splitlines() if line.startswith("sed -n ")]
    assert all("--require-hashes -r /dev/stdin" in install for _, install in steps)
    assert "--no-build-isolation" in steps[1][1]
    read = [
        subprocess.run(["bash", "-c", words], cwd=ROOT, capture_output=True, text=True).stdout
        for words, _ in steps
    ]
    assert [text.split("==")[0] for text in read] == ["setuptools", "antlr4-python3-runtime"]
    for text in read:
        assert re.fullmatch(r"\S+==\S+ \\\n(    --hash=sha256:\w{64}( \\)?\n)+", text)


MADE = (
    *(".susystream/data", "mlruns/0", "mlartifacts/0", "outputs/a", "multirun/a"),
    *("experiments/runs/a", "mlflow.db", "mlflow.db-wal", "mlflow.db.lock"),
)


def test_clean_leaves_what_was_written_by_hand_and_nothing_else(checkout: Path) -> None:
    for name in (*MADE, "experiments/mine"):
        (checkout / name).mkdir(parents=True)
    done = make(checkout, "clean")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in checkout.iterdir()) == ["Makefile", "experiments"]
    assert [path.name for path in (checkout / "experiments").iterdir()] == ["mine"]


def test_clean_removes_nothing_from_under_a_command_that_runs(checkout: Path) -> None:
    with embedded_store(checkout / ".susystream"):
        done = make(checkout, "clean")
        assert done.returncode != 0
        assert "a command still uses these servers" in done.stderr
        assert (checkout / ".susystream" / "store").exists()
    assert make(checkout, "clean").returncode == 0
    assert not (checkout / ".susystream").exists()
