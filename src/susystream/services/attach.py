"""Using a service: attaching to a running one, or starting its keeper.

In: a home folder and a service's name. Out: its address, for as long as a `with` block runs.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from susystream.errors import ServiceError
from susystream.services.launch import last_line
from susystream.services.locks import locked, only_user
from susystream.services.ports import answers
from susystream.services.state import ServiceFiles, ServiceState

_PATIENCE_SECONDS = 5.0  # with a busy server


@contextmanager
def attached(
    service: str,
    *,
    home: Path,
    deadline_seconds: float,
    prepare: Callable[[], object] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[str]:
    """Yields the address; the server stays at least until the block ends.

    Args:
        service: `kafka` or `store`.
        home: The folder under which services keep their files.
        deadline_seconds: The longest that each wait for another process may take.
        prepare: Called before a server is started, for what may take long the first time.
        say: Told that a server is being started, which takes a moment.

    Raises:
        ServiceError: It could not be started within the deadline.
    """
    files = ServiceFiles.of(home, service)
    with locked(
        files.users, shared=True, deadline_seconds=deadline_seconds, purpose=f"use {service}"
    ) as user:
        with locked(files.start, deadline_seconds=deadline_seconds, purpose=f"start {service}"):
            state = _running(service, files, user, deadline_seconds)
            if state is None:
                if prepare is not None:
                    prepare()
                say(f"starting the embedded {service}")
                state = _start(service, files, home, deadline_seconds)
        yield state.address


def _running(
    service: str, files: ServiceFiles, user: int, deadline_seconds: float
) -> ServiceState | None:
    """The state of a server that lives and answers; what is left of another one is cleared.

    A server that lives but accepts nothing may only be halted: it is ended if nobody else uses
    it, else waited for.

    Raises:
        ServiceError: It accepted nothing until the deadline, and others use it.
    """
    ends = time.monotonic() + deadline_seconds
    while (state := ServiceState.read(files)) is not None:
        port, left = int(state.address.rstrip("/").rpartition(":")[2]), ends - time.monotonic()
        if answers(port, deadline_seconds=min(_PATIENCE_SECONDS, left)):
            return state
        if only_user(user):
            break
        if time.monotonic() > ends:
            raise ServiceError(
                f"expected {service} at {state.address} to answer within {deadline_seconds:.0f} s, "
                f"received nothing from process {state.server_pid}, which other commands use; "
                f"wait for it, or end them and `kill {state.server_pid}`; see {files.log}"
            )
    ServiceState.end_stale(files)
    return None


def _start(service: str, files: ServiceFiles, home: Path, deadline_seconds: float) -> ServiceState:
    keeper = _spawn_keeper(service, files, home)
    ends = time.monotonic() + deadline_seconds
    while time.monotonic() < ends:
        state = ServiceState.read(files)
        if state is not None and state.keeper_pid == keeper.pid:
            # reaps the keeper when it ends while this process still runs
            threading.Thread(target=keeper.wait, name=f"{service} keeper", daemon=True).start()
            return state
        if keeper.poll() is not None:
            said = last_line(files.log.read_text(errors="replace"))
            raise ServiceError(f"{service} did not start: {said}; see {files.log}")
        time.sleep(0.05)
    _stop_keeper(keeper)
    raise ServiceError(
        f"expected {service} to start within {deadline_seconds:.0f} s, but it is not ready; "
        f"see {files.log}"
    )


def _spawn_keeper(service: str, files: ServiceFiles, home: Path) -> subprocess.Popen[bytes]:
    if files.log.exists():
        files.log.replace(files.previous_log)
    with files.log.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "susystream.services.keeper", service, str(home.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=files.folder,
            start_new_session=True,  # Ctrl-C is for the command, not for the server under it
        )


def _stop_keeper(keeper: subprocess.Popen[bytes]) -> None:
    keeper.terminate()
    try:
        keeper.wait(30)
    except subprocess.TimeoutExpired:
        keeper.kill()
        keeper.wait(10)
