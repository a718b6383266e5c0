"""Kafka's jars, checked against SHA-256 pins at every start.

In: Maven coordinates and `kafka_jars.sha256`. Out: a folder of jars, each with its pinned digest.
`jgo` resolves and downloads, but only warns of a wrong checksum and reuses a truncated file, so
verified copies are kept in a folder of our own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from susystream.errors import ServiceError
from susystream.services.locks import locked

KAFKA_VERSION = "3.9.1"
# Kafka's own dependencies bring no logger: without one its errors are lost
COORDINATES = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
_FETCH_SECONDS = 600.0


def kafka_jars(*, say: Callable[[str], None] = lambda text: None) -> list[Path]:
    """The verified jars; missing or damaged ones are fetched again, and `say` is told.

    Raises:
        ServiceError: A jar cannot be had, or has another digest even when fetched anew.
    """
    folder = cache_folder()
    pins = pinned_digests()
    with locked(folder / "fetch.lock", deadline_seconds=_FETCH_SECONDS, purpose="check Kafka jars"):
        bad = damaged(folder, pins)
        if bad:
            say(f"fetching Apache Kafka {KAFKA_VERSION}, {len(bad)} jars, once for this user")
            _fetch(folder, bad, pins)
    return [folder / name for name in sorted(pins)]


def cache_folder() -> Path:
    """Where verified copies are kept, shared by all projects of a user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "susystream" / f"kafka-{KAFKA_VERSION}"


def pinned_digests() -> dict[str, str]:
    """{jar: SHA-256} as shipped in the package."""
    text = files("susystream.services").joinpath("kafka_jars.sha256").read_text()
    return {name: digest for digest, name in (line.split() for line in text.splitlines() if line)}


def damaged(folder: Path, pins: dict[str, str]) -> list[str]:
    """Names of jars that are missing or have another digest."""
    return [name for name, digest in pins.items() if digest_of(folder / name) != digest]


def digest_of(path: Path) -> str | None:
    """SHA-256 of a file, or None if there is none."""
    try:
        with path.open("rb") as file:
            if sys.version_info >= (3, 11):
                digest = hashlib.file_digest(file, "sha256")
            else:
                digest = hashlib.sha256(file.read())
    except FileNotFoundError:
        return None
    return digest.hexdigest()


def _fetch(folder: Path, names: list[str], pins: dict[str, str]) -> None:
    """Copies good jars; a bad one is removed wherever it lies and fetched once more."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
    for attempt in (1, 2):
        resolved = _resolve(update=attempt == 2)
        received = {name: digest_of(resolved[name]) if name in resolved else None for name in names}
        for name in names:
            if received[name] == pins[name]:
                _copy(resolved[name], folder / name)
            elif name in resolved:
                _forget(resolved[name], pins[name])
        names = [name for name in names if received[name] != pins[name]]
        if not names:
            return
    wrong = names[0]
    raise ServiceError(
        f"expected {wrong} with SHA-256 {pins[wrong]}, received {received[wrong] or 'no file'}; "
        "check the Maven repository or set stream.bootstrap_servers to a broker you have"
    )


def _resolve(*, update: bool) -> dict[str, Path]:
    import jgo

    try:
        with contextlib.redirect_stdout(sys.stderr):  # a command's own output may be JSON
            jars = jgo.build(COORDINATES, update=update).all_jars
    except Exception as error:  # jgo and its HTTP library raise many kinds; all mean the same here
        raise ServiceError(
            f"expected to fetch {COORDINATES} and its dependencies, received: "
            f"{' '.join(str(error).split())}; check the network or set stream.bootstrap_servers"
        ) from error
    return {Path(jar).name: Path(jar) for jar in jars}


def _forget(path: Path, pin: str) -> None:
    """Removes damaged copies of a jar wherever jgo would take it from again.

    The Maven repository is the user's own: a good copy in it stays.
    """
    repository = os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository"
    for copy in {path, *Path(repository).rglob(path.name)}:
        if digest_of(copy) != pin:
            copy.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    draft = target.with_suffix(f".{os.getpid()}.part")
    shutil.copyfile(source, draft)
    draft.replace(target)
