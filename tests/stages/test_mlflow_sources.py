"""`mlflow.data` gives back exactly the events of a run, and says in one line where it cannot."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import polars as pl
import pytest
from kafka import KafkaAdminClient, TopicPartition
from mlflow import MlflowClient
from mlflow.data.dataset_source_registry import get_registered_sources
from mlflow.entities import DatasetInput
from stages.desk import Open

from susystream.data.enlarge import write_csv
from susystream.data.files import sifted_events
from susystream.data.frames import EVENT_NUMBER, batch_of
from susystream.data.prepared import prepare_events
from susystream.data.source import FileSource, ToySource, real_sample
from susystream.errors import (
    BadRow,
    DataError,
    DigestMismatch,
    DocumentInvalid,
    ServiceError,
    SettingsError,
    SliceTruncated,
    StreamError,
    SusystreamError,
)
from susystream.mlflow_plugin import EventsSource, KafkaSliceSource
from susystream.registry.document import DatasetRecord
from susystream.schema import COLUMNS, LABEL, concatenate
from susystream.stages.context import StageContext
from susystream.stages.evaluate import evaluate
from susystream.stages.publish import publish
from susystream.stages.train import train
from susystream.stream.slices import ContentDigest


@dataclass(frozen=True)
class Published:
    """A run that published, its record, and the address of its broker."""

    run_id: str
    record: DatasetRecord
    tracking: str
    broker: str

    @property
    def input(self) -> DatasetInput:
        return inputs_of(self.tracking, self.run_id)[0]

    def source(self, **changed: Any) -> KafkaSliceSource:
        """As logged, or with something changed."""
        return KafkaSliceSource({**json.loads(self.input.dataset.source), **changed})


def inputs_of(uri: str, run_id: str) -> list[DatasetInput]:
    inputs = MlflowClient(uri).get_run(run_id).inputs
    return list(inputs.dataset_inputs) if inputs else []


@pytest.fixture
def published(opened: Open, broker: str) -> Published:
    with opened() as context:
        (dataset_id,) = (result := publish(context)).dataset_ids
        record = context.store.load_dataset(dataset_id)
    return Published(result.run_id, record, context.tracker.uri, broker)


def digest_of(frame: pl.DataFrame) -> str:
    """Of a frame with event numbers."""
    return str(ContentDigest().update(batch_of(frame, 0)))


def refusal(kind: type[SusystreamError], source: KafkaSliceSource, **given: Any) -> str:
    with pytest.raises(kind) as told:
        source.load(**given)
    message = str(told.value)
    assert "\n" not in message
    assert "; " in message  # the cure
    return message


NOTEBOOK = """
import mlflow, json
mlflow.set_tracking_uri({uri!r})
run = mlflow.get_run({run_id!r})
source = mlflow.data.get_source(run.inputs.dataset_inputs[0])
events = source.load()
print(json.dumps([events.height, events.columns, float(events["MT2"].sum())]))
"""


def test_a_notebook_with_nothing_but_mlflow_gets_the_events_of_a_run(
    published: Published, tmp_path: Path
) -> None:
    """The plugin is found by the metadata of the installed package."""
    code = NOTEBOOK.format(uri=published.tracking, run_id=published.run_id)
    done = subprocess.run(
        [sys.executable, "-W", "error:Failure attempting", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env={**os.environ, "SUSYSTREAM_BOOTSTRAP_SERVERS": published.broker},
    )
    assert done.returncode == 0, done.stderr
    rows, columns, total = json.loads(done.stdout)
    assert rows == published.record.rows == 3600
    assert tuple(columns) == COLUMNS
    events = published.source().load(bootstrap_servers=published.broker)
    assert total == float(events["MT2"].sum())


def test_importing_mlflow_loads_nothing_heavy_of_ours() -> None:
    # MLflow itself loads pandas, polars and, where it is installed, pyspark
    heavy = ["tensorflow", "keras", "kafka", "hydra", "omegaconf", "pymongo", "openvino"]
    heavy += ["susystream.schema", "susystream.stages", "susystream.stream", "susystream.tracking"]
    code = "import sys, mlflow, susystream.mlflow_plugin; "
    code += f"print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning:mlflow", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_mlflow_finds_both_sources_by_the_installed_metadata() -> None:
    """Fails until the package is installed anew: pip install --no-deps -e ."""
    assert {KafkaSliceSource, EventsSource} <= {*get_registered_sources()}


def test_the_events_are_those_of_the_record_bit_for_bit(published: Published) -> None:
    source = published.source()
    events = source.load(bootstrap_servers=published.broker, event_numbers=True)
    assert digest_of(events) == published.record.digest
    assert events.columns == [EVENT_NUMBER, *COLUMNS]
    assert events[LABEL].dtype == pl.UInt8
    assert events["MT2"].dtype == pl.Float32
    assert np.array_equal(events[EVENT_NUMBER].sort().to_numpy(), np.arange(3600))


def test_events_come_batch_by_batch_too(published: Published) -> None:
    source = published.source()
    batches = source.batches(bootstrap_servers=published.broker)
    assert isinstance(batches, Iterator)
    whole = source.load(bootstrap_servers=published.broker)
    assert pl.concat(batches).equals(whole)
    assert whole.columns == list(COLUMNS)


def test_a_source_is_logged_and_read_as_the_same_json(published: Published) -> None:
    source = published.source()
    assert json.loads(published.input.dataset.source) == source.to_dict()
    assert KafkaSliceSource.from_json(source.to_json()).to_dict() == source.to_dict()
    assert source.to_dict()["digest"] == published.record.digest
    assert source.to_dict()["rows"] == published.record.rows


def test_a_record_of_before_there_were_digests_is_read_and_told(
    published: Published, caplog: pytest.LogCaptureFixture
) -> None:
    facts = published.source().to_dict()
    old = KafkaSliceSource({k: v for k, v in facts.items() if k not in ("rows", "digest")})
    with caplog.at_level(logging.WARNING):
        events = old.load(bootstrap_servers=published.broker)
    assert events.height == published.record.rows
    assert "its events are not proven" in caplog.text


def test_an_argument_names_the_broker_before_the_environment(
    published: Published, monkeypatch: pytest.MonkeyPatch, services_home: Path
) -> None:
    monkeypatch.setenv("SUSYSTREAM_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    source = published.source()
    assert source.load(bootstrap_servers=published.broker).height == 3600
    assert source.load(home=services_home).height == 3600
    assert "127.0.0.1:9" in refusal(StreamError, source)


def test_without_any_broker_none_is_started(
    published: Published, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SUSYSTREAM_BOOTSTRAP_SERVERS", raising=False)
    told = refusal(ServiceError, published.source(), home=tmp_path / "empty")
    assert "SUSYSTREAM_BOOTSTRAP_SERVERS" in told
    assert not (tmp_path / "empty").exists()


def test_the_embedded_broker_is_that_of_the_home_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SUSYSTREAM_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.setenv("SUSYSTREAM_HOME", str(tmp_path))
    with pytest.raises(ServiceError, match=f"data in {tmp_path / 'kafka'}, received none"):
        KafkaSliceSource({}).load()


def test_another_cluster_is_refused(published: Published) -> None:
    source = published.source(cluster_id="elsewhere")
    told = refusal(StreamError, source, bootstrap_servers=published.broker)
    assert "expected Kafka cluster elsewhere" in told
    assert published.broker in told


def test_other_events_at_the_offsets_are_refused(published: Published) -> None:
    source = published.source(digest="m2:" + "0" * 32)
    told = refusal(DigestMismatch, source, bootstrap_servers=published.broker)
    assert published.record.digest in told


def test_offsets_that_retention_removed_are_refused(published: Published) -> None:
    admin = KafkaAdminClient(bootstrap_servers=published.broker)
    try:
        admin.delete_records({TopicPartition(published.record.slice["topic"], 0): 10})
    finally:
        admin.close()
    told = refusal(SliceTruncated, published.source(), bootstrap_servers=published.broker)
    assert "retention removed" in told


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({}, "one with none"),
        ({"slice": {}, "codec": "block", "cluster_id": "c"}, "one with cluster_id, codec, slice"),
        ({"slice": {}, "codec": "json", "cluster_id": "c"}, "one with cluster_id, codec, slice"),
    ],
)
def test_a_source_that_is_none_of_ours_is_refused(
    facts: dict[str, Any], named: str, broker: str
) -> None:
    assert named in refusal(DocumentInvalid, KafkaSliceSource(facts), bootstrap_servers=broker)


def test_a_source_that_is_no_object_is_refused() -> None:
    with pytest.raises(DocumentInvalid, match="received list"):
        KafkaSliceSource.from_json("[1]")


@pytest.mark.parametrize(
    ("security", "words"),
    [
        ({"sasl.password": "hunter2"}, "'env:VARIABLE'"),
        ({"sasl.password": "env:NOT_SET"}, "environment variable NOT_SET"),
        ({"sasl.pasword": "env:HOME"}, "sasl.pasword"),
    ],
)
def test_a_secret_is_taken_from_the_environment_alone(
    published: Published, security: dict[str, str], words: str
) -> None:
    source = published.source()
    told = refusal(SettingsError, source, bootstrap_servers=published.broker, security=security)
    assert words in told
    assert "hunter2" not in told


def loaded(found: DatasetInput, **given: Any) -> pl.DataFrame:
    source = mlflow.data.get_source(found)
    assert isinstance(source, EventsSource)
    return source.load(event_numbers=True, **given)


def test_the_events_an_evaluation_saw_are_made_again_or_read(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as context:
        publish(context)
        train(context)
        result = evaluate(context)
        inputs = {one.dataset.name: one for one in inputs_of(context.tracker.uri, result.run_id)}
        holdout = file_of(context)
    assert set(inputs) == {"holdout", "toy_large", "real", "real_10k"}
    for name in ("toy_large", "real", "real_10k"):
        assert digest_of(loaded(inputs[name])) == result.inputs[name]["digest"]
    home = context.settings.home
    assert digest_of(loaded(inputs["holdout"], home=home)) == result.inputs["holdout"]["digest"]
    with pytest.raises(DataError, match=r"events of this holdout set below nowhere/data, .*home="):
        loaded(inputs["holdout"], home="nowhere")
    assert digest_of(loaded(inputs["holdout"], path=holdout)) == result.inputs["holdout"]["digest"]
    with pytest.raises(DataError, match=r"expected 400 events with digest .* received 3,600"):
        loaded(inputs["holdout"], path=holdout.with_name("train.parquet"))


def test_a_part_that_was_prepared_of_shipped_rows_is_found_in_the_home(tmp_path: Path) -> None:
    under = tmp_path / "data"
    prepared = prepare_events(
        real_sample(), under=under, test_fraction=0.1, progress=lambda rows: None
    )
    facts = {**prepared.source, "part": "train", "rows": 450, "digest": prepared.digest_train}
    found = EventsSource(facts).load(home=tmp_path, event_numbers=True)
    assert digest_of(found) == prepared.digest_train


def file_of(context: StageContext) -> Path:
    (folder,) = context.prepared_folder.iterdir()
    return folder / "test.parquet"


def test_a_file_whose_bad_rows_were_passed_over_is_read_as_it_was_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "mine.csv"
    write_csv(ToySource(300, 1).batches(), path, progress=lambda rows: None)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:41], "1,2,3", *lines[42:]]) + "\n")
    events = concatenate([part.events for part in sifted_events(FileSource(path))])
    digest = str(ContentDigest().update(events))
    facts = {"kind": "file", "file": "mine.csv", "limit": None, "rows": 299, "digest": digest}
    found = EventsSource(facts).load(path=path, event_numbers=True)
    assert digest_of(found) == digest
    assert found[EVENT_NUMBER].to_list() == [*range(41), *range(42, 300)]
    assert "mine.csv: bad rows passed over: 1" in caplog.text
    with pytest.raises(DataError, match="received 49 with"):
        EventsSource({**facts, "limit": 50}).load(path=path)
    with pytest.raises(BadRow, match="line 42"):  # nothing proves the others
        EventsSource({"kind": "file", "limit": None}).load(path=path)


@pytest.mark.parametrize(
    "facts",
    [
        {"kind": "real_sample", "digest": "x"},
        {"kind": "real_sample", "digest": "x", "rows": "500"},
        {"kind": "real_sample", "digest": None, "rows": 500},
        {"kind": "toy", "rows": "9", "seed": 1, "offset": 0},
        {"kind": "toy", "rows": 9, "seed": None, "offset": 0},
        {},
    ],
    ids=str,
)
def test_a_source_of_events_that_is_not_whole_is_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(DocumentInvalid, match=r"that susystream logged, .*; name another input"):
        EventsSource(facts).load()
