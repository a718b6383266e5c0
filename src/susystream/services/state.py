"""What is known of a running service: its files, processes and address.

In: a home folder and a service's name. Out: `ServiceFiles`, `ServiceState`.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from susystream.errors import ServiceError
from susystream.process_identity import lives

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ServiceFiles:
    """The files of one service under the home folder."""

    folder: Path

    @classmethod
    def of(cls, home: Path, service: str) -> ServiceFiles:
        """The files of `service` under `home`."""
        return cls(home.absolute() / service)

    @property
    def users(self) -> Path:
        """Every user holds the shared lock of this file."""
        return self.folder / "users.lock"

    @property
    def start(self) -> Path:
        """Held while somebody starts the service."""
        return self.folder / "start.lock"

    @property
    def server(self) -> Path:
        """Held by the keeper and inherited by its server: free only when both are gone."""
        return self.folder / "server.lock"

    @property
    def state(self) -> Path:
        """Written when the server answers, removed when it stopped."""
        return self.folder / "state.json"

    @property
    def pinned(self) -> Path:
        """Exists after `services up`: the service stays without users."""
        return self.folder / "pinned"

    @property
    def log(self) -> Path:
        """What the keeper and the server print."""
        return self.folder / "server.log"

    @property
    def previous_log(self) -> Path:
        """The log of the start before, kept to learn why a server died."""
        return self.folder / "server.previous.log"

    @property
    def data(self) -> Path:
        """What the server keeps."""
        return self.folder / "data"


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A server that answered at `address`, and the keeper that watches it.

    Process numbers are reused by the system; with the time of creation they are not.

    Attributes:
        address: What a client connects to.
        server_pid: The server process.
        server_created: When it was created, in seconds since the epoch.
        keeper_pid: The process that watches users and server.
        keeper_created: When it was created.
        version: Name and version of the server.
    """

    address: str
    server_pid: int
    server_created: float
    keeper_pid: int
    keeper_created: float
    version: str = ""

    def write(self, files: ServiceFiles) -> None:
        """Writes the state in one step."""
        draft = files.state.with_suffix(f".{os.getpid()}.part")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(files.state)

    @classmethod
    def read(cls, files: ServiceFiles) -> ServiceState | None:
        """The state of a live service, or None; a stale file counts as none."""
        try:
            state = cls(**json.loads(files.state.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        alive = lives(state.server_pid, state.server_created)
        return state if alive and lives(state.keeper_pid, state.keeper_created) else None

    @staticmethod
    def end_stale(files: ServiceFiles) -> None:
        """Ends a server whose keeper was killed, then removes the file."""
        with contextlib.suppress(OSError, ValueError, TypeError, psutil.NoSuchProcess):
            state = ServiceState(**json.loads(files.state.read_text()))
            if lives(state.server_pid, state.server_created):
                stop_process(psutil.Process(state.server_pid), deadline_seconds=10.0)
        files.state.unlink(missing_ok=True)


def stop_process(process: psutil.Process, *, deadline_seconds: float) -> None:
    """SIGTERM, and SIGKILL for one that is still there at the deadline.

    Raises:
        ServiceError: It outlived SIGKILL by another deadline, as one that waits for a disk may.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
        if _ended(process, deadline_seconds):
            return
        process.kill()
        if not _ended(process, deadline_seconds):
            raise ServiceError(
                f"expected process {process.pid} to end within {deadline_seconds:g} s after "
                "SIGKILL, but it is still there; it may wait for a disk: look at it and try again"
            )


def _ended(process: psutil.Process, deadline_seconds: float) -> bool:
    """True once it ended, even where its parent does not look: then it stays as a zombie."""
    ends = time.monotonic() + deadline_seconds
    while True:
        try:
            process.wait(_POLL_SECONDS)  # reaps a child of ours
            return True
        except psutil.TimeoutExpired:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        if time.monotonic() > ends:
            return False
