"""Environments of their own: another Python, or other libraries than the running ones.

In: what `uv pip install` takes. Out: an environment, gone at the end; a loud skip where nothing can
be fetched, which fails in CI.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from package.building import Environment, clean

UNREACHABLE = re.compile(r"Failed to fetch|error sending request|dns error|timed out|offline")


def unreachable(what: str, reason: str, *, untested: str) -> NoReturn:
    """Skips, but in CI, where it must not stay untested."""
    told = f"{what} cannot be reached: {' '.join(reason.split())[-500:]}"
    assert not os.environ.get("CI"), told
    pytest.skip(f"not tested: {untested}; {told}")


@contextmanager
def installed(
    folder: Path, *installs: Sequence[str], untested: str, python: Path | str = sys.executable
) -> Iterator[Environment]:
    """An environment with what some `uv pip install` put into it, one after the other."""
    environment = Environment(folder)
    uv = [sys.executable, "-m", "uv"]
    venv = [*uv, "venv", "--quiet", "--no-project", "--python", str(python), str(folder)]
    pip = [*uv, "pip", "install", "--quiet", "--python", str(environment.python)]
    try:
        for words in (venv, *([*pip, *one] for one in installs)):
            done = subprocess.run(words, env=clean(), cwd="/", capture_output=True, text=True)
            if done.returncode != 0 and UNREACHABLE.search(done.stderr):
                unreachable("the package index", done.stderr, untested=untested)
            assert done.returncode == 0, done.stderr
        yield environment
    finally:
        shutil.rmtree(folder, ignore_errors=True)
