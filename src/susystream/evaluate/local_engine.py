"""The local engine: one scan, any number of models.

In: event batches and scorers. Out: scored rows, and how each model's are counted.
A thread reads (and so parses) ahead, a few score, and the caller's thread counts, in the order of
the scan: all of them release the interpreter lock for most of their time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from queue import Empty, Full, Queue
from typing import TypeVar

from susystream.data.parts import Part
from susystream.errors import EvaluationError
from susystream.evaluate.ensemble import logits_of
from susystream.evaluate.scored import Scored
from susystream.evaluate.tally import Tally
from susystream.model.scorer import Scorer
from susystream.processors import processors
from susystream.schema import EventBatch, Float32Array, UInt8Array
from susystream.stream.slices import ContentDigest

AHEAD = 16  # scored parts, 0.3 MB each: counting may pause for as long as scoring them takes
_POLL_SECONDS = 0.05  # how soon a waiting side notices that the other has ended
_JOIN_SECONDS = 30.0  # a scan's own deadlines are shorter


_T = TypeVar("_T")


@contextmanager
def scored(
    parts: Iterable[Part], scorers: Mapping[str, Scorer], *, threads: int | None = None
) -> Iterator[Iterator[Scored]]:
    """Scores by a few threads while one reads ahead; what was scored comes in order.

    Args:
        parts: Consumed in a thread of its own, and closed there if it is a generator.
        scorers: By name.
        threads: How many score; by default one for each processor this process may use.
    """
    threads = threads or processors()
    free = threading.Semaphore(threads + 1)  # one part waits for each of them to end

    def score(part: Part) -> Scored:
        try:
            found = logits_of(scorers, part.events.features)
            digest = ContentDigest().update(part.events)
            return Scored(part.events.labels, found, digest, part.rows, part.bad)
        finally:
            free.release()

    def submitted() -> Iterator[Future[Scored]]:
        with closing_too(parts):
            for part in parts:
                free.acquire()  # always given back: tasks run to their end before the pool ends
                yield pool.submit(score, part)

    with (
        ThreadPoolExecutor(threads, "score") as pool,
        closing(ReadAhead(submitted())) as under_way,
    ):
        yield (one.result() for one in under_way)


def as_parts(scan: Iterable[EventBatch | Part]) -> Iterator[Part]:
    """The rows of a scan as parts; closes the scan at the end."""
    with closing_too(scan):
        for one in scan:
            yield Part.of(one) if isinstance(one, EventBatch) else one


@contextmanager
def closing_too(scan: object) -> Iterator[None]:
    """Closes a scan that can be closed, at the end of the block and in its thread."""
    try:
        yield
    finally:
        close = getattr(scan, "close", None)
        if close is not None:
            close()


class ReadAhead(Iterator[_T]):
    """What a scan gives, taken ahead by a thread; `close` ends the thread, also midway.

    Args:
        scan: What to take from; closed in the thread if it is a generator.
        ahead: How much may wait for the caller.
    """

    def __init__(self, scan: Iterable[_T], *, ahead: int = AHEAD) -> None:
        self._scan = scan
        self._queue: Queue[_T | _End] = Queue(ahead)
        self._error: BaseException | None = None
        self._stop = threading.Event()
        # a daemon: a scan that hangs beyond its own deadlines cannot keep the process alive
        self._thread = threading.Thread(target=self._read, name="read-ahead", daemon=True)

    def __next__(self) -> _T:
        if self._thread.ident is None:
            self._thread.start()
        found = self._take()
        if isinstance(found, _End):
            self.close()
            if self._error is not None:
                raise self._error
            raise StopIteration
        return found

    def close(self) -> None:
        """Ends the thread: it stops after the batch it is reading and closes the scan."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_SECONDS)

    def _take(self) -> _T | _End:
        while True:
            alive = self._thread.is_alive()  # asked first: it may put its last meanwhile
            try:
                return self._queue.get(timeout=_POLL_SECONDS)
            except Empty:
                if not alive:
                    return _End()

    def _read(self) -> None:
        try:
            with closing_too(self._scan):
                for one in self._scan:
                    if not self._put(one):
                        break
        except BaseException as error:  # raised again in the caller's thread
            self._error = error
        finally:
            self._put(_End())

    def _put(self, item: _T | _End) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
            except Full:
                continue
            return True
        return False


class _End:
    """Comes last."""


def count(counted: Tally, name: str, logits: Float32Array, labels: UInt8Array) -> None:
    """Counts a model's logits.

    Raises:
        EvaluationError: Naming the model.
    """
    try:
        counted.update(logits, labels)
    except EvaluationError as error:
        raise EvaluationError(f"model {name}: {error}") from error
