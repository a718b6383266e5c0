"""`susystream models` and `susystream data`, as typed, against the real store and real runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pymongo
import pytest
from hydra import compose, initialize_config_dir

from susystream.composition import config_folder, settings_of
from susystream.data_listing import security_of
from susystream.errors import SettingsError
from susystream.model.network import build_network
from susystream.registry.document import DatasetRecord, MlflowLink, ModelDocument, new_id, now_iso
from susystream.registry.store import ModelStore
from susystream.stages.models import document_of
from susystream.stream.codec import BlockCodec
from susystream.stream.connection import KafkaConnection
from susystream.stream.schema_topic import state_form
from susystream.stream.slices import TopicSlice
from susystream.stream.topics import cluster_id, ensure_topic, topic_id
from susystream.tracking.tracker import Tracker

SCALER = {"mean": [0.0] * 18, "std": [1.0] * 18}


@dataclass(frozen=True)
class Stored:
    """A store with one model and one data set, and the tracking store of its run."""

    uri: str
    database: str
    tracking: str
    model: ModelDocument
    dataset: DatasetRecord


def dataset_record() -> DatasetRecord:
    return DatasetRecord(
        dataset_id=new_id("d"),
        created_at=now_iso(),
        name="toy",
        slice={"topic": "susy", "partitions": {"0": [0, 5]}},
        codec="block",
        events_per_message=1000,
        rows=5000,
        digest="m2:" + "0" * 32,
        cluster_id="abc",
        source={"kind": "toy"},
        split={},
        scaler=SCALER,
        run_id="r0",
    )


def trained(
    record: DatasetRecord, link: MlflowLink, *, hidden: Sequence[int] = (8,)
) -> ModelDocument:
    dropout = [0.1] * len(hidden)
    shape = [f"model.hidden={list(hidden)}", f"model.dropout={dropout}"]
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        settings = settings_of(compose("config", shape))
    network = build_network(
        features=18, hidden=hidden, dropout=dropout, activation="relu", seed=1, **SCALER
    )
    return document_of(
        network, settings=settings, record=record, link=link, metrics={"validation/auc": 0.75}
    )


@pytest.fixture(scope="module")
def stored(
    store_uri: str, tmp_path_factory: pytest.TempPathFactory, empty_database: Path
) -> Iterator[Stored]:
    database = f"t{uuid4().hex[:12]}"
    folder = tmp_path_factory.mktemp("tracking")
    tracking = f"sqlite:///{shutil.copy(empty_database, folder)}"
    record = dataset_record()
    tracker = Tracker(tracking, "tests", system_metrics=False)
    with tracker.run("train", name="n", params={}, tags={}) as run:
        link = MlflowLink(experiment="tests", run_id=run.run_id, tracking_uri=tracking)
        model = trained(record, link)
        run.set_tags({"model_id": model.model_id})
    with ModelStore(store_uri, database) as store:
        store.save_dataset(record)
        store.save_model(model)
    yield Stored(store_uri, database, tracking, model, record)
    with pymongo.MongoClient[dict[str, Any]](store_uri) as client:
        client.drop_database(database)


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(stored: Stored, tmp_path: Path) -> Command:
    """Runs a command in an empty folder; the store is the one of `stored`."""

    def run(
        *words: str, variables: Mapping[str, str] | None = None, **options: str
    ) -> subprocess.CompletedProcess[str]:
        given = {"--uri": stored.uri, "--database": stored.database, **options}
        flags = [word for pair in given.items() for word in pair]
        names = ("MLFLOW_", "SUSYSTREAM_")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(names)}
        return subprocess.run(
            [sys.executable, "-m", "susystream", *words, *flags],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
            env={**environment, "MLFLOW_TRACKING_URI": stored.tracking, **(variables or {})},
        )

    return run


def one_line(done: subprocess.CompletedProcess[str], *, status: int = 1) -> str:
    assert done.returncode == status
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("susystream: ")
    return line


def test_models_are_listed_as_a_table_and_as_json(command: Command, stored: Stored) -> None:
    table = command("models", "list").stdout
    assert stored.model.model_id in table
    assert "0.7500" in table
    (found,) = json.loads(command("models", "list", "--json").stdout)
    assert found["model_id"] == stored.model.model_id
    assert found["run_id"] == stored.model.mlflow.run_id
    assert found["validation/auc"] == 0.75


@pytest.mark.parametrize("selector", ["latest", "id", "run", "best:validation/auc", "beginning"])
def test_a_model_is_shown_by_any_selector(command: Command, stored: Stored, selector: str) -> None:
    known = stored.model.model_id
    words = {"id": known, "beginning": known[:-2], "run": f"run:{stored.model.mlflow.run_id}"}
    done = command("models", "show", words.get(selector, selector))
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["model_id"] == known
    assert lines["dataset_id"] == stored.dataset.dataset_id
    assert lines["validation/auc"] == "0.75"


def test_a_model_shown_as_json_is_the_whole_document(command: Command, stored: Stored) -> None:
    done = command("models", "show", "--json")
    assert ModelDocument.from_json(json.loads(done.stdout)) == stored.model


def test_a_model_is_exported_whole(command: Command, stored: Stored, tmp_path: Path) -> None:
    done = command("models", "export", "latest", "model.json", "--json")
    told = json.loads(done.stdout)
    path = tmp_path / "model.json"
    assert told == {
        "model_id": stored.model.model_id,
        "path": "model.json",
        "bytes": path.stat().st_size,
    }
    assert path.read_text() == stored.model.to_canonical_json()
    assert command("models", "export", "latest", "b.json").stdout.startswith(stored.model.model_id)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["b.json", "model.json"]


def test_an_export_that_cannot_be_written_is_one_line(command: Command) -> None:
    assert "none/model.json" in one_line(command("models", "export", "latest", "none/model.json"))


def test_a_whole_model_is_verified(command: Command, stored: Stored) -> None:
    done = command("models", "verify", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "model_id": stored.model.model_id,
        "digests": True,
        "predictions": True,
        "mlflow link": True,
    }


def test_a_link_that_mlflow_does_not_return_fails_the_verification(
    command: Command, stored: Stored, tmp_path: Path
) -> None:
    """Another tracking store: the run of the document is not there."""
    done = command("models", "verify", **{"--tracking-uri": f"sqlite:///{tmp_path}/other.db"})
    assert done.returncode == 1
    checks = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines())
    assert checks == {"digests": "ok", "predictions": "ok", "mlflow link": "BROKEN"}
    assert "Traceback" not in done.stderr


@pytest.fixture
def damaged(stored: Stored) -> Iterator[None]:
    """The stored weights are others, for the length of a test."""
    with pymongo.MongoClient[dict[str, Any]](stored.uri) as client:
        models = client[stored.database]["models"]
        before = models.find_one({"model_id": stored.model.model_id})
        assert before is not None
        weights = before["weights"]
        data = weights[0]["data"]
        changed = [{**weights[0], "data": ("B" if data[0] == "A" else "A") + data[1:]}]
        models.update_one({"_id": before["_id"]}, {"$set": {"weights": [*changed, *weights[1:]]}})
        yield
        models.replace_one({"_id": before["_id"]}, before)


@pytest.mark.usefixtures("damaged")
def test_damaged_weights_fail_the_verification(command: Command, stored: Stored) -> None:
    assert "weights" in one_line(command("models", "verify", stored.model.model_id))


def test_data_sets_are_listed_and_shown(command: Command, stored: Stored) -> None:
    known = stored.dataset
    table = command("data", "list").stdout
    assert known.dataset_id in table
    assert "5,000" in table
    (listed,) = json.loads(command("data", "list", "--json").stdout)
    for words in (["latest"], [known.dataset_id], [known.dataset_id[:-2], "--json"]):
        shown = json.loads(command("data", "show", *words).stdout)
        assert shown == listed
        assert shown.pop("published_at") == known.created_at
        assert DatasetRecord.from_json(shown) == known


@pytest.mark.parametrize("group", ["models", "data"])
def test_an_unknown_id_is_one_line_with_those_near_it(
    command: Command, stored: Stored, group: str
) -> None:
    known = stored.model.model_id if group == "models" else stored.dataset.dataset_id
    line = one_line(command(group, "show", known[:-1] + "?"))
    assert f"near it: {known}" in line
    assert "--json" not in line
    assert one_line(command(group, "show", "nonsense", "--json")).endswith(known)


def test_an_empty_store_says_how_to_fill_it(command: Command) -> None:
    done = command("models", "list", **{"--database": "empty"})
    assert "susystream run experiment=quickstart" in done.stdout
    assert json.loads(command("data", "list", "--json", **{"--database": "empty"}).stdout) == []


def test_an_empty_address_means_the_embedded_store(
    command: Command, stored: Stored, services_home: Path
) -> None:
    done = command("data", "list", "--json", **{"--uri": "", "--home": str(services_home)})
    assert json.loads(done.stdout)[0]["dataset_id"] == stored.dataset.dataset_id


def test_an_address_without_a_store_is_one_line_without_its_password(command: Command) -> None:
    line = one_line(command("models", "list", **{"--uri": "mongodb://me:hush@127.0.0.1:9/"}))
    assert "127.0.0.1:9" in line
    assert "hush" not in line


def test_a_topic_is_shown_with_its_offsets_its_form_and_its_data_sets(
    command: Command, stored: Stored, broker: str
) -> None:
    connection, topic = KafkaConnection(broker), new_id("t")
    ensure_topic(connection, topic, 2)
    begin = TopicSlice(topic, ((0, 0, 0), (1, 0, 0)))
    state_form(connection, begin, BlockCodec(100))
    there = {"cluster_id": cluster_id(connection), "topic_id": topic_id(connection, topic)}
    place = {"topic": topic, "partitions": {"0": [0, 3], "1": [0, 2]}}
    record = stored.dataset.model_copy(update={"dataset_id": new_id("d"), "slice": place, **there})
    gone = record.model_copy(update={"dataset_id": new_id("d"), "topic_id": "made-before"})
    database = f"t{uuid4().hex[:12]}"
    with ModelStore(stored.uri, database) as store:
        store.save_dataset(record)
        store.save_dataset(gone)
    given = {"--bootstrap-servers": broker, "--database": database}
    done = command("data", "topic", topic, **given)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"holds     {topic} 0:[0,0) 1:[0,0)",
        "schema    block of version 1, at most 100 events a message, from 0:0 1:0",
        f"data set  {record.dataset_id}: 5,000 events, block, {topic} 0:[0,3) 1:[0,2), "
        "not whole any more",
    ]
    found = json.loads(command("data", "topic", topic, "--json", **given).stdout)
    assert found["partitions"] == {"0": [0, 0], "1": [0, 0]}
    assert [one["event"]["label"]["name"] for one in found["schema"]] == ["label"]
    datasets = [(one["dataset_id"], one["whole"]) for one in found["datasets"]]
    assert datasets == [(record.dataset_id, False)]
    assert "expected topic nowhere" in one_line(command("data", "topic", "nowhere", **given))
    address = given.pop("--bootstrap-servers")
    variables = {"SUSYSTREAM_BOOTSTRAP_SERVERS": address}
    assert command("data", "topic", topic, variables=variables, **given).stdout == done.stdout


def test_a_secret_is_taken_from_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_PASSWORD", "s3cret=")
    given = ["security.protocol=SASL_SSL", "sasl.password=env:KAFKA_PASSWORD"]
    assert security_of(given) == {"security.protocol": "SASL_SSL", "sasl.password": "s3cret="}


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("sasl.password=s3cret", "expected sasl.password from the environment"),
        ("sasl.password=env:NOT_SET", "expected environment variable NOT_SET"),
        ("sasl.pasword=s3cret", "expected sasl.pasword from the environment"),
        ("sasl.password: s3cret", "expected --security NAME=VALUE"),
    ],
)
def test_a_wrong_security_setting_is_told_without_its_value(word: str, line: str) -> None:
    with pytest.raises(SettingsError, match=line) as told:
        security_of([word])
    assert "s3cret" not in str(told.value)
