"""What the package imports is what pyproject.toml declares."""

from __future__ import annotations

import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from test_architecture import MODULES, imports

PROJECT = (Path(__file__).parents[1] / "pyproject.toml").read_text().partition("[tool.")[0]
LOCK = (Path(__file__).parents[1] / "requirements.lock").read_text()


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
    assert re.search(rf"^{name}==", LOCK, re.M)
