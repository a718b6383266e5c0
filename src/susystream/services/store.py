"""The embedded document store.

In: a home folder. Out: the URI of a server that speaks MongoDB's protocol on 127.0.0.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from susystream.services.attach import attached


@contextmanager
def embedded_store(home: Path, *, deadline_seconds: float = 60.0) -> Iterator[str]:
    """Yields a MongoDB URI.

    Raises:
        ServiceError: The server did not start.
    """
    with attached("store", home=home, deadline_seconds=deadline_seconds) as uri:
        yield uri
