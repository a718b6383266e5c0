"""Live scoring: ours, exactly once, beside the loop one writes by hand, on the embedded broker.

python benchmarks/score.py [--events 2000000] [--seconds 30] [--rounds 3]

Throughput: a topic that is full, read by one instance; from the first scores a reader of committed
messages sees to the last. Latency: 10,000 events a second in messages of 100, from the moment the
feeder sends to the moment that reader has the scores; the first five seconds are left out.
The loop by hand: a consumer with automatic commits, Keras `predict_on_batch` a message, a plain
producer; it repeats or loses events when it is killed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from susystream.data.source import ToySource
from susystream.processors import processor_name, processors
from susystream.schema import EventBatch, concatenate
from susystream.services.broker import embedded_broker
from susystream.services.store import embedded_store
from susystream.stream.codec import BlockCodec
from susystream.stream.connection import KafkaConnection
from susystream.stream.producer import publish
from susystream.stream.scores import decode_scores
from susystream.stream.topics import ensure_topic

RATE, MESSAGE, WARM_SECONDS = 10_000, 100, 5.0
WAIT_SECONDS = 120.0


def cli(*words: str) -> list[str]:
    return [sys.executable, "-m", "susystream", *words]


class Place:
    """Addresses, and a model to score with."""

    def __init__(self, folder: Path, broker: str, store: str) -> None:
        self.folder, self.broker = folder, broker
        self.addresses = [
            f"home={folder}/home",
            f"stream.bootstrap_servers={broker}",
            f"registry.uri={store}",
            f"tracking.uri=sqlite:///{folder}/mlflow.db",
            "tracking.system_metrics=false",
        ]
        for words in (
            ["stage=publish", "data.rows=20000", "stream.topic=train"],
            ["stage=train", "train.epochs=1"],
        ):
            subprocess.run(
                cli("run", *words, *self.addresses), cwd=folder, check=True, capture_output=True
            )

    @contextmanager
    def scorer(self, topic: str) -> Iterator[None]:
        """`stage=score` in a process of its own, from the moment it has its model."""
        words = [f"stream.topic={topic}", "score.model=latest", f"score.group={topic}"]
        with (self.folder / f"{topic}.log").open("w+") as log:
            running = subprocess.Popen(
                cli("run", "stage=score", *words, *self.addresses), cwd=self.folder, stdout=log
            )
            try:
                ends = time.monotonic() + WAIT_SECONDS
                while " scores\n" not in Path(log.name).read_text():
                    assert running.poll() is None
                    assert time.monotonic() < ends
                    time.sleep(0.1)
                yield
                running.send_signal(signal.SIGTERM)
                assert running.wait(60) == 0
            finally:
                running.kill()
                running.wait(10)


def blocks(batch: EventBatch, size: int) -> Iterator[EventBatch]:
    return (batch[at : at + size] for at in range(0, len(batch), size))


def fill(place: Place, topic: str, batch: EventBatch) -> None:
    publish(
        blocks(batch, 65_536),
        connection=KafkaConnection(place.broker),
        topic=topic,
        codec=BlockCodec(),
        partitions=2,
        progress=lambda done: None,
    )


class Watcher:
    """Reads what is committed on `<topic>.scores`, and notes when."""

    def __init__(self, place: Place, topic: str) -> None:
        connection = KafkaConnection(place.broker)
        ensure_topic(connection, f"{topic}.scores", 2)
        self.consumer = KafkaConsumer(
            **connection.client_settings(), isolation_level="read_committed", fetch_max_wait_ms=50
        )
        keys = [TopicPartition(f"{topic}.scores", partition) for partition in range(2)]
        self.consumer.assign(keys)
        self.consumer.seek_to_beginning(*keys)

    def until(self, events: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers and times of arrival of so many events."""
        numbers, times, count = [], [], 0
        ends = time.monotonic() + WAIT_SECONDS
        while count < events:
            assert time.monotonic() < ends, f"{count:,} of {events:,} events"
            for records in self.consumer.poll(timeout_ms=200).values():
                now = time.time()
                for record in records:
                    found = decode_scores(record.value)
                    numbers.append(found.numbers)
                    times.append(np.full(len(found), now))
                    count += len(found)
        self.consumer.close()
        every = np.concatenate(numbers)
        assert len(np.unique(every)) == len(every) == events
        return every, np.concatenate(times)


def throughput(place: Place, batch: EventBatch) -> float:
    """Events a second of one instance on a topic that is full."""
    topic = f"full-{uuid.uuid4().hex[:8]}"
    fill(place, topic, batch)
    watcher = Watcher(place, topic)
    with place.scorer(topic):
        _, times = watcher.until(len(batch))
    first = times == times.min()
    return float((~first).sum() / (times.max() - times.min()))


