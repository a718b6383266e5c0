"""Events in Kafka as a test set: exactly those offsets, proven, none a model learned from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kafka import KafkaProducer
from mlflow import MlflowClient
from pymongo import MongoClient
from stages.desk import Open

from susystream.data.prepared import folder_of
from susystream.errors import (
    BadMessage,
    DataError,
    NotFound,
    SettingsError,
    SliceTruncated,
    StreamError,
    SusystreamError,
)
from susystream.physics.toy import toy_events
from susystream.registry.document import DatasetRecord, new_id
from susystream.stages.context import StageContext
from susystream.stages.evaluate import evaluate
from susystream.stages.publish import publish
from susystream.stages.slice_source import offsets_of
from susystream.stages.train import train
from susystream.stream.codec import CsvCodec
from susystream.stream.producer import Publication
from susystream.stream.producer import publish as publish_events
from susystream.stream.slices import TopicSlice

OTHER = ["data.offset=100000", "data.rows=2000"]


def trained(opened: Open) -> str:
    """A model of the toy events 0 to 3999 of seed 42."""
    with opened() as context:
        publish(context)
        return train(context).model_ids[0]


def other(opened: Open, *overrides: str) -> DatasetRecord:
    """A data set of other events."""
    with opened(*OTHER, *overrides) as context:
        (dataset_id,) = publish(context).dataset_ids
        return context.store.load_dataset(dataset_id)


def typed(wanted: TopicSlice, separator: str = "/") -> str:
    spans = separator.join(f"{p}:{start}-{end}" for p, start, end in wanted.ranges)
    return f"slice:{wanted.topic}/{spans}"


def train_file(context: StageContext, record: DatasetRecord) -> Path:
    return folder_of(context.prepared_folder, record.name, record.source) / "train.parquet"


def test_a_data_set_gives_the_figures_of_the_file_that_was_published(opened: Open) -> None:
    model_id, record = trained(opened), other(opened)
    with opened() as context:
        file = train_file(context, record)
    with opened(f"evaluate.input={file}") as context:
        slow = evaluate(context)
    with opened("evaluate.input=dataset:latest") as context:
        found = evaluate(context)
        document = context.store.load_model(model_id)
    name = record.dataset_id
    assert found.metrics[f"test/{name}/rows"] == record.rows == 1800
    assert found.metrics[f"test/{name}/auc"] == slow.metrics["test/train/auc"]
    assert found.inputs[name]["digest"] == record.digest == slow.inputs["train"]["digest"]
    source = found.inputs[name]["source"]
    assert (source["slice"], source["dataset_id"]) == (record.slice, name)
    assert document.test_sets[name] == found.inputs[name]
    run = MlflowClient(context.tracker.uri).get_run(found.run_id)
    assert run.inputs is not None
    (logged,) = run.inputs.dataset_inputs
    assert (logged.dataset.source_type, logged.dataset.digest) == ("kafka_slice", record.digest)
    proof = {"digest": record.digest, "rows": record.rows}  # by which it can be loaded back
    assert json.loads(logged.dataset.source) == {**source, **proof}


@pytest.mark.parametrize("separator", ["/", ","])
def test_offsets_are_read_to_the_last_and_no_further(opened: Open, separator: str) -> None:
    trained(opened)
    record = other(opened)
    whole = TopicSlice.from_json(record.slice)
    part = TopicSlice(whole.topic, tuple((p, a + p, b - 1) for p, a, b in whole.ranges))
    each = record.events_per_message
    for wanted, rows in ((whole, 1800), (part, each * part.messages)):
        with opened(f"evaluate.input='{typed(wanted, separator)}'") as context:
            (identity,) = evaluate(context).inputs.values()
        assert identity["rows"] == rows
        assert identity["source"]["slice"] == wanted.to_json()
        same = identity["source"]["dataset_id"] == record.dataset_id
        assert same == (identity["digest"] == record.digest) == (wanted == whole)


def test_a_slice_may_be_one_of_the_sets(opened: Open) -> None:
    trained(opened)
    record = other(opened)
    mine = f"+evaluate.sets.mine={{kind: slice, events: 'dataset:{record.dataset_id[:-1]}'}}"
    with opened(mine, "evaluate.sets.toy_large.rows=3000") as context:
        result = evaluate(context)
    assert result.metrics["test/mine/rows"] == 1800
    assert set(result.inputs) == {"mine", "holdout", "toy_large", "real", "real_10k"}


def unregistered(context: StageContext, *, partitions: int) -> Publication:
    """A hundred events as text on a topic of their own, which no data set names."""
    return publish_events(
        [toy_events(start=10**6, stop=10**6 + 100, seed=1)],
        connection=context.kafka,
        topic=new_id("t"),
        codec=CsvCodec(),
        partitions=partitions,
        progress=lambda rows: None,
    )


def test_offsets_no_data_set_covers_are_read_by_the_codec_of_the_settings(opened: Open) -> None:
    trained(opened)
    with opened() as context:
        sent = unregistered(context, partitions=2)
    wanted = f"evaluate.input={typed(sent.slice)}"
    with opened(wanted, "stream/codec=csv") as context:
        (identity,) = evaluate(context).inputs.values()
    assert identity["digest"] == str(sent.digest)
    assert identity["source"]["dataset_id"] is None
    with opened(wanted) as context, pytest.raises(BadMessage, match="expected a block"):
        evaluate(context)


def test_offsets_no_data_set_covers_are_read_as_their_topic_says(opened: Open) -> None:
    trained(opened)
    record = other(opened, "stream/codec=csv", "stream.topic=" + new_id("t"))
    with opened() as context:
        registry = context.settings.registry
        with MongoClient[dict[str, object]](registry.uri) as client:
            client[registry.database]["datasets"].delete_one({"dataset_id": record.dataset_id})
    wanted = TopicSlice.from_json(record.slice)
    with opened(f"evaluate.input={typed(wanted)}") as context:  # the settings name blocks
        (identity,) = evaluate(context).inputs.values()
    assert identity["source"]["dataset_id"] is None
    assert (identity["digest"], identity["rows"]) == (record.digest, 1800)


def test_bad_messages_are_set_aside_and_counted_up_to_a_limit(opened: Open) -> None:
    trained(opened)
    with opened() as context:
        sent = unregistered(context, partitions=1)
        producer = KafkaProducer(bootstrap_servers=context.kafka.bootstrap_servers)
        for number in range(2):
            producer.send(sent.slice.topic, key=b"%d" % number, value=b"not ours")
        producer.close(timeout=10)
    given = ["stream/codec=csv", f"evaluate.input=slice:{sent.slice.topic}/0:0-102"]
    for limit, stops in ((2, False), (1, True), (0, True)):
        with opened(*given, f"stream.max_bad={limit}") as context:
            client = MlflowClient(context.tracker.uri)
            if stops:
                with pytest.raises(BadMessage, match=r"\.dead.*stream\.max_bad"):
                    evaluate(context)
            else:
                (identity,) = evaluate(context).inputs.values()
                assert (identity["rows"], identity["digest"]) == (100, str(sent.digest))
            experiment = client.get_experiment_by_name(context.settings.tracking.experiment)
        assert experiment is not None
        run = client.search_runs([experiment.experiment_id], max_results=1)[0]
        assert run.data.metrics["stream/bad_messages"] == min(2, limit + 1)
        assert (run.info.status == "FAILED") == stops


def refused(opened: Open, wanted: str, kind: type[SusystreamError], words: str) -> None:
    with (
        pytest.raises(kind, match=words) as caught,
        opened(f"evaluate.input={wanted}") as context,
    ):
        evaluate(context)
    assert "\n" not in str(caught.value)


def test_what_a_model_learned_from_is_refused(opened: Open) -> None:
    trained(opened)
    with opened() as context:
        learned = context.store.load_dataset("latest")
    whole = TopicSlice.from_json(learned.slice)
    (partition, _, end), *_ = whole.ranges
    refused(opened, f"dataset:{learned.dataset_id}", SettingsError, "was not trained on")
    last = f"slice:{whole.topic}/{partition}:{end - 1}-{end}"
    refused(opened, last, SettingsError, f"learned from data set {learned.dataset_id}")
    other(opened)  # behind the others on the same topic
    refused(opened, f"slice:{whole.topic}/0:{end - 1}-{end + 9}", SettingsError, "learned from")
    with opened(f"evaluate.input=slice:{whole.topic}/{partition}:{end}-{end + 9}") as context:
        evaluate(context)


@pytest.mark.parametrize("overrides", [["data.rows=4000"], ["data.rows=900", "data.offset=3000"]])
def test_the_same_events_published_again_are_refused(opened: Open, overrides: list[str]) -> None:
    trained(opened)
    with opened("stream.topic=" + new_id("t"), *overrides) as context:
        (again,) = publish(context).dataset_ids
        wanted = TopicSlice.from_json(context.store.load_dataset(again).slice)
    refused(opened, f"dataset:{again}", SettingsError, "was not trained on")
    refused(opened, typed(wanted), SettingsError, "was not trained on")


def test_shipped_real_rows_are_refused_for_a_model_that_saw_real_events(opened: Open) -> None:
    with opened("data=real_low_level") as context:
        publish(context)
        train(context)
    with opened("data=real_sample") as context:
        (real,) = publish(context).dataset_ids
    refused(opened, f"dataset:{real}", SettingsError, "was not trained on")
    toys = other(opened)
    with opened(f"evaluate.input=dataset:{toys.dataset_id}") as context:
        evaluate(context)


def test_what_is_not_there_is_one_line(opened: Open) -> None:
    trained(opened)
    record = other(opened)
    topic = str(record.slice["topic"])
    refused(opened, "dataset:dnone", NotFound, "lists all, latest .*" + record.dataset_id)
    refused(opened, "slice:nowhere/0:0-5", StreamError, "expected topic nowhere")
    refused(opened, f"slice:{topic}/0:80-9999", SliceTruncated, r"the log holds \[0, ")
    refused(opened, f"slice:{topic}/7:0-5", SliceTruncated, r"partition 7")
    refused(opened, f"slice:{topic}/0:90-90", DataError, "received none")
    refused(opened, f"slice:{topic}/0:9-5", SettingsError, "start <= end")
    refused(opened, f"slice:{topic}/0:90-91/0:91-92", SettingsError, "partition 0 once")


def test_other_events_than_registered_are_noticed(opened: Open) -> None:
    trained(opened)
    record = other(opened)
    damaged = record.model_copy(update={"dataset_id": new_id("d"), "digest": "m2:" + "0" * 32})
    with opened() as context:
        context.store.save_dataset(damaged)
    words = "digest m2:0{32} in test set .*; publish the data again"
    refused(opened, f"dataset:{damaged.dataset_id}", DataError, words)


@pytest.mark.parametrize(
    "text",
    ["dataset:", "slice:", "slice:susy", "slice:susy/0", "slice:susy/0:5", "slice:a b/0:0-5"],
)
def test_what_is_no_slice_is_refused_before_anything_starts(opened: Open, text: str) -> None:
    with (
        pytest.raises(SettingsError, match=r"evaluate\.input.*expected dataset:"),
        opened(f"evaluate.input='{text}'"),
    ):
        pass


def test_partitions_may_be_typed_in_any_order() -> None:
    assert offsets_of("a-b.c/3:5-9,0:0-1") == TopicSlice("a-b.c", ((0, 0, 1), (3, 5, 9)))
