"""`susystream services up|down|status`.

In: a home folder. Out: what runs, where.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from susystream.errors import ServiceError
from susystream.services.broker import embedded_broker
from susystream.services.locks import has_users
from susystream.services.state import ServiceFiles, ServiceState
from susystream.services.store import embedded_store

SERVICES = ("kafka", "store")


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service.

    Attributes:
        name: `kafka` or `store`.
        address: Where it answers, or None when it does not run.
        pid: Its process.
        pinned: Whether it stays when nothing uses it.
        in_use: Whether a command uses it now.
        version: What runs; empty when it does not.
        data: The folder it keeps its data in.
        log: What it printed.
    """

    name: str
    address: str | None
    pid: int | None
    pinned: bool
    in_use: bool
    version: str
    data: str
    log: str

    @property
    def running(self) -> bool:
        """Whether a server runs."""
        return self.address is not None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "running": self.running}

    def __str__(self) -> str:
        if not self.running:
            return f"{self.name:6} stopped  (data in {self.data})"
        return f"{self.name:6} {self.address}  process {self.pid}, {self._stays()}"

    def _stays(self) -> str:
        if self.pinned:
            return "stays until `susystream services down`"
        return "stops with the last command that uses it" if self.in_use else "is stopping"


def status(home: Path, service: str) -> ServiceStatus:
    """What runs of one service."""
    files = ServiceFiles.of(home, service)
    state = ServiceState.read(files)
    return ServiceStatus(
        name=service,
        address=state.address if state else None,
        pid=state.server_pid if state else None,
        pinned=files.pinned.exists(),
        in_use=state is not None and has_users(files.users),
        version=state.version if state else "",
        data=str(files.data),
        log=str(files.log),
    )


def statuses(home: Path) -> list[ServiceStatus]:
    """What runs of all services."""
    return [status(home, service) for service in SERVICES]


def up(home: Path, *, say: Callable[[str], None] = lambda text: None) -> list[ServiceStatus]:
    """Starts all services and keeps them until `down`; `say` is told what takes a moment.

    Raises:
        ServiceError: One did not start.
    """
    with embedded_broker(home, say=say), embedded_store(home, say=say):
        for service in SERVICES:
            ServiceFiles.of(home, service).pinned.touch()
    return statuses(home)


def down(home: Path, *, deadline_seconds: float = 60.0) -> list[ServiceStatus]:
    """Lets all services go; those in use stop with the last command that uses them.

    Raises:
        ServiceError: One that nothing uses still runs at the deadline.
    """
    for service in SERVICES:
        ServiceFiles.of(home, service).pinned.unlink(missing_ok=True)
    ends = time.monotonic() + deadline_seconds
    while True:
        now = statuses(home)
        left = [one for one in now if one.running and not one.in_use]
        if not left:
            return now
        if time.monotonic() > ends:
            raise ServiceError(
                f"expected {left[0].name} to stop within {deadline_seconds:.0f} s, but process "
                f"{left[0].pid} still runs; see {left[0].log}"
            )
        time.sleep(0.1)
