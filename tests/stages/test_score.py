"""Live scoring: every event of a topic once, by the model that is promoted then."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from mlflow import MlflowClient
from stages.desk import Open
from waiting import until

from susystream.errors import BadMessage, NotFound, SettingsError, StreamError
from susystream.schema import EventBatch, Float32Array, Int64Array
from susystream.stages.context import StageContext
from susystream.stages.models import network_of
from susystream.stages.publish import publish
from susystream.stages.score import score
from susystream.stages.train import train
from susystream.stream.codec import BlockCodec
from susystream.stream.consumer import KafkaReader
from susystream.stream.dead_letters import SUFFIX
from susystream.stream.scores import read_scores
from susystream.stream.slices import TopicSlice
from susystream.stream.topics import is_there, watermarks

TO_THE_END = "score.until=end"
ROWS = 3600  # of the 4,000 events, those that are published


def trained(context: StageContext) -> str:
    publish(context)
    return train(context).model_ids[0]


def scores_of(context: StageContext, topic: str | None = None) -> tuple[Int64Array, Float32Array]:
    """Event numbers and scores on the output, in the order of the numbers."""
    topic = topic or f"{context.settings.stream.topic}.scores"
    found = list(read_scores(context.kafka, topic))
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    numbers = np.concatenate([one.numbers for one in found])
    scores = np.concatenate([one.scores for one in found])
    order = np.argsort(numbers, kind="stable")
    return numbers[order], scores[order]


@pytest.mark.parametrize(
    "choice",
    [
        (),
        ("score.form=json",),
        ("stream/codec=csv",),
        ("score.batch_events=100", "stream.codec.events_per_message=7"),
        ("score.scorer=tensorflow",),
    ],
    ids=lambda choice: " ".join(choice) or "default",
)
def test_each_event_has_the_score_that_keras_gives_it_once(
    opened: Open, choice: tuple[str, ...]
) -> None:
    with opened(TO_THE_END, "score.model=latest", *choice) as context:
        model_id = trained(context)
        result = score(context)
        numbers, scores = scores_of(context)
        topic = context.settings.stream.topic
        ranges = tuple((p, *span) for p, span in sorted(watermarks(context.kafka, topic).items()))
        record = context.store.list_datasets()[0]
        from susystream.stages.readers import open_reader

        events = list(open_reader(context, record)(TopicSlice(topic, ranges)))
        network = network_of(context.store.load_model(model_id))
    assert result.rows == ROWS
    assert result.model_ids == (model_id,)
    features = np.concatenate([one.features for one in events])
    order = np.argsort(np.concatenate([one.numbers for one in events]))
    logits = network.predict(features[order], verbose=0)[:, 0]
    assert np.array_equal(numbers, np.arange(ROWS))
    assert scores == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-5)


def test_scoring_again_goes_on_where_it_stopped(opened: Open) -> None:
    with opened(TO_THE_END, "score.model=latest") as context:
        trained(context)
        assert score(context).rows == ROWS
        assert score(context).rows == 0
    with opened(TO_THE_END, "score.model=latest", "data.offset=1000000") as context:
        publish(context)
        assert score(context).rows == ROWS
        assert len(scores_of(context)[0]) == 2 * ROWS


def test_a_topic_may_hold_both_forms(opened: Open) -> None:
    with opened(TO_THE_END, "score.model=latest") as context:
        trained(context)
        with opened("data.offset=1000000", "stream/codec=csv") as more:
            publish(more)
        assert score(context).rows == 2 * ROWS
        numbers, _ = scores_of(context)
    assert np.array_equal(numbers, [*range(ROWS), *range(1_000_000, 1_000_000 + ROWS)])


def test_the_run_and_the_result_tell_events_rates_and_latencies(
    opened: Open, said: io.StringIO
) -> None:
    with opened(TO_THE_END, "score.model=latest", "score.report_seconds=0.001") as context:
        model_id = trained(context)
        result = score(context)
        run = MlflowClient(context.settings.tracking.uri).get_run(result.run_id)
    assert run.data.tags["model_id"] == model_id
    assert run.info.status == "FINISHED"
    names = ["score/events", "score/messages", "score/transactions", "stream/bad_messages"]
    assert [run.data.metrics[name] for name in (*names[:1], *names[3:])] == [ROWS, 0]
    assert run.data.metrics["score/total_latency_p50_ms"] > 0
    assert {"score/events_per_second", "score/lag_messages"} <= set(run.data.metrics)
    assert result.metrics["score/events"] == ROWS
    note = run.data.tags["mlflow.note.content"]
    assert note.startswith(f"**{ROWS:,}** events of topic")
    assert f"susystream models show {model_id}" in note
    lines = said.getvalue().splitlines()
    assert any("latency p50" in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_without_a_promoted_model_it_says_how_to_promote_one(opened: Open) -> None:
    with opened(TO_THE_END) as context:
        trained(context)
        with pytest.raises(NotFound, match="susystream models promote latest"):
            score(context)


OUTPUTS = ["the topic", "its dead letters", "another of events", "its documents", "other dead ones"]


@pytest.mark.parametrize("output", OUTPUTS)
def test_scores_do_not_go_among_events(opened: Open, output: str) -> None:
    with opened("score.model=latest", TO_THE_END) as context:
        trained(context)
        topic = context.settings.stream.topic
        log = watermarks(context.kafka, topic)
        with opened(f"stream.topic={topic}-2", "data.offset=1000000") as more:
            publish(more)
    name = {
        "the topic": topic,
        "its dead letters": f"{topic}.dead",
        "its documents": f"{topic}.schema",
        "other dead ones": "other.dead",
    }.get(output, f"{topic}-2")
    with (
        opened("score.model=latest", TO_THE_END, f"score.output={name}") as context,
        pytest.raises(SettingsError, match=r"expected score\.output to be a topic of scores"),
    ):
        score(context)
    assert watermarks(context.kafka, topic) == log


def test_a_topic_that_is_not_there_is_told(opened: Open) -> None:
    with (
        opened(TO_THE_END, "stream.topic=never") as context,
        pytest.raises(StreamError, match="expected topic never"),
    ):
        score(context)


@pytest.mark.parametrize("ending", [".dead", ".scores", ".schema"])
def test_what_stands_beside_a_topic_is_no_events_to_score(opened: Open, ending: str) -> None:
    with opened("score.model=latest", TO_THE_END) as context:
        trained(context)
        topic = context.settings.stream.topic
        score(context)  # makes the topics of scores and of dead letters
    with (
        opened("score.model=latest", TO_THE_END, f"stream.topic={topic}{ending}") as context,
        pytest.raises(SettingsError, match=f"name the topic beside which it stands, {topic}$"),
    ):
        score(context)
    assert not is_there(context.kafka, f"{topic}{ending}.scores")
    assert not is_there(context.kafka, f"{topic}{ending}.dead")


def test_a_model_that_is_not_there_is_told_before_a_topic_is_made(opened: Open) -> None:
    with opened("score.model=nosuch", TO_THE_END) as context:
        publish(context)
        with pytest.raises(NotFound):
            score(context)
        assert not is_there(context.kafka, f"{context.settings.stream.topic}.scores")


def put(
    context: StageContext, partition: int, value: bytes | None, key: bytes | None = None
) -> None:
    producer = KafkaProducer(**context.kafka.client_settings())
    topic = context.settings.stream.topic
    producer.send(topic, value=value, key=key, partition=partition).get(timeout=20)
    producer.close()


def dead_letters(context: StageContext) -> list[bytes | None]:
    """All that are committed, to the end of their topic."""
    topic = context.settings.stream.topic + SUFFIX
    consumer = KafkaConsumer(**context.kafka.client_settings(), isolation_level="read_committed")
    key = TopicPartition(topic, 0)
    consumer.assign([key])
    consumer.seek_to_beginning(key)
    (end,) = consumer.end_offsets([key]).values()
    found: list[bytes | None] = []
    ends = time.monotonic() + 60
    while (consumer.position(key) or 0) < end:
        assert time.monotonic() < ends
        for records in consumer.poll(timeout_ms=500).values():
            found += [record.value for record in records]
    consumer.close()
    return found


BAD: dict[str, tuple[bytes | None, bytes | None]] = {
    "no event": (None, b"no event"),
    "a block cut short": (None, b"SUSY"),
    "a tombstone": (b"7", None),
}


@pytest.mark.parametrize("codec", ["block", "csv"])
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_message_is_set_aside_once_and_counted(opened: Open, bad: str, codec: str) -> None:
    key, value = BAD[bad]
    chosen = (TO_THE_END, "score.model=latest", "stream.max_bad=1", f"stream/codec={codec}")
    with opened(*chosen) as context:
        trained(context)
        put(context, 0, value, key)
        result = score(context)
        assert dead_letters(context) == [value]
        assert np.array_equal(scores_of(context)[0], np.arange(ROWS))
    assert result.metrics["stream/bad_messages"] == 1


def test_one_bad_message_too_many_stops_and_the_next_run_goes_on_behind_it(opened: Open) -> None:
    with opened(TO_THE_END, "score.model=latest") as context:
        trained(context)
        put(context, 1, b"no event")
        with pytest.raises(BadMessage, match=r"it is on topic .*\.dead"):
            score(context)
        score(context)
        assert dead_letters(context) == [b"no event"]
        numbers, _ = scores_of(context)
    assert np.array_equal(numbers, np.arange(ROWS))


class Service:
    """`susystream run stage=score` in a process of its own."""

    def __init__(self, context: StageContext, folder: Path, *overrides: str) -> None:
        settings = context.settings
        self.log = folder / "score.log"
        words = [
            f"home={settings.home}",
            f"stream.bootstrap_servers={context.kafka.bootstrap_servers}",
            f"stream.topic={settings.stream.topic}",
            f"tracking.uri={settings.tracking.uri}",
            f"registry.uri={settings.registry.uri}",
            f"registry.database={settings.registry.database}",
            "tracking.system_metrics=false",
            "score.refresh_seconds=0.2",
            *overrides,
        ]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "susystream", "run", "stage=score", *words],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
            )

    def __enter__(self) -> Service:
        until(lambda: self.process.poll() is not None or "scores" in self.said())
        assert self.process.poll() is None, self.said()
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)

    def said(self) -> str:
        return self.log.read_text()

    def stop(self) -> int:
        os.kill(self.process.pid, signal.SIGTERM)
        return self.process.wait(60)


def test_a_service_takes_a_newly_promoted_model_and_ends_cleanly_on_sigterm(
    opened: Open, tmp_path: Path
) -> None:
    with opened() as context:
        first, second = trained(context), train(context).model_ids[0]
        context.store.promote(first)
        with Service(context, tmp_path) as service:
            until(lambda: len(scores_of(context)[0]) == ROWS)
            context.store.promote(second)
            until(lambda: f"model {second} scores" in service.said())
            with opened("data.offset=1000000") as more:
                publish(more)
            until(lambda: len(scores_of(context)[0]) == 2 * ROWS)
            assert service.stop() == 0, service.said()
        found = list(read_scores(context.kafka, f"{context.settings.stream.topic}.scores"))
        by_model = {one.model_id: 0 for one in found}
        for one in found:
            by_model[one.model_id] += len(one)
        assert by_model == {first: ROWS, second: ROWS}
        (run,) = [
            run
            for run in MlflowClient(context.settings.tracking.uri).search_runs(["1"])
            if run.data.tags["stage"] == "score"
        ]
    assert run.info.status == "FINISHED"
    assert run.data.tags["model_ids"] == f"{first},{second}"
    assert f"{2 * ROWS:,} events" in service.said()


def members(context: StageContext) -> list[int]:
    """How many partitions each member of the group has."""
    admin = KafkaAdminClient(**context.kafka.client_settings())
    try:
        (group,) = admin.describe_groups([context.settings.score.group]).values()
    finally:
        admin.close()
    assigned = [one["member_assignment"] for one in group["members"]]
    return [
        sum(len(topic["partitions"]) for topic in (one or {}).get("assigned_partitions", []))
        for one in assigned
    ]


class Feed:
    """Sends numbered events until it is told to end."""

    def __init__(self, context: StageContext, events: EventBatch) -> None:
        self.context, self.events, self.sent = context, events, 0
        self._stop, self._thread = threading.Event(), threading.Thread(target=self._run)

    def __enter__(self) -> Feed:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def end(self) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        producer = KafkaProducer(**self.context.kafka.client_settings(), acks="all")
        topic = self.context.settings.stream.topic
        while not self._stop.is_set():
            numbers = np.arange(100, dtype=np.int64) + 1_000_000 + 100 * self.sent
            batch = EventBatch(numbers, self.events.features[:100], self.events.labels[:100])
            ((key, value),) = BlockCodec(100).encode(batch)
            producer.send(topic, key=key, value=value, partition=self.sent % 2)
            self.sent += 1
            time.sleep(0.005)
        producer.flush()
        producer.close()


def test_services_share_the_partitions_and_one_that_is_killed_costs_nothing(
    opened: Open, tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    with opened("score.group=shared") as context:
        context.store.promote(trained(context))
        events = next(iter(KafkaReader(context.kafka, BlockCodec()).batches(_all(context))))
        words = ("score.group=shared", "score.batch_events=500")
        with (
            Service(context, folders[0], *words) as first,
            Service(context, folders[1], *words) as second,
        ):
            until(lambda: members(context) == [1, 1])
            with Feed(context, events) as feed:
                until(lambda: len(scores_of(context)[0]) > ROWS + 5000)
                first.process.kill()
                until(lambda: members(context) == [2])
            until(lambda: len(scores_of(context)[0]) >= ROWS + 100 * feed.sent)
            assert second.stop() == 0, second.said()
        numbers, _ = scores_of(context)
    assert np.array_equal(numbers[:ROWS], np.arange(ROWS))
    assert np.array_equal(numbers[ROWS:], np.arange(100 * feed.sent) + 1_000_000)


def _all(context: StageContext) -> TopicSlice:
    topic = context.settings.stream.topic
    held = watermarks(context.kafka, topic)
    return TopicSlice(topic, tuple((p, low, high) for p, (low, high) in sorted(held.items())))
