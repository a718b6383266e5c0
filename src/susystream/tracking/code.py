"""The code that runs: its commit, and the libraries it stands on.

In: the folder of this package. Out: a commit, whether files differ from it, versions.
"""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("susystream", "tensorflow", "keras", "numpy", "mlflow", "kafka-python", "polars")


@cache
def library_versions() -> dict[str, str]:
    """Versions of what figures and weights depend on, by distribution name."""
    return {name: version(name) for name in LIBRARIES}


@cache
def code_state() -> tuple[str, bool]:
    """(commit, dirty); ("unknown", False) outside a git checkout."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return "unknown", False
    return commit, bool(_git("status", "--porcelain", "--untracked-files=no"))


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
