"""Each Python that the package is for takes its files, where that Python is found."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from package.building import BUILDING_SECONDS, ROOT, Built, clean
from package.environments import installed

SUPPORTED = ("3.10", "3.11", "3.12")
FOLDERS = ("src", "tests", "benchmarks", "experiments", "docker")
TOY = (
    "data.rows=3000",
    "train.epochs=2",
    "stream/reader=tfio",
    "~evaluate.sets.toy_large",
    "tracking.system_metrics=false",
)
ASK = "import sys; print('%d.%d' % sys.version_info[:2])"
CHECK = """
import importlib, json, sys, warnings
warnings.simplefilter("error")
paths, names = json.load(sys.stdin)
for path in paths:
    with open(path, "rb") as file:
        compile(file.read(), path, "exec", dont_inherit=True)
warnings.simplefilter("ignore")  # of modules that are asked for their names
for module, name in names:
    if not hasattr(importlib.import_module(module), name):
        importlib.import_module(module + "." + name)
"""


def interpreter(version: str) -> Path | None:
    """A Python of this version: the running one, on PATH, or one that pyenv has."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [sys.executable, shutil.which(f"python{version}")]
    found += sorted(map(str, root.glob(f"versions/{version}.*/bin/python")))
    return next((Path(one) for one in found if one and asked(one) == version), None)


@cache
def asked(python: str) -> str:
    """The version that an interpreter says it is of; pyenv's stand-ins may say none."""
    done = subprocess.run([python, "-c", ASK], capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


@cache
def sources() -> list[Path]:
    """All Python files of the checkout."""
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


@cache
def standard_names() -> list[tuple[str, str]]:
    """What the files import out of the standard library."""
    found: set[tuple[str, str]] = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found |= {(node.module, one.name) for one in node.names}
            elif isinstance(node, ast.Import):
                found |= {(one.name, "__name__") for one in node.names}
    return sorted(one for one in found if one[0].partition(".")[0] in sys.stdlib_module_names)


@pytest.mark.parametrize("version", SUPPORTED)
def test_each_supported_python_compiles_all_files_and_has_what_they_import_of_it(
    version: str,
) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} is found, running, on PATH or in pyenv")
    question = json.dumps([list(map(str, sources())), standard_names()])
    done = subprocess.run(
        [str(python), "-c", CHECK],
        input=question,
        env=clean(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(BUILDING_SECONDS)
@pytest.mark.parametrize("version", [one for one in SUPPORTED if one != asked(sys.executable)])
def test_the_whole_chain_runs_on_each_supported_python_with_the_locked_libraries(
    version: str, built: Built, empty_database: Path, tmp_path: Path
) -> None:
    """The running Python is that of all other tests."""
    python, untested = interpreter(version), f"the chain on Python {version}"
    if python is None:
        pytest.skip(f"not tested: {untested}; it is not found on PATH or in pyenv")
    lock = ["--require-hashes", "--requirement", str(ROOT / "requirements.lock")]
    wheel = ["--no-deps", str(built.wheel)]
    shutil.copy(empty_database, tmp_path)
    with installed(tmp_path / "venv", lock, wheel, untested=untested, python=python) as environment:
        done = environment.run("susystream", "run", *TOY, cwd=tmp_path, seconds=600)
        assert done.returncode == 0, done.stdout + done.stderr
        result = json.loads((tmp_path / done.stdout.split()[-1]).read_text())
        verified = environment.run("susystream", "models", "verify", "latest", cwd=tmp_path)
    assert result["metrics"]["test/real_10k/auc"] > 0.7
    assert verified.stdout.count(" ok\n") == 3, verified.stdout + verified.stderr


def test_the_supported_ones_are_those_that_the_package_names() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert 'requires-python = ">=3.10,<3.13"' in text
    named = [one for one in SUPPORTED if f'"Programming Language :: Python :: {one}"' in text]
    assert (tuple(named), text.count("Programming Language :: Python ::")) == (SUPPORTED, 3)
    assert f'target-version = "py{SUPPORTED[0].replace(".", "")}"' in text
