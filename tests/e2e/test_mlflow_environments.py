"""`mlflow run` in environments that MLflow builds, and of commits that it fetches.

They need a package index, or the caches of pip and uv: without one they fail with what it said.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from e2e.project_runs import ROOT, Desk, Ended

BUILDING_SECONDS = 900
FILES = ("MLproject", "python_env.yaml", "requirements.lock", "conf", "src")


@pytest.fixture(scope="session")
def uv_environments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where MLflow builds an environment by uv, once; 4 GB, so it goes at the end."""
    folder = tmp_path_factory.mktemp("uv")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def pip_environments(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "pip"
    shutil.rmtree(tmp_path / "pip", ignore_errors=True)


@pytest.fixture
def pyenv_root(tmp_path: Path) -> Path:
    """Where pyenv has one Python: the one that runs, put there as the README says."""
    if shutil.which("pyenv") is None:
        assert not os.environ.get("CI"), "expected pyenv on PATH, which MLflow's virtualenv asks"
        pytest.skip("no pyenv on PATH, which MLflow's virtualenv manager asks for a Python")
    programs = tmp_path / "pyenv" / "versions" / platform.python_version() / "bin"
    programs.mkdir(parents=True)
    base = getattr(sys, "_base_executable", sys.executable)
    (programs / "python").symlink_to(base)
    return tmp_path / "pyenv"


def prepared(
    desk: Desk,
    manager: str,
    *options: str,
    project: str = str(ROOT),
    overrides: str = "data.rows=300",
    **environment: str,
) -> Ended:
    """`prepare` of the project, in an environment below MLFLOW_ENV_ROOT."""
    done = replace(desk, longest_seconds=BUILDING_SECONDS).run(
        "prepare",
        *options,
        manager=manager,
        environment={"PIP_NO_COMPILE": "1", **environment},
        project=project,
        parameters={"overrides": f"{overrides} tracking.system_metrics=false"},
    )
    assert done.status == 0, f"expected a package index or a cache, received: {done.said[-3000:]}"
    assert done.run.info.status == "FINISHED"
    assert done.run.data.tags.get("mlflow.project.env", "local") == manager
    return done


def places(folder: Path, environments: Path) -> dict[str, str]:
    """Environments, prepared data, and what MLflow fetches."""
    (folder / "fetched").mkdir()
    return {
        "MLFLOW_ENV_ROOT": str(environments),
        "SUSYSTREAM_HOME": str(folder / "home"),
        "TMPDIR": str(folder / "fetched"),
    }


def check_of_lock(folder: Path) -> None:
    """The environment has the locked versions, and no copy of our code that could go stale."""
    (environment,) = folder.glob("mlflow-*")
    code = (
        "from importlib.metadata import version; import platform; "
        "print(platform.python_version(), version('hydra-core'), version('mlflow'))"
    )
    asked = [str(environment / "bin" / "python"), "-c", code]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, env={})
    python, hydra, mlflow = done.stdout.split()
    lock = (ROOT / "requirements.lock").read_text()
    assert python == platform.python_version()
    assert f"\nhydra-core=={hydra} " in lock
    assert f"\nmlflow=={mlflow} " in lock
    assert not list(environment.glob("lib/*/site-packages/susystream*"))


@pytest.mark.timeout(BUILDING_SECONDS)
def test_uv_builds_an_environment_of_the_lock(
    desk: Desk, uv_environments: Path, tmp_path: Path
) -> None:
    prepared(desk, "uv", **places(tmp_path, uv_environments))
    check_of_lock(uv_environments)
    assert list((tmp_path / "home" / "data").glob("toy-*/manifest.json"))


@pytest.mark.timeout(BUILDING_SECONDS)
def test_virtualenv_takes_the_running_python_from_pyenv(
    desk: Desk, pip_environments: Path, pyenv_root: Path, tmp_path: Path
) -> None:
    """No Python is built: pyenv is told of the one that is there."""
    pyenv = {"PYENV_ROOT": str(pyenv_root)}
    prepared(desk, "virtualenv", **pyenv, **places(tmp_path, pip_environments))
    check_of_lock(pip_environments)


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of this project with two branches; on `other` the toy events are 200."""
    folder = tmp_path_factory.mktemp("clone")
    left_out = shutil.ignore_patterns("__pycache__")
    for name in FILES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=left_out)
        else:
            shutil.copy(source, folder)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    git(folder, "checkout", "--quiet", "-b", "other")
    toy = folder / "conf" / "data" / "toy.yaml"
    toy.write_text(toy.read_text().replace("rows: 100000", "rows: 200"))
    git(folder, "commit", "--quiet", "-a", "-m", "two")
    git(folder, "checkout", "--quiet", "main")
    return folder


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=a tester", "-c", "user.email=tester@localhost"]
    command = ["git", "-C", str(folder), *identity, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


@pytest.mark.timeout(BUILDING_SECONDS)
@pytest.mark.parametrize(("manager", "version"), [("local", "branch"), ("uv", "commit")])
def test_a_commit_of_a_clone_runs_its_own_code_and_settings(
    desk: Desk, clone: Path, uv_environments: Path, tmp_path: Path, manager: str, version: str
) -> None:
    """`%2F` for the last slash keeps MLflow from using, and changing, the clone itself."""
    wanted = git(clone, "rev-parse", "other")
    done = prepared(
        desk,
        manager,
        "--version",
        "other" if version == "branch" else wanted,
        project=f"file://{clone}%2F",
        overrides="",
        **places(tmp_path, uv_environments),
    )
    assert done.run.data.params["data.rows"] == "200"
    assert done.run.data.tags["commit"] == wanted
    assert done.run.data.tags["mlflow.source.git.commit"] == wanted
    assert done.ours == []
    assert list((tmp_path / "home" / "data").glob("toy-*/manifest.json"))
    assert git(clone, "status", "--short", "--branch") == "## main"


def test_without_a_place_for_them_the_data_of_a_fetched_project_are_said_to_be_temporary(
    desk: Desk, clone: Path, tmp_path: Path
) -> None:
    done = prepared(desk, "local", project=f"file://{clone}%2F", TMPDIR=str(tmp_path))
    (hint,) = done.ours
    (fetched,) = tmp_path.glob("tmp*/.susystream")
    assert f"MLflow's temporary copy {fetched.parent}" in hint
    assert "SUSYSTREAM_HOME=" in hint
