"""Reading ahead: the next items are made while the last one is used.

In: a generator. Out: its items in its order, made in a thread of their own, a few ahead. The
prefetching of `tf.data` is not enough: where its operations are deterministic, as in our training,
TensorFlow takes it out of every pipeline that calls Python.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_T = TypeVar("_T")
_END_SECONDS = 5.0  # longer, and a source that waits for a broker ends by itself


def ahead(source: Generator[_T, None, None], *, depth: int = 1) -> Generator[_T, None, None]:
    """The source's items, of which at most `depth` are made before they are asked for.

    The source is opened, run and closed in one thread, which ends with this generator.

    To wait for an item has no deadline here: that is the source's, which knows what it waits for.

    Raises:
        BaseException: Whatever the source raised, after the items before it.
    """
    items = _Items(source, depth)
    thread = threading.Thread(target=items.fill, daemon=True, name="read-ahead")
    thread.start()
    try:
        while (found := items.take()) is not None:
            yield found[0]
    finally:
        items.stop()
        thread.join(_END_SECONDS)


@dataclass(slots=True)
class _Items(Generic[_T]):
    """What is made and not yet taken."""

    source: Generator[_T, None, None]
    depth: int
    made: deque[_T] = field(default_factory=deque)
    error: BaseException | None = None
    ended: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def fill(self) -> None:
        """Makes items until the source or the demand ends."""
        try:
            while self._is_room():
                item = next(self.source)
                with self.changed:
                    self.made.append(item)
                    self.changed.notify_all()
        except StopIteration:
            pass
        except BaseException as error:  # any that stayed here would be an end without all items
            self.error = error
        finally:
            self._close()

    def _is_room(self) -> bool:
        with self.changed:
            self.changed.wait_for(lambda: self.ended or len(self.made) < self.depth)
            return not self.ended

    def _close(self) -> None:
        try:
            self.source.close()
        except BaseException as error:
            self.error = self.error or error
        self.stop()

    def take(self) -> tuple[_T] | None:
        """The next item; None behind the last.

        Raises:
            BaseException: What the source raised.
        """
        with self.changed:
            self.changed.wait_for(lambda: self.ended or self.made)
            if self.made:
                item = self.made.popleft()
                self.changed.notify_all()
                return (item,)
        if self.error is not None:
            raise self.error
        return None

    def stop(self) -> None:
        """No more items are wanted, or there are none."""
        with self.changed:
            self.ended = True
            self.changed.notify_all()
