"""What a worker of Spark does with its part of the rows. Imports no Spark, Keras or TensorFlow.

In: Arrow batches out of some blocks of files. Out: for each model one Arrow row with the bytes of
its tally and of the content's digest, which `merged` adds up.
"""

from __future__ import annotations

import hashlib
import pickle
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from susystream.data.frames import EVENT_NUMBER, batch_of
from susystream.data.rows import fault_of
from susystream.data.sift import events_of
from susystream.errors import BadRow, DataError
from susystream.evaluate.ensemble import Mean, logits_of, with_ensemble
from susystream.evaluate.local_engine import count
from susystream.evaluate.tally import Tally
from susystream.model.scorer import Scorer
from susystream.model.scorer_plan import ScorerPlan
from susystream.schema import COLUMNS, EventBatch
from susystream.stream.slices import ContentDigest

FILE, BLOCK, TEXT = "susystream file", "susystream block", "value"
COUNTED = "model string, tally binary, digest binary"
_DIGEST = struct.Struct("<QQQ")

Part = tuple[bytes, bytes]  # of a tally and a digest
_opened: dict[str, Scorer] = {}  # a process of Spark's serves many tasks; each opens a model once


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a file that one task reads whole.

    Attributes:
        path: Of the file, for errors.
        first: The number of its first row among all rows of the input.
        rows: How many it holds.
        line: The line of its first row in the file, counted from 1.
    """

    path: str
    first: int
    rows: int
    line: int


@dataclass(frozen=True, slots=True)
class Job:
    """All that a worker must know beside the rows.

    Attributes:
        plans: How to score, by model.
        blocks: By `FILE` and `BLOCK`.
        limit: Only so many rows of the input count.
        mean: Of an ensemble of the models, if there is to be one.
    """

    plans: Mapping[str, ScorerPlan]
    blocks: Mapping[tuple[int, int], Block]
    limit: int | None = None
    mean: Mean | None = None


def counted(
    batches: Iterator[Any], job: Job, on_rows: Callable[[int], None] = lambda rows: None
) -> Iterator[Any]:
    """Scores and counts the rows of one task.

    Args:
        batches: Arrow batches: `FILE` and `BLOCK` of each row, and `TEXT` or the columns.
        job: What they belong to.
        on_rows: Called with the number of rows of each batch that was counted.

    Raises:
        BadRow: A line that is not 19 good numbers.
        DataError: A row of Parquet that is not, or a file that changed meanwhile.
        EvaluationError: Logits that cannot be counted.
    """
    scorers = with_ensemble(_scorers(job.plans), job.mean)
    tallies, digest = {name: Tally.empty() for name in scorers}, ContentDigest()
    for events in _events(batches, job):
        for name, logits in logits_of(scorers, events.features).items():
            count(tallies[name], name, logits, events.labels)
        digest = digest.update(events)
        on_rows(len(events))
    if digest.rows:
        yield from (_row(name, tally, digest) for name, tally in tallies.items())


def merged(one: Part, other: Part) -> Part:
    """The part that holds the events of both."""
    tallies = [Tally.from_bytes(part[0]) for part in (one, other)]
    digests = [digest_of(part[1]) for part in (one, other)]
    return tallies[0].merge(tallies[1]).to_bytes(), _packed(digests[0].merge(digests[1]))


def digest_of(content: bytes) -> ContentDigest:
    """The digest that a part holds."""
    return ContentDigest(*_DIGEST.unpack(content))


def _packed(digest: ContentDigest) -> bytes:
    return _DIGEST.pack(digest.rows, digest.high, digest.low)


def _row(name: str, tally: Tally, digest: ContentDigest) -> Any:
    columns = [[name], [tally.to_bytes()], [_packed(digest)]]
    types = [pa.string(), pa.binary(), pa.binary()]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=["model", "tally", "digest"])


def _scorers(plans: Mapping[str, ScorerPlan]) -> dict[str, Scorer]:
    """One thread each: Spark runs a process for every processor it may use."""
    keys = {name: hashlib.sha256(pickle.dumps(plan)).hexdigest() for name, plan in plans.items()}
    for old in set(_opened) - set(keys.values()):
        del _opened[old]
    for name, key in keys.items():
        if key not in _opened:
            _opened[key] = plans[name].open(threads=1)
    return {name: _opened[key] for name, key in keys.items()}


def _events(batches: Iterator[Any], job: Job) -> Iterator[EventBatch]:
    """The events of each run of rows out of one block, without those beyond the limit."""
    seen: dict[tuple[int, int], int] = {}
    for batch in batches:
        for place, run in _runs(batch):
            block, done = job.blocks.get(place), seen.get(place, 0)
            if block is None or done + run.num_rows > block.rows:
                raise DataError(
                    f"expected {block.path if block else 'the file'} to stay as it is while it is "
                    "read, received more rows than were counted before; let its writer finish, "
                    "and run again"
                )
            seen[place] = done + run.num_rows
            rows = run.slice(0, _within(job.limit, block.first + done, run.num_rows))
            if rows.num_rows:
                yield _checked(rows, block, done)


def _within(limit: int | None, first: int, rows: int) -> int:
    return rows if limit is None else max(0, min(rows, limit - first))


def _runs(batch: Any) -> Iterator[tuple[tuple[int, int], Any]]:
    """A batch in runs of one file and block: a task may read several, one after the other."""
    file, block = (batch.column(name).to_numpy() for name in (FILE, BLOCK))
    changes = np.flatnonzero((np.diff(file) != 0) | (np.diff(block) != 0)) + 1
    bounds = [0, *changes.tolist(), batch.num_rows]
    for start, stop in pairwise(bounds):
        if stop > start:
            yield (int(file[start]), int(block[start])), batch.slice(start, stop - start)


def _checked(rows: Any, block: Block, done: int) -> EventBatch:
    if TEXT in rows.schema.names:
        return _of_text(rows.column(TEXT), block, done)
    names = [name for name in (EVENT_NUMBER, *COLUMNS) if name in rows.schema.names]
    frame = pl.from_arrow(pa.Table.from_batches([rows]).select(names))
    assert isinstance(frame, pl.DataFrame)
    try:
        return batch_of(frame, block.first + done)
    except (pl.exceptions.PolarsError, DataError) as error:
        raise DataError(f"{block.path}: {error}") from error


def _of_text(lines: Any, block: Block, done: int) -> EventBatch:
    """Parsed as the local engine does, so that each number comes out with the same bits.

    Raises:
        BadRow: The first line that is not 19 good numbers.
    """
    listed = pa.ListArray.from_arrays([0, len(lines)], lines.cast(pa.binary()))
    text = pc.binary_join(listed, pa.scalar(b"\n"))[0].as_py()
    first_line = block.line + done
    events = events_of(text, len(lines), number=block.first + done, at_start=first_line == 1)
    if events is not None:
        return events
    for at, line in enumerate(text.split(b"\n"), first_line):
        if fault := fault_of(line, first=at == 1):
            raise BadRow(block.path, at, *fault)
    raise DataError(
        f"expected {len(COLUMNS)} columns of numbers in {block.path}, received other text in lines "
        f"{first_line} to {first_line + len(lines) - 1}; correct or replace the file"
    )
