"""The code that runs, and what it runs on.

In: the folder of this package, its environment. Out: a commit, and whether files differ from it;
the versions of what computes, and the machine.
"""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

from susystream import __version__
from susystream.processors import processor_name, processors

LIBRARIES = (*("tensorflow", "keras", "numpy", "openvino", "mlflow", "kafka-python", "polars"),)


@cache
def code_state() -> tuple[str, bool]:
    """(commit, dirty); ("unknown", False) outside a git checkout."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return "unknown", False
    return commit, bool(_git("status", "--porcelain", "--untracked-files=no"))


@cache
def library_versions() -> dict[str, str]:
    """Versions of Python, and by distribution name of what figures and weights depend on."""
    ours = {"python": platform.python_version(), "susystream": __version__}
    return ours | {name: version(name) for name in LIBRARIES}  # ours may run from a bare checkout


@cache
def machine() -> str:
    """How many processors of which kind this process may use."""
    return f"{processors()} processors, {processor_name()}"


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
