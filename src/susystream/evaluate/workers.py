"""Worker processes: each reads blocks of the input and scores them; this process only counts.

In: files, and plans of scorers. Out: scored rows in the order of the input, so that windows, the
journal and all figures are those of a single process, bit for bit.
"""

from __future__ import annotations

import pickle
import tempfile
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from susystream.data.blocks import Block
from susystream.data.files import blocks_on
from susystream.data.sift import SAMPLED
from susystream.errors import EvaluationError
from susystream.evaluate import worker
from susystream.evaluate.ensemble import Mean
from susystream.evaluate.scored import Scored, ScoredRows
from susystream.evaluate.windows import WINDOW_ROWS, OpenScored, cut_at
from susystream.evaluate.worker import BlockScores
from susystream.model.scorer_plan import ScorerPlan

AHEAD = 2  # blocks more than workers are under way: none waits for this process
_POLL_SECONDS = 2.0  # the pool itself notices a death within milliseconds, but for one case
_END_SECONDS = 30.0
_BLOCK_SECONDS = 900.0  # a block is scored within a second, or a slow disk holds it
Bounded = Callable[[Iterator[ScoredRows], int], Iterator[ScoredRows]]


@dataclass(frozen=True, slots=True)
class Workers:
    """What scores files in several processes.

    Attributes:
        plans: What each worker opens, by model.
        mean: Of an ensemble of them, if there is to be one.
        processes: How many.
    """

    plans: Mapping[str, ScorerPlan]
    mean: Mean | None = None
    processes: int = 2

    def scored(
        self,
        paths: tuple[Path, ...],
        *,
        skip_bad: bool = False,
        window_rows: int = WINDOW_ROWS,
        bounded: Bounded = lambda rows, before: rows,
    ) -> OpenScored:
        """For `count_windows`: the rows of the files from any row on.

        Args:
            paths: CSV, CSV.GZ or Parquet; their rows are numbered on from file to file.
            skip_bad: Whether bad rows are set aside; else the first one is an error.
            window_rows: No part crosses a multiple of it.
            bounded: Called with the rows and the number of those passed over; may end them early.
        """

        @contextmanager
        def opened(skip: int) -> Iterator[Iterator[Scored]]:
            with self._pool() as pool:
                passed, blocks = blocks_on(paths, skip)
                scores = _in_order(pool, blocks, self.processes + AHEAD, SAMPLED if skip_bad else 1)
                rows = bounded(_placed(scores, skip, passed), skip)
                parts = cut_at(rows if skip_bad else _good(rows), window_rows)
                yield (part.summed() for part in parts)

        return opened

    @contextmanager
    def _pool(self) -> Iterator[ProcessPoolExecutor]:
        with tempfile.NamedTemporaryFile(prefix="susystream-plans-") as shipped:  # ours alone
            pickle.dump((dict(self.plans), self.mean), shipped)
            shipped.flush()
            pool: Any = ProcessPoolExecutor(
                self.processes,
                mp_context=worker.ScoringContext(),
                initializer=worker.start,
                initargs=(Path(shipped.name),),
            )
            try:
                yield pool
            except BrokenProcessPool as error:
                processes = _workers_of(pool)
                _kill(pool)
                raise EvaluationError(
                    _broken(self.processes, {one.exitcode for one in processes})
                ) from error
            except BaseException:
                _kill(pool)  # one that is halted would not let the pool end
                raise
            finally:
                pool.shutdown(cancel_futures=True)


def _broken(processes: int, statuses: Collection[int | None]) -> str:
    """Why workers ended, of which none should."""
    if worker.UNGUARDED in statuses:
        return (
            'expected a script that evaluates behind `if __name__ == "__main__":`, since each '
            "worker process runs the script too, received one that does so without; put it there, "
            "or set evaluate.workers=1"
        )
    own = [one for one in statuses if one is not None and one > 0]
    if own:
        return (
            f"expected {processes} worker processes to live, received the end of one by itself, "
            f"with status {own[0]}; see what it printed, and put what a script does behind "
            '`if __name__ == "__main__":`, since each worker process runs the script too'
        )
    return (
        f"expected {processes} worker processes to live, received the end of one "
        "(killed, often for lack of memory); lower evaluate.workers and run again, which "
        "goes on after the last finished window"
    )


def _in_order(
    pool: ProcessPoolExecutor, blocks: Iterable[Block], most: int, most_bad: int
) -> Iterator[tuple[Block, BlockScores]]:
    """The blocks' scores in the order of the blocks, of which `most` are under way at once."""
    under_way: deque[tuple[Block, Future[BlockScores]]] = deque()
    source = iter(blocks)
    while True:
        try:
            block = next(source, None)
        except Exception:
            yield from ((one, _result(pool, scores)) for one, scores in under_way)  # the former
            raise
        if block is None:
            break
        under_way.append((block, pool.submit(worker.score, block, most_bad)))
        if len(under_way) >= most:
            first, scores = under_way.popleft()
            yield first, _result(pool, scores)
    yield from ((one, _result(pool, scores)) for one, scores in under_way)


def _result(pool: Any, scores: Future[BlockScores]) -> BlockScores:
    """A block's scores.

    Raises:
        BrokenProcessPool: A worker was killed.
        EvaluationError: None came within the deadline.
    """
    ends = time.monotonic() + _BLOCK_SECONDS
    while not scores.done() and time.monotonic() < ends:
        wait([scores], timeout=_POLL_SECONDS)
        workers = _workers_of(pool)
        if not scores.done() and any(not one.is_alive() for one in workers):
            _kill(pool)
            wait([scores], timeout=_END_SECONDS)
            break
    if not scores.done():
        raise EvaluationError(
            f"expected a worker process to score a block within {_BLOCK_SECONDS:.0f} s, received "
            "nothing; see whether the disk of the input answers, and run again, which goes on "
            "after the last finished window"
        )
    return scores.result()


def _workers_of(pool: Any) -> list[BaseProcess]:
    """Its processes; a pool that ended has none."""
    return list((pool._processes or {}).values())


def _kill(pool: Any) -> None:
    """Ends the workers, and what the pool's own threads wait for.

    One that is killed while it sends leaves half a message, of which a thread would await the rest
    for ever; and one that is killed while it receives leaves a thread that sends for ever (Python
    before 3.12). For this process holds the other ends of both pipes open too: closed, they end
    the waiting. The pool's thread may close them itself, and two at once would close a descriptor
    twice: so it comes first.
    """
    for one in _workers_of(pool):
        one.kill()
    thread = pool._executor_manager_thread
    if thread is not None:
        thread.join(_POLL_SECONDS)
    if thread is not None and thread.is_alive():
        pool._result_queue._writer.close()
        pool._call_queue._reader.close()


def _good(rows: Iterator[ScoredRows]) -> Iterator[ScoredRows]:
    """The same rows.

    Raises:
        BadRow: The first one.
    """
    for part in rows:
        if part.bad:
            raise part.bad[0]
        yield part


def _placed(
    found: Iterator[tuple[Block, BlockScores]], skip: int, passed: int
) -> Iterator[ScoredRows]:
    """Scores with their place in the input.

    Args:
        found: In order.
        skip: Rows before the first block.
        passed: Those of them that lie in files before the first block's.
    """
    path: Path | None = None
    file_start, done = passed, skip
    for block, scores in found:
        if path not in (None, block.path):
            file_start = done
        path = block.path
        rows = scores.placed(path, done=done, file_start=file_start)
        yield rows
        done += len(rows)
