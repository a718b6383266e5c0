"""Same slice, settings and commit: the same weights; also of a run that is repeated by its id."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from susystream.registry.document import new_id, now_iso
from susystream.registry.store import ModelStore

TINY = ["data.rows=600", "train.epochs=2", "model.hidden=[8]", "model.dropout=[0.1]", "seed=7"]
TINY += ["stream.topic=repeated"]
SETS = ["~evaluate.sets.toy_large", "~evaluate.sets.real_10k"]


@dataclass(frozen=True)
class Desk:
    """A folder, and the servers of the suite."""

    folder: Path
    broker: str
    store_uri: str

    @property
    def database(self) -> str:
        return self.folder.name.replace(".", "_")

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.folder}/mlflow.db")

    def run(self, *words: str) -> tuple[dict[str, Any], str]:
        """The result of a command at these servers, and what it said."""
        places = [
            *(f"stream.bootstrap_servers={self.broker}", f"registry.uri={self.store_uri}"),
            *(f"registry.database={self.database}", "tracking.system_metrics=false"),
        ]
        done = subprocess.run(
            [sys.executable, "-m", "susystream", "run", *places, *words],
            capture_output=True,
            text=True,
            timeout=240,
            cwd=self.folder,
            env={**os.environ, "MLFLOW_TRACKING_URI": ""},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        named = re.search(r"result\s+(\S+)", done.stdout.splitlines()[-1])
        assert named, done.stdout
        return json.loads((self.folder / named.group(1)).read_text()), done.stdout + done.stderr

    def weights_of(self, result: dict[str, Any]) -> str:
        with ModelStore(self.store_uri, self.database) as store:
            return store.load_model(result["model_ids"][0]).weights_sha256

    def add_dataset(self) -> None:
        """Registers a younger data set, as another publication does."""
        with ModelStore(self.store_uri, self.database) as store:
            record = store.load_dataset("latest")
            newer = {"dataset_id": new_id("d"), "created_at": now_iso()}
            store.save_dataset(record.model_copy(update=newer))
            assert store.load_dataset("latest").dataset_id == newer["dataset_id"]

    def evaluation_of(self, chain: dict[str, Any]) -> str:
        """The run id of the evaluation in a chain."""
        run = self.client.get_run(chain["run_id"])
        below = f"tags.mlflow.parentRunId = '{run.info.run_id}' and tags.stage = 'evaluate'"
        (found,) = self.client.search_runs([run.info.experiment_id], below)
        return str(found.info.run_id)

    def tags_of(self, result: dict[str, Any]) -> dict[str, str]:
        return dict(self.client.get_run(result["run_id"]).data.tags)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, broker: str, store_uri: str) -> Desk:
    return Desk(tmp_path_factory.mktemp("repeat"), broker, store_uri)


def figures(result: dict[str, Any]) -> dict[str, float]:
    """What an evaluation found, without its speed."""
    metrics: dict[str, float] = result["metrics"]
    return {
        name: value
        for name, value in metrics.items()
        if name.startswith("test/") and "per_second" not in name
    }


@pytest.mark.timeout(600)  # five commands, one after the other
def test_the_same_slice_settings_and_commit_give_the_same_weights(desk: Desk) -> None:
    """In five processes, three of which are told a run id alone."""
    chain, _ = desk.run(*TINY, *SETS)
    first, _ = desk.run("stage=train", *TINY)
    assert first["dataset_ids"] == chain["dataset_ids"]
    assert desk.weights_of(first) == desk.weights_of(chain)
    again, _ = desk.run(f"--from-run={chain['run_id']}")
    assert again["stage"] == "pipeline"
    assert again["dataset_ids"] == chain["dataset_ids"]
    assert desk.weights_of(again) == desk.weights_of(chain)
    assert desk.tags_of(again)["repeats_equal"] == "true"
    assert again["repeats_equal"] is True
    assert figures(again) == figures(chain)

    desk.add_dataset()  # what `latest` names from now on

    second, said = desk.run("--from-run", first["run_id"])
    assert second["dataset_ids"] == first["dataset_ids"]
    assert desk.weights_of(second) == desk.weights_of(first)
    assert f"its weights equal those of run {first['run_id']}, bit for bit" in said
    tags = desk.tags_of(second)
    assert (tags["repeats"], tags["repeats_equal"]) == (first["run_id"], "true")
    assert "repeats" not in desk.tags_of(first)

    evaluated, said = desk.run("--from-run", desk.evaluation_of(chain))
    assert f"its figures equal those of run {desk.evaluation_of(chain)}, to the last bit" in said
    assert desk.tags_of(evaluated)["repeats_equal"] == "true"
    assert evaluated["model_ids"] == chain["model_ids"]  # which are not the latest
    assert figures(evaluated) == figures(chain)
