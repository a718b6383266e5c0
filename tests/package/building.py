"""What the tests of the package share: how it is built, and where it is installed.

In: a folder with the sources. Out: a wheel and an sdist; environments of a test's own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILDING_SECONDS = 1200  # for an environment of its own, of some 3 GB
FOREIGN = ("MLFLOW_", "PYTHON", "SUSYSTREAM_", "HYDRA_", "VIRTUAL_ENV", "TF_CPP_")


@dataclass(frozen=True, slots=True)
class Built:
    """The two files that a release is."""

    wheel: Path
    sdist: Path


def build(source: Path, target: Path) -> Built:
    """Builds both without network, as `python -m build --no-isolation` does."""
    words = [sys.executable, "-m", "hatchling", "build", "--directory", str(target)]
    done = subprocess.run(words, cwd=source, env=clean(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (sdist,) = target.glob("*.whl"), target.glob("*.tar.gz")
    return Built(wheel, sdist)


def clean() -> dict[str, str]:
    """This process's variables, but for those that lead back to the checkout or are for tests."""
    return {name: one for name, one in os.environ.items() if not name.startswith(FOREIGN)}


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment, used as one that was activated."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        """Where its libraries are."""
        (found,) = self.folder.glob("lib/python3.*/site-packages")
        return found

    def run(
        self,
        *words: str,
        cwd: Path,
        seconds: float = 120,
        variables: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs one of its programs in a folder, to the end."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        known = {**clean(), "PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"}
        return subprocess.run(
            [str(self.folder / "bin" / words[0]), *words[1:]],
            cwd=cwd,
            env={**known, **(variables or {})},
            capture_output=True,
            text=True,
            timeout=seconds,
        )


def environment_with(wheel: Path, folder: Path) -> Environment:
    """A wheel, installed in an environment that sees the libraries of the running one.

    Their folder is added by a `.pth`, of which those in it are not read: an editable install there
    does not come before the wheel.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    environment = Environment(folder)
    words = [sys.executable, "-m", "pip", "--python", str(environment.python), "install"]
    done = subprocess.run(
        [*words, "--quiet", "--no-index", "--no-deps", str(wheel)],
        env=clean(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    shared = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (environment.packages / "shared.pth").write_text("\n".join(sorted(shared)))
    return environment
