"""What the package imports is what pyproject.toml declares."""

from __future__ import annotations

import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from test_architecture import MODULES, imports

from susystream import __version__

ROOT = Path(__file__).parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text().partition("[tool.")[0]


def pins(text: str) -> dict[str, set[str]]:
    """What a lock pins: to several versions where those of Python need their own."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.M):
        found.setdefault(name, set()).add(version)
    return found


PINS = {  # by lock: requirements.lock is ""
    path.stem.removeprefix("requirements").removeprefix("-"): pins(path.read_text())
    for path in ROOT.glob("requirements*.lock")
}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


DECLARED = {
    plain(name) for name in re.findall(r'^    "([A-Za-z0-9_.-]+)(?=[<>=~"])', PROJECT, re.M)
}
IMPORTED = sorted(
    {name.split(".")[0] for path in MODULES for name in imports(path)}
    - {"susystream", *sys.stdlib_module_names}
)

# of these Python 3.10 does not know where they come from
SECOND_NAMES = {"bson": ["pymongo"], "gridfs": ["pymongo"]}


@pytest.mark.parametrize("name", IMPORTED)
def test_every_imported_library_is_declared(name: str) -> None:
    others = SECOND_NAMES.get(name, [name])
    sources = {plain(found) for found in packages_distributions().get(name, others)}
    assert sources & DECLARED, f"{name} comes from {sorted(sources)}"


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_every_declared_library_is_locked(name: str) -> None:
    assert any(name in pins for pins in PINS.values())


def test_there_is_a_lock_for_each_purpose() -> None:
    assert sorted(PINS) == ["", "build", "cpu", "dev", "notebook", "spark"]


def test_no_two_locks_pin_one_library_differently() -> None:
    """They are installed into one environment, each in its turn."""
    for name, versions in [one for lock in PINS.values() for one in lock.items()]:
        assert all(lock[name] == versions for lock in PINS.values() if name in lock), name


def test_what_runs_waits_neither_for_spark_nor_for_the_tools_of_development() -> None:
    assert not PINS[""].keys() & {"pyspark", "py4j", "jupyterlab", "pytest", "mypy", "ruff"}


def test_the_version_is_the_same_in_the_code_and_in_the_package() -> None:
    """The code may run without being installed, as under `mlflow run --env-manager uv`."""
    assert f'\nversion = "{__version__}"\n' in PROJECT
