"""Stages go on while the tracking server is away; a model that was trained is in the store."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from stages.desk import Open
from stages.following import FOLLOW, published
from tracking.passage import Passage
from tracking.tracking_server import TrackingServer, tracking_server

from susystream.stages.context import StageContext
from susystream.stages.evaluate import evaluate
from susystream.stages.follow import follow
from susystream.stages.publish import publish
from susystream.stages.score import score
from susystream.stages.train import train


@pytest.fixture(scope="module")
def alone(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path
) -> Iterator[TrackingServer]:
    """A tracking server of this module's own."""
    with tracking_server(tmp_path_factory.mktemp("tracking"), empty_database) as found:
        yield found


@pytest.fixture
def passage(alone: TrackingServer) -> Iterator[Passage]:
    with Passage(alone.address) as found:
        yield found


def steps(address: str, run_id: str, name: str) -> list[int]:
    return sorted(one.step for one in MlflowClient(address).get_metric_history(run_id, name))


def on_hearing(
    monkeypatch: pytest.MonkeyPatch, context: StageContext, acts: dict[str, Callable[[], None]]
) -> list[str]:
    """Does something once, when the console says a thing; returns all that it says."""
    say, heard = context.console.say, list[str]()

    def saying(text: str) -> None:
        say(text)
        heard.append(text)
        for word in [word for word in acts if word in text]:
            acts.pop(word)()

    monkeypatch.setattr(context.console, "say", saying)
    return heard


def test_a_training_outlives_its_tracking_server_and_is_delivered_later(
    opened: Open, alone: TrackingServer, tmp_path: Path
) -> None:
    with opened() as context:
        publish(context)
        settings = context.settings
    overrides = [
        *(f"home={settings.home}", "tracking.patience_seconds=0.5", "train.epochs=3"),
        f"stream.bootstrap_servers={settings.stream.bootstrap_servers}",
        *(f"stream.topic={settings.stream.topic}", f"registry.uri={settings.registry.uri}"),
        *(f"registry.database={settings.registry.database}", f"hydra.run.dir={tmp_path}/out"),
    ]
    command = [sys.executable, "-m", "susystream", "run", "stage=train", *overrides]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*command, f"tracking.uri={alone.address}"], stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = []
        try:
            for line in process.stdout:
                said.append(line)
                if "epoch 1:" in line:
                    alone.stop(signal.SIGKILL)
            error = process.stderr.read()
        finally:
            process.kill()
    assert process.returncode == 1, error
    assert len(error.splitlines()) == 1, error
    assert f"{alone.address}, received: connection refused; all that was logged is kept" in error
    assert sum("is away" in line for line in said) == 1
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    with opened() as context:
        document = context.store.load_model("latest")
    assert [document.model_id] == result["model_ids"]
    assert document.status == "trained"
    alone.start()
    words = error.strip().rpartition("then: ")[2].split()
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    client = MlflowClient(alone.address)
    run = client.get_run(document.mlflow.run_id)
    assert (run.info.status, run.data.tags["model_id"]) == ("FINISHED", document.model_id)
    assert steps(alone.address, run.info.run_id, "train/loss") == [0, 1, 2]
    assert "model.json" in [one.path for one in client.list_artifacts(run.info.run_id)]
    assert "system/cpu_utilization_percentage" in run.data.metrics


def test_following_goes_on_when_the_tracking_server_is_back(
    opened: Open, passage: Passage, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = published(opened, 0, 1)
    away = ("tracking.patience_seconds=30", f"tracking.uri={passage.address}")
    with opened(*FOLLOW, *away) as context:
        acts = {"epoch 1:": passage.close, "waiting for the tracking server": passage.open}
        heard = on_hearing(monkeypatch, context, acts)
        result = follow(context)
    assert result.dataset_ids == tuple(both)
    assert any("is away" in one for one in heard)
    client = MlflowClient(passage.address)
    assert client.get_run(result.run_id).info.status == "FINISHED"
    assert steps(passage.address, result.run_id, "follow/test/auc") == [1, 2]
    with opened() as context:
        for model_id in result.model_ids:
            run = client.get_run(context.store.load_model(model_id).mlflow.run_id)
            assert (run.info.status, run.data.tags["model_id"]) == ("FINISHED", model_id)
            assert "follow/test/auc" in run.data.metrics


def test_an_evaluation_goes_on_and_no_error_comes_of_a_model_from_elsewhere(
    opened: Open, passage: Passage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as context:
        publish(context)
        (model_id,) = train(context).model_ids
    sets = ("~evaluate.sets.toy_large", "~evaluate.sets.real", "~evaluate.sets.real_10k")
    with opened(*sets, f"tracking.uri={passage.address}") as context:
        heard = on_hearing(monkeypatch, context, {"standard error": passage.open})
        add = context.store.add_metrics

        def close_and_add(*words: Any, **given: Any) -> None:
            passage.close()
            add(*words, **given)

        monkeypatch.setattr(context.store, "add_metrics", close_and_add)
        result = evaluate(context)
    assert any("is away" in one for one in heard)
    absent = f"trained {model_id} (whose document has the figures) is not on this tracking server"
    assert sum(absent in one for one in heard) == 1
    run = MlflowClient(passage.address).get_run(result.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test/holdout/auc"] == result.metrics["test/holdout/auc"]
    assert "holdout" in run.data.tags["mlflow.note.content"]


def test_live_scoring_goes_on_and_misses_no_figure(
    opened: Open, passage: Passage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as context:
        publish(context)
        train(context)
    choice = ("score.until=end", "score.model=latest", "score.report_seconds=0.001")
    slow = ("score.batch_events=100", "stream.codec.events_per_message=4")
    with opened(*choice, *slow, f"tracking.uri={passage.address}") as context:
        acts = {"events so far": passage.close, "messages are scored": passage.open}
        heard = on_hearing(monkeypatch, context, acts)
        result = score(context)
    periods = sum("events so far" in one for one in heard)
    assert periods >= 2
    found = steps(passage.address, result.run_id, "score/lag_messages")
    assert found == [*range(periods)]
    run = MlflowClient(passage.address).get_run(result.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["score/events"] == 3600
