"""Starting a server process and waiting until it answers.

In: a command line, a port and a probe. Out: a running process, or an error with its last words.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from susystream.errors import ServiceError
from susystream.services.ports import listens
from susystream.services.state import ServiceFiles

_READY_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1
_MEANINGFUL = re.compile(r"\b(ERROR|FATAL|Caused by|\w*(Error|Exception)):? ")


class PortTaken(ServiceError):
    """Another process took the chosen port before the server did; choose another one."""


@dataclass(frozen=True, slots=True)
class Launched:
    """A server process and the address at which it answered."""

    process: subprocess.Popen[bytes]
    address: str
    version: str


@dataclass(frozen=True, slots=True)
class ServerCommand:
    """How to start a server and how to know that it is ready.

    Attributes:
        name: What people call it.
        arguments: The command line.
        port: Where it will listen on 127.0.0.1.
        ready: Asks the server in its own protocol; False while it is not ready.
    """

    name: str
    arguments: list[str]
    port: int
    ready: Callable[[int], bool]


def run_server(
    command: ServerCommand, *, files: ServiceFiles, inherit: int
) -> subprocess.Popen[bytes]:
    """Starts the server and waits until it answers; it dies with this process.

    Args:
        command: What to start.
        files: Its folder and log; its output goes where this process's own goes.
        inherit: A lock's handle that the server holds as long as it lives.

    Raises:
        PortTaken: Its port was not free any more.
        ServiceError: It ended or did not answer.
    """
    printed = files.log.stat().st_size if files.log.exists() else 0
    process = subprocess.Popen(
        command.arguments,
        cwd=files.folder,
        stdin=subprocess.DEVNULL,
        pass_fds=(inherit,),
        preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509  # the keeper has one thread
    )
    try:
        _wait(process, command, files.log, printed)
    except BaseException:  # SIGTERM too: nobody else would end it
        process.kill()
        process.wait(10)
        raise
    return process


def _die_with(parent: int) -> Callable[[], None]:
    def prepare() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)

    return prepare


def _wait(process: subprocess.Popen[bytes], command: ServerCommand, log: Path, since: int) -> None:
    ends = time.monotonic() + _READY_SECONDS
    while time.monotonic() < ends:
        if process.poll() is not None:
            raise _early_end(process.returncode, command, log, since)
        if listens(process.pid, command.port) and command.ready(command.port):
            return
        time.sleep(0.05)
    raise ServiceError(
        f"expected {command.name} to answer on port {command.port} within {_READY_SECONDS:.0f} s, "
        f"received nothing; see {log}"
    )


def _early_end(status: int, command: ServerCommand, log: Path, since: int) -> ServiceError:
    said = log.read_bytes()[since:].decode(errors="replace") if log.exists() else ""
    kind = PortTaken if "in use" in said else ServiceError
    return kind(
        f"expected {command.name} to start, but it ended with status {status}: {last_line(said)}"
    )


def last_line(text: str) -> str:
    """The last line that says something, cut to 400 characters; ours, else errors, else any."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith("ServiceError: ")]
    told = [line for line in lines if _MEANINGFUL.search(line)]
    return ((ours or told or lines or ["no output"])[-1])[:400].removeprefix("ServiceError: ")
