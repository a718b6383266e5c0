"""What each `stream.compression` costs and saves, on the embedded broker.

python benchmarks/compression.py [--events 500000] [--rounds 3]

Every round measures everything once, in turn, on the same broker; medians over the rounds are
printed. Toy events: other data shrink otherwise. Bytes are those of the log on disk.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from susystream.data.source import ToySource
from susystream.processors import processors
from susystream.schema import EventBatch, concatenate
from susystream.services.broker import embedded_broker
from susystream.stream.codec import BlockCodec, Codec, CsvCodec
from susystream.stream.connection import KafkaConnection
from susystream.stream.consumer import KafkaReader
from susystream.stream.producer import COMPRESSIONS, Publication, publish


class Found(NamedTuple):
    """One way, once: events a second, and bytes an event on disk."""

    published: float
    read: float
    bytes: float


def written(broker: str, batch: EventBatch, codec: Codec, kind: str) -> Publication:
    """A publication, from batches as the prepared file gives them."""
    return publish(
        (batch[at : at + 65_536] for at in range(0, len(batch), 65_536)),
        connection=KafkaConnection(broker),
        topic=f"bench-{uuid.uuid4().hex[:12]}",
        codec=codec,
        partitions=2,
        progress=lambda done: None,
        compression=kind,
    )


def found(home: Path, broker: str, batch: EventBatch, codec: Codec, kind: str) -> Found:
    """Publishes and reads once."""
    publication = written(broker, batch, codec, kind)
    started = time.perf_counter()
    rows = sum(
        len(one) for one in KafkaReader(KafkaConnection(broker), codec).batches(publication.slice)
    )
    seconds = time.perf_counter() - started
    assert rows == len(batch)
    logs = home.rglob(f"{publication.slice.topic}-*/*.log")
    size = sum(path.stat().st_size for path in logs)
    return Found(rows / publication.seconds, rows / seconds, size / rows)


def one_round(
    home: Path, broker: str, batch: EventBatch
) -> Iterator[tuple[tuple[str, str], Found]]:
    """Every codec with every compression."""
    for codec, events in ((BlockCodec(), len(batch)), (CsvCodec(), len(batch) // 5)):
        for kind in COMPRESSIONS:
            yield (codec.name, kind), found(home, broker, batch[:events], codec, kind)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    batch = concatenate(list(ToySource(given.events, 7).batches()))
    with tempfile.TemporaryDirectory() as folder, embedded_broker(Path(folder)) as broker:
        dict(one_round(Path(folder), broker, batch[:50_000]))  # warms every path
        rounds = [dict(one_round(Path(folder), broker, batch)) for _ in range(given.rounds)]
    print(f"{platform.machine()}, {processors()} processors, Python {platform.python_version()}")
    print(f"{given.events:,} toy events (csv: a fifth), {given.rounds} rounds, medians")
    print(f"{'codec':6} {'compression':12} {'published/s':>12} {'read/s':>12} {'bytes/event':>12}")
    for codec, kind in rounds[0]:
        medians = [
            statistics.median(values)
            for values in zip(*(one[codec, kind] for one in rounds), strict=True)
        ]
        print(f"{codec:6} {kind:12} {medians[0]:12,.0f} {medians[1]:12,.0f} {medians[2]:12.1f}")


if __name__ == "__main__":
    main()
