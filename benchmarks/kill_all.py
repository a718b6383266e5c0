"""Kills producers, the broker and scorers at random while they work, and counts what is left.

python benchmarks/kill_all.py [--kills 20] [--seed 1]

Data sets are published to one topic, one after the other, and two instances of `stage=score` score
it, all by the command line; each process gets `kill -9` at random moments, the broker is started
again (now and then only after longer than any patience), a scorer is also halted for longer than
its session. A command that was killed or failed is given again as it was. A kill counts only where
work was under way: the topic grew while it was watched (producer, broker), the scorer had
committed. After so many kills of each, the last publication ends and the scorers read on to the
end. Then every event number on the topic and on the topic of the scores is counted, every score is
compared with the model's, and nothing may be set aside. Exit status 1 if any of it is wrong.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "stream"))

import numpy as np
from kafka import KafkaConsumer, TopicPartition
from own_broker import OwnBroker

from susystream.errors import StreamError
from susystream.registry.store import ModelStore
from susystream.services.store import embedded_store
from susystream.stages.models import scorer_plan_of
from susystream.stream.codec import codec_named
from susystream.stream.connection import KafkaConnection
from susystream.stream.consumer import KafkaReader
from susystream.stream.scores import read_scores
from susystream.stream.slices import ContentDigest, TopicSlice
from susystream.stream.topics import watermarks

ROWS, OFFSET = 100_000, 10_000_000  # of a data set, and between the numbers of two
TOPIC, GROUP, CODEC = "kills", "kills", "csv"  # a slow form: a kill finds work under way
DEADLINE_SECONDS = 900.0


class Command:
    """One command of the program, given again as it was until it ends by itself."""

    def __init__(self, folder: Path, name: str, words: Sequence[str]) -> None:
        self.words = [sys.executable, "-m", "susystream", "run", *words]
        self.folder, self.log = folder, folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.failures = self.since = 0

    def run(self, stop: threading.Event) -> None:
        """Until it succeeds; a stop ends the repetitions."""
        while True:
            if stop.is_set():
                return
            with self.log.open("ab") as log:
                self.since = log.tell()
                self.process = subprocess.Popen(
                    self.words, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT
                )
            code = self.process.wait()
            if code == 0 or stop.is_set():
                return
            self.failures += code != -signal.SIGKILL
            time.sleep(0.2)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def said(self) -> str:
        """What the process that runs now said."""
        return self.log.read_bytes()[self.since :].decode(errors="replace")

    def signal(self, number: int) -> None:
        if self.process is not None and self.alive:
            self.process.send_signal(number)


class Chaos:
    """Everything that runs, and how often each part was killed."""

    def __init__(self, folder: Path, broker: OwnBroker, store: str, seed: int) -> None:
        self.folder, self.broker, self.store = folder, broker, store
        self.draw, self.kills = random.Random(seed), Counter[str]()
        self.done, self.quiet = threading.Event(), threading.Event()
        self.publisher: Command | None = None
        self.published = self.failures = 0
        self.addresses = [
            f"home={folder}/home",
            f"stream.bootstrap_servers={broker.address}",
            f"stream.topic={TOPIC}",
            f"stream/codec={CODEC}",
            f"registry.uri={store}",
            f"tracking.uri=sqlite:///{folder}/mlflow.db",
            "tracking.system_metrics=false",
        ]
        words = ["stage=score", "score.model=latest", f"score.group={GROUP}", *self.addresses]
        words.append("score.report_seconds=0.2")  # a sign of what was committed
        self.scorers = [Command(folder, f"score{number}", words) for number in range(2)]

    def prepare(self) -> None:
        """A model to score with, from a topic of its own."""
        for words in (["stage=publish"], ["stage=train", "train.epochs=1"]):
            given = [*words, "data.rows=10000", *self.addresses, "stream.topic=train"]
            subprocess.run(
                [sys.executable, "-m", "susystream", "run", *given], cwd=self.folder, check=True
            )

    def publish(self) -> None:
        """One data set after the other, as long as there are kills to come."""
        while not self.quiet.is_set():
            self.published += 1
            data = [f"data.rows={ROWS}", f"data.offset={OFFSET * self.published}"]
            self.publisher = Command(
                self.folder, "publish", ["stage=publish", *data, *self.addresses]
            )
            self.publisher.run(threading.Event())
            self.failures += self.publisher.failures

    def kill(self, least: int) -> None:
        """Until each kind was killed so often."""
        kinds = {
            "producer": self.kill_producer,
            "broker": self.kill_broker,
            "scorer": self.kill_scorer,
            "halted scorer": self.halt_scorer,
        }
        wanted = dict.fromkeys(kinds, least) | {"halted scorer": least // 4}
        while left := [kind for kind in kinds if self.kills[kind] < wanted[kind]]:
            time.sleep(self.draw.uniform(0.1, 2.0))
            kind = self.draw.choice(left)
            if kinds[kind]():
                self.kills[kind] += 1
                print(f"  {dict(self.kills)}", flush=True)

    def kill_producer(self) -> bool:
        """Whether one was at work: its topic grew since it was given."""
        working = self._publishing()
        if self.publisher is not None:
            self.publisher.signal(signal.SIGKILL)
        return working

    def _publishing(self) -> bool:
        """Whether the topic grows, within some seconds."""
        one = self.publisher
        if one is None or not one.alive:
            return False
        before, ends = self.end(), time.monotonic() + 20
        while one.alive and self.end() == before and time.monotonic() < ends:
            time.sleep(0.05)
        return one.alive and self.end() > before

    def kill_scorer(self) -> bool:
        """Whether the one that is drawn had committed something."""
        return self._strike(lambda one: one.signal(signal.SIGKILL))

    def halt_scorer(self) -> bool:
        """For longer than its session: another one has its partitions when it wakes up."""

        def halt(one: Command) -> None:
            one.signal(signal.SIGSTOP)
            time.sleep(15)
            one.signal(signal.SIGCONT)

        return self._strike(halt)

    def _strike(self, how: Callable[[Command], None]) -> bool:
        one = self.draw.choice(self.scorers)
        if not (one.alive and re.search(r"[1-9][0-9,]* events so far", one.said())):
            return False
        how(one)
        return True

    def kill_broker(self) -> bool:
        """Away for a moment, or for longer than everybody's patience."""
        working = self._publishing()
        self.broker.kill()
        time.sleep(30.0 if self.draw.random() < 0.15 else self.draw.uniform(0.0, 1.0))
        self.broker.start()
        return working

    def end(self) -> int:
        """Messages on the topic; 0 if it cannot be told."""
        try:
            held = watermarks(KafkaConnection(self.broker.address, 2.0), TOPIC)
        except StreamError:
            return 0
        return sum(high for _, high in held.values())

    def lag(self) -> int:
        """Messages that the group has not scored."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.broker.address, group_id=GROUP, enable_auto_commit=False
        )
        try:
            held = watermarks(KafkaConnection(self.broker.address), TOPIC)
            keys = [TopicPartition(TOPIC, partition) for partition in held]
            return sum(held[key.partition][1] - (consumer.committed(key) or 0) for key in keys)
        finally:
            consumer.close()

    def run(self, least: int) -> None:
        """All at once, then a quiet end."""
        threads = [threading.Thread(target=self.publish)]
        threads[0].start()
        ends = time.monotonic() + DEADLINE_SECONDS
        while not self.end():
            assert time.monotonic() < ends
            time.sleep(0.2)
        threads += [threading.Thread(target=one.run, args=(self.done,)) for one in self.scorers]
        for thread in threads[1:]:
            thread.start()
        self.kill(least)
        self.quiet.set()
        threads[0].join()
        ends = time.monotonic() + DEADLINE_SECONDS
        while self.lag():
            assert time.monotonic() < ends, f"{self.lag()} messages are not scored"
            time.sleep(0.5)
        self.done.set()
        for one in self.scorers:
            one.signal(signal.SIGTERM)
        for thread in threads[1:]:
            thread.join(60)
            assert not thread.is_alive()


def count(chaos: Chaos) -> tuple[list[str], bool]:
    """What the topics hold, against what was to be there; whether all of it is right."""
    connection = KafkaConnection(chaos.broker.address)
    with ModelStore(chaos.store) as store:
        records = [one for one in store.list_datasets() if one.slice["topic"] == TOPIC]
        scorer = scorer_plan_of(store.load_model("latest")).open(threads=2, block_rows=4096)
    reader = KafkaReader(connection, codec_named(CODEC))
    numbers, wanted_scores = list[np.ndarray](), list[np.ndarray]()
    for record in records:
        digest = ContentDigest()
        for batch in reader.batches(TopicSlice.from_json(record.slice)):
            digest = digest.update(batch)
            numbers.append(batch.numbers)
            wanted_scores.append(1 / (1 + np.exp(-scorer.logits(batch.features))))
        assert (str(digest), digest.rows) == (record.digest, record.rows), record.dataset_id
    assert len(records) == chaos.published
    log = sum(high - low for low, high in watermarks(connection, TOPIC).values())
    found = list(read_scores(connection, f"{TOPIC}.scores"))
    scored = np.concatenate([one.numbers for one in found])
    events, places = np.unique(np.concatenate(numbers), return_index=True)
    right = np.concatenate(wanted_scores)[places][np.searchsorted(events, scored)]
    wrong = int((np.abs(np.concatenate([one.scores for one in found]) - right) > 1e-5).sum())
    aside = sum(high - low for low, high in watermarks(connection, f"{TOPIC}.dead").values())
    wanted = len(records) * ROWS * 9 // 10
    published = wanted - len(events), log - len(events)
    lost = len(np.setdiff1d(events, scored)), len(scored) - len(np.unique(scored))
    lines = [
        f"| published | {wanted:,} | {log:,} | {published[0]:,} | {published[1]:,} |",
        f"| scored | {len(events):,} | {len(scored):,} | {lost[0]:,} | {lost[1]:,} |",
        f"scores that are not the model's: {wrong:,}; messages set aside: {aside:,}",
    ]
    return lines, not any((*published, *lost, wrong, aside))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "broker").mkdir()
        broker = stack.enter_context(OwnBroker(folder / "broker"))
        store = stack.enter_context(embedded_store(folder))
        chaos = Chaos(folder, broker, store, given.seed)
        chaos.prepare()
        started = time.monotonic()
        chaos.run(given.kills)
        print(
            f"killed {dict(chaos.kills)} in {time.monotonic() - started:.0f} s, seed {given.seed}"
        )
        print(f"{chaos.published} data sets; publications that failed by themselves and were given")
        print(f"again: {chaos.failures}, scorers: {sum(one.failures for one in chaos.scorers)}")
        print("| | events | messages or scores | lost | repeated |\n|---|---|---|---|---|")
        lines, right = count(chaos)
        print("\n".join(lines))
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
