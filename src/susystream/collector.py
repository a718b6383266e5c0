"""Python's garbage collector, kept off what a program has imported.

In: a stretch of code that makes very many small objects. Out: the same, without walking all others
again and again: with TensorFlow loaded that takes half of the time of sending small messages.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_AT_START = gc.get_freeze_count()  # Python 3.12 begins with some


@contextmanager
def collecting_new_only() -> Iterator[None]:
    """What exists now is not looked at until the end; garbage made inside is still collected."""
    if gc.get_freeze_count() > _AT_START:  # somebody around us did so, and will undo it
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
