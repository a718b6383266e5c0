"""Publishing and reading: ours beside the report's way, on the embedded broker.

python benchmarks/stream.py [--events 4000000] [--rounds 3]

Every round measures everything once, in turn, on the same broker; ratios are taken within a round
and the median over the rounds is printed. Nothing is tuned to the input: toy events, 18 columns.
The report's ways are so slow that their rates are taken from fewer events. Its reader's waits of
more than a second are left out: up to ten for the group to be joined, and ten more in most rounds
for the stream's time-out at the end. Ours counts from the first call to the last batch.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from kafka import KafkaProducer

from susystream.data.source import ToySource
from susystream.processors import processor_name, processors
from susystream.schema import EventBatch, concatenate
from susystream.services.broker import embedded_broker
from susystream.stages.result import peak_rss_bytes
from susystream.stream.codec import BlockCodec, Codec, CsvCodec
from susystream.stream.connection import KafkaConnection
from susystream.stream.consumer import KafkaReader
from susystream.stream.dataset import SliceDataset
from susystream.stream.producer import Publication, publish

REPORT_EVENTS = 60_000  # the report's ways, and ours beside its loop
BATCH = 64  # the report's
WAIT_SECONDS = 1.0  # a longer gap between two of its batches is no work
REQUIRED = {  # medians
    "publish, block": 1_000_000,
    "publish, block / report's loop": 30,
    "publish, csv / report's loop": 1.5,
    "read into batches / report's path": 50,
}


def timed(events: int, work: Callable[[], object]) -> float:
    """Events a second."""
    started = time.perf_counter()
    work()
    return events / (time.perf_counter() - started)


def new_topic() -> str:
    """One that nobody wrote to."""
    return f"bench-{uuid.uuid4().hex[:12]}"


def report_publishes(broker: str, batch: EventBatch) -> tuple[str, float]:
    """One `send` a row, value as CSV text, the label as key; then a flush."""
    topic = new_topic()
    publish_ours(broker, batch[:0], CsvCodec(), topic=topic, partitions=1)  # makes the topic
    rows = [",".join(str(value) for value in row) for row in batch.features.tolist()]
    labels = [str(label) for label in batch.labels.tolist()]

    def loop() -> None:
        producer = KafkaProducer(bootstrap_servers=[broker])
        for row, label in zip(rows, labels, strict=True):
            producer.send(topic, key=label.encode(), value=row.encode()).add_errback(print)
        producer.flush()
        producer.close()

    return topic, timed(len(batch), loop)


def publish_ours(
    broker: str, batch: EventBatch, codec: Codec, *, topic: str = "", partitions: int = 2
) -> Publication:
    """Our publication, from batches as the prepared file gives them."""
    return publish(
        (batch[at : at + 65_536] for at in range(0, len(batch), 65_536)),
        connection=KafkaConnection(broker),
        topic=topic or new_topic(),
        codec=codec,
        partitions=partitions,
        progress=lambda done: None,
    )


def report_reads(broker: str, topic: str, events: int) -> float:
    """A group dataset, each row decoded by itself, batches of 64."""
    import tensorflow_io as tfio

    def decode(message: Any, key: Any) -> Any:
        row = tf.io.decode_csv(message, [[0.0] for _ in range(18)])
        return tf.stack(row), tf.strings.to_number(key)

    dataset = tfio.experimental.streaming.KafkaGroupIODataset(
        topics=[topic],
        group_id=uuid.uuid4().hex,
        servers=broker,
        stream_timeout=10_000,
        configuration=[
            "session.timeout.ms=7000",
            "max.poll.interval.ms=8000",
            "auto.offset.reset=earliest",
        ],
    )
    batches = dataset.map(decode).batch(BATCH).take(events // BATCH)
    gaps = np.diff([time.perf_counter() for _ in batches])
    return float(BATCH * len(gaps) / gaps[gaps < WAIT_SECONDS].sum())


def read_ours(broker: str, publication: Publication, codec: Codec) -> float:
    """A slice, proven, shuffled, as batches of 64."""
    reader = KafkaReader(KafkaConnection(broker), codec)
    slices = SliceDataset(
        lambda: reader.batches(publication.slice),
        rows=publication.rows,
        expected=publication.digest,
        features=tuple(range(18)),
        batch_size=BATCH,
        shuffle_window=65_536,
        seed=1,
    )
    steps = timed(publication.rows, lambda: exhaust(slices.dataset()))
    slices.close()
    return steps


def exhaust(dataset: tf.data.Dataset) -> None:
    """Draws every batch as training does: inside a graph."""

    @tf.function
    def count() -> tf.Tensor:
        return dataset.reduce(tf.constant(0, tf.int64), lambda total, batch: total + 1)

    count()


def one_round(broker: str, batch: EventBatch) -> dict[str, float]:
    """Everything once, events a second."""
    topic, loop = report_publishes(broker, batch[:REPORT_EVENTS])
    csv = publish_ours(broker, batch[:REPORT_EVENTS], CsvCodec())
    block = publish_ours(broker, batch, BlockCodec())
    return {
        "report's loop": loop,
        "publish, csv": csv.rows / csv.seconds,
        "publish, block": block.rows / block.seconds,
        "report's path": report_reads(broker, topic, REPORT_EVENTS),
        "read into batches": read_ours(broker, block, BlockCodec()),
    }


def ratios(found: dict[str, float]) -> dict[str, float]:
    """Of one round; a rate alone stays as it is."""
    parts = {name: name.split(" / ") for name in REQUIRED}
    return {
        name: found[part[0]] / (found[part[1]] if len(part) > 1 else 1)
        for name, part in parts.items()
    }


def memory(broker: str, events: int) -> None:
    """Publishes and reads in this process alone, then prints its peak."""
    source = ToySource(events, 7)
    published = publish(
        source.batches(),
        connection=KafkaConnection(broker),
        topic=new_topic(),
        codec=BlockCodec(),
        partitions=2,
        progress=lambda done: None,
    )
    read_ours(broker, published, BlockCodec())
    print(json.dumps({"peak": peak_rss_bytes()}))


def peak_memory(broker: str, events: int) -> int:
    """Of a process that publishes so many events and reads them."""
    command = [sys.executable, __file__, "--child", broker, "--events", str(events)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1])["peak"])


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=4_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        memory(given.child, given.events)
        return
    with tempfile.TemporaryDirectory() as folder, embedded_broker(Path(folder)) as broker:
        missed = measure(broker, given.events, given.rounds)
    sys.exit(1 if missed else 0)


def measure(broker: str, events: int, rounds: int) -> int:
    """All of it; how many of the required values were missed."""
    print(f"{processor_name()}, {processors()} processors, Python {platform.python_version()}")
    print(f"{events:,} toy events, {rounds} rounds, medians; required values in brackets")
    batch = concatenate(list(ToySource(events, 7).batches()))
    one_round(broker, batch)  # warms every path
    all_rounds = [one_round(broker, batch) for _ in range(rounds)]
    for name in all_rounds[0]:
        print(f"{name:40} {statistics.median(one[name] for one in all_rounds):12,.0f} events/s")
    missed = 0
    for name, least in REQUIRED.items():
        values = sorted(ratios(one)[name] for one in all_rounds)
        missed += statistics.median(values) < least
        print(
            f"{name:32} ({least:,}) {statistics.median(values):10,.1f}  "
            f"({values[0]:,.1f} to {values[-1]:,.1f})"
        )
    for size in (events, 5 * events):
        peak = peak_memory(broker, size) / 2**30
        missed += peak > 1
        print(f"peak memory, {size:,} events published and read: {peak:.2f} GiB (1)")
    return missed


if __name__ == "__main__":
    main()
