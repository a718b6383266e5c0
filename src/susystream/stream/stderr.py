"""Standard error, kept from telling secrets.

In: secrets, and a library of C++ that logs what it is given. Out: its lines, but for those.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_STDERR = 2
_one_at_a_time = threading.Lock()


@contextmanager
def stderr_without(secrets: Sequence[str]) -> Iterator[None]:
    """Holds back what this process writes meanwhile, and writes the lines that hold no secret.

    tensorflow-io logs each setting at level INFO. Whether that is shown was settled when TensorFlow
    logged first, and cannot be asked. The file is one in memory.
    """
    if not secrets:
        yield
        return
    with _one_at_a_time:
        before, held = os.dup(_STDERR), os.memfd_create("stderr")
        sys.stderr.flush()
        os.dup2(held, _STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, _STDERR)
            os.close(before)
            _write_on(held, [secret.encode() for secret in secrets])


def _write_on(held: int, secrets: Sequence[bytes]) -> None:
    with os.fdopen(held, "rb") as lines:
        lines.seek(0)
        shown = b"".join(one for one in lines if not any(secret in one for secret in secrets))
    with os.fdopen(os.dup(_STDERR), "wb") as stream:
        stream.write(shown)
