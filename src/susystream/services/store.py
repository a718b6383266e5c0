"""The embedded document store.

In: a home folder. Out: the URI of a server that speaks MongoDB's protocol on 127.0.0.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from susystream.services.attach import attached


@contextmanager
def embedded_store(
    home: Path,
    *,
    deadline_seconds: float = 60.0,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[str]:
    """Yields a MongoDB URI; `say` is told what takes a moment.

    Raises:
        ServiceError: The server did not start.
    """
    with attached("store", home=home, deadline_seconds=deadline_seconds, say=say) as uri:
        yield uri
