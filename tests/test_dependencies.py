"""What the package imports is what pyproject.toml declares."""

from __future__ import annotations

import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from test_architecture import MODULES, imports

from susystream import __version__

PROJECT = (Path(__file__).parents[1] / "pyproject.toml").read_text().partition("[tool.")[0]
LOCKS = [Path(__file__).parents[1] / f"requirements{one}.lock" for one in ("", "-spark")]
LOCK, SPARK_LOCK = (path.read_text() for path in LOCKS)


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


DECLARED = {plain(name) for name in re.findall(r'^    "([A-Za-z0-9_.-]+)', PROJECT, re.M)}
IMPORTED = sorted(
    {name.split(".")[0] for path in MODULES for name in imports(path)}
    - {"susystream", *sys.stdlib_module_names}
)


@pytest.mark.parametrize("name", IMPORTED)
def test_every_imported_library_is_declared(name: str) -> None:
    sources = {plain(found) for found in packages_distributions().get(name, [name])}
    assert sources & DECLARED, f"{name} comes from {sorted(sources)}"


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_every_declared_library_is_locked(name: str) -> None:
    assert re.search(rf"^{name}==", LOCK + SPARK_LOCK, re.M)


def test_the_main_job_does_not_wait_for_spark() -> None:
    """The second lock holds what Spark adds and nothing else: both can be installed together."""
    locked = [set(re.findall(r"^([\w.-]+)==", text, re.M)) for text in (LOCK, SPARK_LOCK)]
    assert locked[1] == {"pyspark", "py4j"}
    assert not locked[0] & locked[1]


def test_the_version_is_the_same_in_the_code_and_in_the_package() -> None:
    """The code may run without being installed, as under `mlflow run --env-manager uv`."""
    assert f'\nversion = "{__version__}"\n' in PROJECT