def by_hand(place: Place, batch: EventBatch) -> float:
    """The same work by the loop one writes first."""
    from susystream.registry.store import ModelStore
    from susystream.stages.models import network_of

    topic = f"hand-{uuid.uuid4().hex[:8]}"
    fill(place, topic, batch)
    ensure_topic(KafkaConnection(place.broker), f"{topic}.scores", 2)
    uri = next(one for one in place.addresses if one.startswith("registry.uri=")).partition("=")[2]
    with ModelStore(uri) as store:
        network = network_of(store.load_model("latest"))
    consumer = KafkaConsumer(
        topic, bootstrap_servers=place.broker, group_id=topic, auto_offset_reset="earliest"
    )
    producer = KafkaProducer(bootstrap_servers=place.broker)
    count, started = 0, 0.0
    for message in consumer:
        events = BlockCodec().decode(message.key, message.value)
        scores = network.predict_on_batch(events.features)
        producer.send(f"{topic}.scores", key=message.key, value=np.asarray(scores).tobytes())
        count += len(events)
        started = started or time.perf_counter()
        if count >= len(batch):
            break
    producer.flush()
    rate = (len(batch) - 1000) / (time.perf_counter() - started)
    consumer.close()
    producer.close()
    return rate


def latencies(place: Place, batch: EventBatch, seconds: float) -> np.ndarray:
    """Milliseconds from sending to having the scores, an event each."""
    topic = f"live-{uuid.uuid4().hex[:8]}"
    ensure_topic(KafkaConnection(place.broker), topic, 2)
    watcher = Watcher(place, topic)
    events = int(seconds * RATE)
    with place.scorer(topic):
        feeder = subprocess.Popen(
            [sys.executable, __file__, "--feed", place.broker, topic, str(events)],
            stdout=subprocess.PIPE,
            text=True,
        )
        numbers, arrived = watcher.until(events)
        told, _ = feeder.communicate(timeout=60)
    sent = np.array(json.loads(told.splitlines()[-1]))[numbers // MESSAGE]
    warm = sent - sent.min() > WARM_SECONDS
    return (arrived - sent)[warm] * 1000


def feed(broker: str, topic: str, events: int) -> None:
    """Sends at the rate, and prints when each message was sent."""
    batch = next(iter(ToySource(MESSAGE, 7).batches()))
    producer = KafkaProducer(bootstrap_servers=broker, linger_ms=0, acks="all")
    sent: list[float] = []
    due = time.perf_counter() + 1.0
    for start in range(0, events, MESSAGE):
        numbers = np.arange(start, start + MESSAGE)
        ((key, value),) = BlockCodec(MESSAGE).encode(
            EventBatch(numbers, batch.features, batch.labels)
        )
        time.sleep(max(0.0, due - time.perf_counter()))
        due += MESSAGE / RATE
        sent.append(time.time())
        producer.send(topic, key=key, value=value, partition=start // MESSAGE % 2)
    producer.flush()
    producer.close()
    print(json.dumps(sent))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--feed", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.feed:
        feed(given.feed[0], given.feed[1], int(given.feed[2]))
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_broker(Path(folder)) as broker,
        embedded_store(Path(folder)) as store,
    ):
        measure(Place(Path(folder), broker, store), given)


def measure(place: Place, given: argparse.Namespace) -> None:
    print(f"{processor_name()}, {processors()} processors, Python {platform.python_version()}")
    print(f"{given.rounds} rounds, medians (least to most); required values in brackets")
    batch = concatenate(list(ToySource(given.events, 7).batches()))
    small = batch[: given.events // 10]
    rates, ratios, half, most = [], [], [], []
    for _ in range(given.rounds):
        hand = by_hand(place, small)
        rates.append(throughput(place, batch))
        ratios.append(rates[-1] / hand)
        found = latencies(place, batch, given.seconds + WARM_SECONDS)
        half.append(float(np.percentile(found, 50)))
        most.append(float(np.percentile(found, 99)))
    show("events/s, one instance (200,000)", rates, ",.0f")
    show("times the loop by hand", ratios, ".1f")
    show("latency at 10,000 events/s, p50, ms", half, ".1f")
    show("latency at 10,000 events/s, p99, ms (50)", most, ".1f")


def show(name: str, values: list[float], form: str) -> None:
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"{name:42} {middle:{form}}  ({low:{form}} to {high:{form}})")


if __name__ == "__main__":
    main()
