"""The command line, from its first moment to its last.

In: what a person typed. Out: an exit status: 0; 1 for an error; 2 for wrong usage, wrong settings
among it; 129, 130 and 143 for SIGHUP, Ctrl-C and SIGTERM. Little is imported before signals are
handled: who interrupts a command at once sees no traceback either.
"""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

from susystream.interruption import INTERRUPTED, end_on_signals, leave_on_interrupt


def main() -> NoReturn:
    """Runs the command line and exits."""
    end_on_signals()
    try:
        from susystream.commands import status_of_command  # takes a third of a second

        sys.exit(status_of_command())
    except KeyboardInterrupt:
        leave_on_interrupt()
        print("interrupted", file=sys.stderr)  # noqa: T201
        sys.exit(INTERRUPTED)
    finally:
        gc.freeze()  # or Python searches all libraries at its end: 1.5 s of a processor
