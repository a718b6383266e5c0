"""How signals end a command: by unwinding, so that servers stop and runs are marked.

In: Ctrl-C, SIGTERM, and SIGHUP of a terminal that closes. Out: KeyboardInterrupt or SystemExit, or
that one part of a process was ended by them.
`mlflow run` gets Ctrl-C from the terminal as its program does, and then terminates the program too:
a SIGTERM after Ctrl-C asks for nothing new, and would break off what that began.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn, TypeVar

INTERRUPTED = 128 + signal.SIGINT
_ENDS = (signal.SIGTERM, signal.SIGHUP)

T = TypeVar("T")


def end_on_signals(*, once: bool = False) -> None:
    """Installs the handlers; SIGHUP stays ignored under `nohup`, Ctrl-C in the background.

    Args:
        once: Whether SIGTERM and SIGHUP do nothing more as soon as one of them came.
    """
    _handle_ends(_unwind_once if once else _unwind)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)


def ended_alone(part: Callable[[], T], *, instead: T) -> T:
    """Runs a part of a process, which SIGTERM and SIGHUP end alone; afterwards all is as before.

    Wherever they come, and however many, no SystemExit of theirs gets out.

    Args:
        part: What is run.
        instead: Returned where it was ended.
    """
    before = [(number, signal.getsignal(number)) for number in (*_ENDS, signal.SIGINT)]
    try:
        try:
            end_on_signals(once=True)
            return part()
        finally:
            _handle_ends(_nothing)  # what comes just before this unwinds into the `except`
    except SystemExit:  # none comes from here on: the first one saw to that
        return instead
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _handle_ends(handler: Callable[[int, FrameType | None], Any]) -> None:
    for number in _ENDS:
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


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


def _unwind_once(number: int, frame: FrameType | None) -> NoReturn:
    _handle_ends(_nothing)
    sys.exit(128 + number)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    pass_over_sigterm()
    raise KeyboardInterrupt


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    os._exit(INTERRUPTED)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Not SIG_IGN, which processes started later would inherit."""
