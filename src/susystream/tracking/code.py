"""The code that runs, and what it runs on.

In: the folder of this package, its environment. Out: a commit, and whether files differ from it;
the versions of what computes, and the machine.
"""

from __future__ import annotations

import contextlib
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from susystream import __version__
from susystream.processors import processor_name, processors

LIBRARIES = ("tensorflow", "keras", "numpy", "openvino", "mlflow", "kafka-python", "polars")
OTHER_NAMES = {"tensorflow": ("tensorflow-cpu",)}  # the same without what graphics cards need


@cache
def code_state() -> tuple[str, bool]:
    """(commit, dirty) of this package; as `state_of`."""
    return state_of(Path(__file__).parents[1])


def state_of(package: Path) -> tuple[str, bool]:
    """The commit that a package is a part of, and whether its files are others than that one's.

    Args:
        package: Its folder.

    Returns:
        (commit, dirty); ("unknown", False) outside a git checkout, and in one of another project,
        which does not know the package.
    """
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return "unknown", False
    commit = _git(package, "rev-parse", "HEAD")
    if commit is None:
        return "unknown", False
    changed = _git(package, "status", "--porcelain", "--untracked-files=no")
    new = _git(package, "ls-files", "--others", "--", "*.py")  # an import finds them too
    return commit, changed != "" or new != ""  # a git that gives no answer says nothing good


@cache
def library_versions() -> dict[str, str]:
    """Versions of Python, and by distribution name of what figures and weights depend on."""
    ours = {"python": platform.python_version(), "susystream": __version__}
    return ours | {name: version_of(name) for name in LIBRARIES}  # ours may be a bare checkout


def version_of(library: str) -> str:
    """The version of a library, by whichever of its names it was installed.

    Raises:
        PackageNotFoundError: It was installed by none of them.
    """
    for name in (library, *OTHER_NAMES.get(library, ())):
        with contextlib.suppress(PackageNotFoundError):
            return version(name)
    raise PackageNotFoundError(library)


@cache
def machine() -> str:
    """How many processors of which kind this process may use."""
    return f"{processors()} processors, {processor_name()}"


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
