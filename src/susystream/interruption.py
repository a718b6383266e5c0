"""How signals end a command: by unwinding, so that servers stop and runs are marked.

In: Ctrl-C, SIGTERM, and SIGHUP of a terminal that closes. Out: KeyboardInterrupt or SystemExit.
`mlflow run` gets Ctrl-C from the terminal as its program does, and then terminates the program too:
a SIGTERM after Ctrl-C asks for nothing new, and would break off what that began.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT


def end_on_signals() -> None:
    """Installs the handlers; SIGHUP stays ignored under `nohup`, Ctrl-C in the background."""
    signal.signal(signal.SIGTERM, _unwind)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _unwind)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)


def pass_over_sigterm() -> None:
    """From now on SIGTERM does nothing, to this process and to none it starts."""
    signal.signal(signal.SIGTERM, _nothing)


def leave_on_interrupt() -> None:
    """When all is unwound, another Ctrl-C changes nothing but that no thread is waited for.

    It would break off what libraries do at exit with tracebacks; and while Python itself ends, the
    system would end the process by it, with another status.
    """
    signal.signal(signal.SIGINT, _leave)
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # first: the last that came


def told(error: BaseException) -> str:
    """What ended a command that no error ended."""
    code = error.code if isinstance(error, SystemExit) else None
    for number in (signal.SIGTERM, signal.SIGHUP):
        if code == 128 + number:
            return f"ended by {number.name}"
    return "interrupted by Ctrl-C" if isinstance(error, KeyboardInterrupt) else "ended early"


def _unwind(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    pass_over_sigterm()
    raise KeyboardInterrupt


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    os._exit(INTERRUPTED)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Not SIG_IGN, which processes started later would inherit."""
