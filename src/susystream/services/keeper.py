"""The process that keeps one server: `python -m susystream.services.keeper SERVICE HOME`.

In: a service's name and a home folder. Out: a running server, its state file, and a clean end
once no command uses it. Commands hold a shared lock, which the kernel frees even after kill -9,
so no server outlives its users unless it is pinned.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from susystream.errors import ServiceError
from susystream.process_identity import created
from susystream.services.kafka_server import launch_kafka
from susystream.services.launch import Launched, PortTaken
from susystream.services.locks import UserWatch, locked
from susystream.services.state import ServiceFiles, ServiceState, stop_process
from susystream.services.store_server import launch_store

_POLL_SECONDS = 0.25
_STOP_SECONDS = 30.0
_ATTEMPTS = 4  # a port may be taken between choosing and binding it
_LAUNCH = {"kafka": launch_kafka, "store": launch_store}


class _Stopped(Exception):  # not an error: SIGTERM asks for a clean end
    """SIGTERM arrived."""


def main() -> int:
    """Launches the server and watches it."""
    service, home = sys.argv[1], Path(sys.argv[2])
    files = ServiceFiles.of(home, service)
    signal.signal(signal.SIGTERM, _on_sigterm)
    purpose = f"see an earlier {service} end"
    try:
        with locked(files.server, deadline_seconds=_STOP_SECONDS, purpose=purpose) as lock:
            return _keep(_launch(lambda: _LAUNCH[service](files, inherit=lock)), files)
    except ServiceError as error:
        print(f"ServiceError: {error}", flush=True)  # noqa: T201  # read back from the log
        return 1
    except _Stopped:
        return 0


def _on_sigterm(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not disturb the clean end
    raise _Stopped


def _launch(attempt: Callable[[], Launched]) -> Launched:
    for _ in range(_ATTEMPTS - 1):
        try:
            return attempt()
        except PortTaken as error:
            print(f"trying another port: {error}", flush=True)  # noqa: T201
    return attempt()


def _keep(launched: Launched, files: ServiceFiles) -> int:
    try:
        with UserWatch(files.users) as users:
            _state_of(launched).write(files)
            while launched.process.poll() is None:
                if users.nobody_left():
                    # asked in this order: only a user pins, and now there is none
                    if not files.pinned.exists():
                        _end(launched, files)  # new users wait meanwhile
                        return 0
                    users.release()
                time.sleep(_POLL_SECONDS)
    except _Stopped:
        _end(launched, files)
        return 0
    files.state.unlink(missing_ok=True)
    status = launched.process.returncode
    print(f"the server ended by itself with status {status}", flush=True)  # noqa: T201
    return 1


def _state_of(launched: Launched) -> ServiceState:
    return ServiceState(
        address=launched.address,
        server_pid=launched.process.pid,
        server_created=created(launched.process.pid),
        keeper_pid=os.getpid(),
        keeper_created=created(os.getpid()),
        version=launched.version,
    )


def _end(launched: Launched, files: ServiceFiles) -> None:
    if launched.process.poll() is None:
        stop_process(psutil.Process(launched.process.pid), deadline_seconds=_STOP_SECONDS)
    files.state.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
