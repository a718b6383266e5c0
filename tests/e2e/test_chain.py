"""The stages as a person runs them: separate processes, real broker, store and tracking."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient

from susystream.registry.store import ModelStore

SMALL = ["data.rows=20000", "train.epochs=2", "evaluate.sets.toy_large.rows=50000"]


class Desk:
    """A folder, and the servers of the suite."""

    def __init__(self, folder: Path, broker: str, store_uri: str) -> None:
        self.folder = folder
        self.addresses = [
            f"stream.bootstrap_servers={broker}",
            f"registry.uri={store_uri}",
            f"registry.database={folder.name.replace('.', '_')}",
            f"stream.topic={folder.name}",
        ]
        self.database = folder.name.replace(".", "_")

    def run(self, *overrides: str, succeeds: bool = True) -> tuple[dict[str, Any], str]:
        done = subprocess.run(
            [sys.executable, "-m", "susystream", "run", *self.addresses, *SMALL, *overrides],
            capture_output=True,
            text=True,
            timeout=240,
            cwd=self.folder,
            env={**os.environ, "MLFLOW_TRACKING_URI": ""},
        )
        if not succeeds:
            assert done.returncode == 1, done.stdout
            return {}, done.stderr
        assert done.returncode == 0, done.stdout + done.stderr
        named = re.search(r"result\s+(\S+)", done.stdout.splitlines()[-1])
        assert named, done.stdout
        found = json.loads((self.folder / named.group(1)).read_text())
        return found, done.stdout


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, broker: str, store_uri: str) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"), broker, store_uri)


@pytest.fixture(scope="module")
def chain(desk: Desk) -> tuple[dict[str, Any], str]:
    return desk.run("stage=pipeline")


def test_the_chain_reaches_the_expected_auc(chain: tuple[dict[str, Any], str]) -> None:
    metrics = chain[0]["metrics"]
    assert 0.84 < metrics["test/toy_large/auc"] < 0.89
    assert metrics["test/toy_large/auc_low"] <= metrics["test/toy_large/auc"]
    assert metrics["test/toy_large/auc"] <= metrics["test/toy_large/auc_high"]
    assert metrics["test/toy_large/auc_high"] - metrics["test/toy_large/auc_low"] <= 1e-6
    assert metrics["test/toy_large/rows"] == 50_000
    assert metrics["test/holdout/rows"] == 2_000
    assert 0.75 < metrics["test/real/auc"] < 0.92
    assert metrics["test/real/rows"] == 500


def test_the_model_and_its_run_name_each_other(
    desk: Desk, chain: tuple[dict[str, Any], str], store_uri: str
) -> None:
    model_id = chain[0]["model_ids"][0]
    with ModelStore(store_uri, desk.database) as store:
        document = store.load_model(model_id)
    client = MlflowClient(f"sqlite:///{desk.folder}/mlflow.db")
    run = client.get_run(document.mlflow.run_id)
    assert run.data.tags["model_id"] == model_id
    assert run.data.tags["stage"] == "train"
    assert run.info.status == "FINISHED"
    assert run.inputs is not None
    assert run.inputs.dataset_inputs[0].dataset.digest
    source = json.loads(run.inputs.dataset_inputs[0].dataset.source)
    assert source["slice"] == document.training.slice
    names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert {"model.json", "config.yaml"} <= names
    assert document.metrics["test/toy_large/auc"] == chain[0]["metrics"]["test/toy_large/auc"]


def test_stages_alone_follow_one_another_in_separate_processes(desk: Desk) -> None:
    published, _ = desk.run("stage=publish")
    trained, _ = desk.run("stage=train", f"train.dataset={published['dataset_ids'][0]}")
    evaluated, _ = desk.run("stage=evaluate", f"evaluate.models={trained['model_ids'][0]}")
    assert trained["rows"] == published["rows"] * 2
    assert evaluated["model_ids"] == trained["model_ids"]


def test_shuffled_labels_teach_nothing(desk: Desk, chain: tuple[dict[str, Any], str]) -> None:
    dataset = chain[0]["dataset_ids"][0]
    trained, _ = desk.run(
        "stage=train", f"train.dataset={dataset}", "train.shuffle_labels=true", "train.epochs=1"
    )
    evaluated, _ = desk.run("stage=evaluate", f"evaluate.models={trained['model_ids'][0]}")
    assert evaluated["metrics"]["test/toy_large/auc"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("stream.bootstrap_servers=127.0.0.1:1", ["Kafka broker", "127.0.0.1:1"]),
        ("registry.uri=mongodb://me:hunter2@127.0.0.1:1/", ["document store", "127.0.0.1:1"]),
        ("tracking.uri=http://127.0.0.1:1", ["tracking server", "127.0.0.1:1"]),
    ],
)
def test_an_unreachable_server_is_one_line_without_secrets(
    desk: Desk, override: str, words: list[str]
) -> None:
    _, said = desk.run("stage=publish", override, succeeds=False)
    assert len(said.strip().splitlines()) == 1, said
    assert all(word in said for word in words), said
    assert "hunter2" not in said


def test_a_command_that_said_what_is_wrong_ends_without_more_work(desk: Desk) -> None:
    """Processor time is measured: a loaded machine stretches any other."""
    words = [sys.executable, "-m", "susystream", "run", *desk.addresses, *SMALL, "stage=publish"]
    with socket.socket() as taken:  # bound but not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        words += [f"stream.bootstrap_servers=127.0.0.1:{taken.getsockname()[1]}"]
        with subprocess.Popen(
            words,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=desk.folder,
            env={**os.environ, "MLFLOW_TRACKING_URI": ""},
        ) as process:
            try:
                assert process.stderr
                assert "expected a Kafka broker" in process.stderr.readline()
                before = sum(psutil.Process(process.pid).cpu_times()[:4])  # its children's too
                assert process.stderr.read() == ""
                _, _, used = os.wait4(process.pid, 0)
            finally:
                process.kill()  # else leaving waits for one that hangs
    assert used.ru_utime + used.ru_stime - before < 0.7  # seconds: 0.1, or 1.5 with a search


def test_what_a_run_leaves_on_disk_holds_its_configuration_and_no_secret(desk: Desk) -> None:
    result, _ = desk.run(
        "stage=prepare",
        "registry.uri=mongodb://me:hunter2@127.0.0.1:1/",
        "stream.security={sasl.password: hunter2}",
        f"hydra.run.dir={desk.folder}/kept",
    )
    kept = {path.name: path.read_text() for path in (desk.folder / "kept").rglob("*.*")}
    assert set(kept) == {"result.json", "config.yaml"}
    assert "mongodb://127.0.0.1:1/" in kept["config.yaml"]
    assert not [name for name, text in kept.items() if "hunter2" in text]
    client = MlflowClient(f"sqlite:///{desk.folder}/mlflow.db")
    run = client.get_run(result["run_id"])
    assert "hunter2" not in str(run.to_dictionary())
    assert b"hunter2" not in (desk.folder / "mlflow.db").read_bytes()


def test_an_unknown_model_lists_near_ones(desk: Desk, chain: tuple[dict[str, Any], str]) -> None:
    model_id = chain[0]["model_ids"][0]
    _, said = desk.run("stage=evaluate", f"evaluate.models={model_id[:-1]}u", succeeds=False)
    assert model_id in said
