"""Inside a worker process: blocks in, scores out.

In: a file of plans when it starts, then one block after another. Out: the scores of each. One
processor serves a worker, so each library in it is told to use one thread. Libraries are loaded
after that, and none of them is TensorFlow unless a plan asks for it.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from dataclasses import dataclass
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from susystream.data.blocks import Block
    from susystream.data.sift import BadLine
    from susystream.evaluate.scored import ScoredRows
    from susystream.schema import Float32Array, Int64Array, UInt8Array

UNGUARDED = 87  # the status of one in which a script without a guard would have evaluated
_shipped: list[Path] = []  # where the plans lie; read with the first block, so that an error
_scorers: dict[str, Any] = {}  # is that block's and reaches the parent


@dataclass(frozen=True, slots=True)
class BlockScores:
    """The scored rows of a block, small enough to be sent on.

    Attributes:
        labels: uint8, shape (n,).
        logits: float32, shape (n,), by model.
        hashes: Of each event's content without its number, uint64, shape (n,).
        numbers: Of the events, int64, shape (n,), if the file holds numbers.
        places: Which row of the block each event is, int64, if there is a bad row.
        bad: Bad rows, in order.
        rows: How many rows, good and bad.
    """

    labels: UInt8Array
    logits: dict[str, Float32Array]
    hashes: NDArray[np.uint64]
    numbers: Int64Array | None
    places: Int64Array | None
    bad: tuple[BadLine, ...]
    rows: int

    def placed(self, path: Path, *, done: int, file_start: int) -> ScoredRows:
        """The rows with their place in the input.

        Args:
            path: Their file.
            done: Rows of the input before them.
            file_start: Rows of the input before their file.
        """
        from susystream.data.sift import bad_row
        from susystream.evaluate.scored import ScoredRows

        places = np.arange(self.rows, dtype=np.int64) if self.places is None else self.places
        return ScoredRows(
            self.labels,
            self.logits,
            self.hashes,
            places + done if self.numbers is None else self.numbers,
            places,
            tuple(bad_row(path, done - file_start, one) for one in self.bad),
            np.array([one.row for one in self.bad], np.int64),
            self.rows,
        )


class ScoringProcess(SpawnProcess):
    """A worker; the name of its class begins its own, which it knows before it runs a script."""


class ScoringContext(SpawnContext):
    """Processes that are spawned, for a fork would copy held locks."""

    Process = ScoringProcess


def refuse_to_run_the_script() -> None:
    """Ends a worker that runs its parent's script again, as each one does when it starts.

    For what a script does without a guard, every worker would do too, and start workers. Nothing
    is said here: the parent knows the status.
    """
    own = multiprocessing.current_process()
    if getattr(own, "_inheriting", False) and own.name.startswith(ScoringProcess.__name__):
        raise SystemExit(UNGUARDED)


def start(shipped: Path) -> None:
    """Prepares this process: Ctrl-C is the parent's to handle, and its end is ours too.

    Args:
        shipped: A file of pickled plans and their mean. What is sent to a process that starts must
            fit into a pipe: if it died, the parent would write for ever.
    """
    _shipped.append(shipped)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["POLARS_MAX_THREADS"] = "1"
    threading.Thread(target=_end_with_parent, daemon=True).start()


def score(block: Block, most_bad: int) -> BlockScores:
    """Reads a block and scores its events; of bad rows the first `most_bad` are kept.

    Raises:
        SusystreamError: It cannot be read, or a scorer cannot be opened.
    """
    from susystream.data.sift import sifted
    from susystream.evaluate.ensemble import logits_of
    from susystream.stream.slices import content_hashes

    found = sifted(block, most_bad=most_bad)
    events = found.events
    return BlockScores(
        events.labels,
        logits_of(_opened(), events.features),
        content_hashes(events),
        events.numbers if found.numbered else None,
        found.places if found.bad else None,
        found.bad,
        found.rows,
    )


def _opened() -> dict[str, Any]:
    from susystream.evaluate.ensemble import with_ensemble

    if not _scorers:
        content = _shipped[0].read_bytes()
        plans, mean = pickle.loads(content)  # noqa: S301  # by our own parent, not from outside
        scorers = {name: plan.open(threads=1) for name, plan in plans.items()}
        _scorers.update(with_ensemble(scorers, mean))
    return _scorers


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _shipped[0].unlink(missing_ok=True)  # a parent that was killed could not; if all of us
        # are killed at once, nobody does: it stays among the temporary files
        os._exit(1)  # nothing to save, and the pool would wait for work for ever
