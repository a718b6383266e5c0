"""Standard error without lines that are not to be seen.

In: texts, and a library of C++ that logs what it likes. Out: its lines, but for those with a text.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

_STDERR = 2
_END_SECONDS = 5.0  # only a process that another thread started meanwhile, and lives, takes longer
_FILTER = """
import json, sys
given = json.loads(sys.stdin.buffer.readline() or "[]")  # nothing: interrupted before
texts = [one.encode(errors="surrogateescape") for one in given]
for line in sys.stdin.buffer:
    if not any(text in line for text in texts):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
"""
_one_at_a_time = threading.Lock()


@contextmanager
def stderr_without(texts: Sequence[str]) -> Iterator[None]:
    """Passes on what this process writes meanwhile, but for the lines that hold one of the texts.

    Another process does it, until nobody writes any more: this one may crash, or be killed, and its
    last lines are seen all the same.
    """
    if not texts or None in (sys.stderr, sys.__stderr__):  # None: closed when Python started
        yield
        return
    with _one_at_a_time:
        process, before = _started_filter(), os.dup(_STDERR)
        try:
            _write_to(process, texts)
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, _STDERR)
            os.close(before)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)


def _started_filter() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _FILTER],
        stdin=subprocess.PIPE,
        stdout=_STDERR,
        start_new_session=True,  # else Ctrl-C would end it before our last lines
    )


def _write_to(process: subprocess.Popen[bytes], texts: Sequence[str]) -> None:
    """From now on; the texts go first, for a command line would show them to everybody."""
    assert process.stdin
    with process.stdin as pipe:
        pipe.write(json.dumps(texts).encode() + b"\n")
        pipe.flush()
        sys.stderr.flush()
        os.dup2(pipe.fileno(), _STDERR)
