"""Training: proven events, a model that is found only once it is proven, figures that say so."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from stages.desk import Open

from susystream.errors import (
    DocumentInvalid,
    NotFound,
    SettingsError,
    SliceTruncated,
    StoreUnavailable,
)
from susystream.registry.store import ModelStore
from susystream.services.state import ServiceFiles, ServiceState
from susystream.services.store import embedded_store
from susystream.stages import train as train_stage
from susystream.stages.context import StageContext
from susystream.stages.publish import publish
from susystream.stages.train import train
from susystream.stream.slices import TopicSlice


def weights_of(context: StageContext) -> str:
    return context.store.load_model(train(context).model_ids[0]).weights_sha256


def test_both_readers_train_the_same_model(opened: Open) -> None:
    """Of a slice in two parts, so that the second part starts inside its partitions."""
    with opened() as context:
        publish(context)
        by_kafka = weights_of(context)
    with opened("stream/reader=tfio") as context:
        assert weights_of(context) == by_kafka


def test_few_events_are_many_messages_and_can_be_validated(opened: Open) -> None:
    with opened("data=real_sample") as context:
        published = publish(context)
        record = context.store.load_dataset("latest")
        result = train(context)
    assert published.metrics["stream/messages"] >= 100
    assert (record.rows, record.events_per_message) == (450, 4)
    assert result.objective == result.metrics["validation/auc"]


def test_a_record_of_csv_says_one_event_a_message(opened: Open) -> None:
    with opened("stream/codec=csv", "stream.codec.events_per_message=1000") as context:
        publish(context)
        record = context.store.load_dataset("latest")
    assert (record.codec, record.events_per_message) == ("csv", 1)


def test_a_validation_part_that_would_be_empty_is_an_error(opened: Open) -> None:
    with opened("data.rows=20") as context:
        publish(context)
    with (
        opened("train.validation_fraction=0.01") as context,
        pytest.raises(SettingsError, match=r"train\.validation_fraction=0$"),
    ):
        train(context)


def test_without_validation_there_is_nothing_to_optimise(opened: Open) -> None:
    with opened("train.validation_fraction=0") as context:
        publish(context)
        assert train(context).objective is None


def test_a_model_that_is_not_proven_is_found_by_its_id_alone(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(document: object) -> None:
        raise DocumentInvalid("expected the recorded probe, received another")

    with opened() as context:
        publish(context)
        monkeypatch.setattr(train_stage, "prove_stored", broken)
        with pytest.raises(DocumentInvalid):
            train(context)
        (left,) = context.store.list_models()
        assert left.status == "unproven"
        with pytest.raises(NotFound):
            context.store.load_model("latest")
        assert context.store.load_model(left.model_id).status == "unproven"
        monkeypatch.undo()
        model_id = train(context).model_ids[0]
        assert context.store.load_model("latest").model_id == model_id


def test_events_that_are_gone_stop_the_training(opened: Open) -> None:
    with opened() as context:
        publish(context)
        record = context.store.load_dataset("latest")
        held = TopicSlice.from_json(record.slice)
        (first, start, end), *others = held.ranges
        beyond = TopicSlice(held.topic, ((first, start, end + 5), *others))
        longer = record.model_copy(
            update={"dataset_id": "d99999999-000000000-aaaaa", "slice": beyond.to_json()}
        )
        context.store.save_dataset(longer)
    with (
        opened(f"train.dataset={longer.dataset_id}") as context,
        pytest.raises(SliceTruncated, match="publish again"),
    ):
        train(context)


def test_the_terminal_shows_each_epoch(opened: Open, said: io.StringIO) -> None:
    with opened("train.epochs=2") as context:
        publish(context)
        train(context)
    shown = said.getvalue().splitlines()
    assert sum("epoch " in line for line in shown) == 2
    assert all(len(line) <= 140 for line in shown)


def test_a_trained_model_outlives_a_store_that_went_away(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store's own server is killed while the network trains."""
    home = tmp_path / "alone"
    with (
        embedded_store(home) as uri,
        opened(f"registry.uri={uri}", "registry.timeout_seconds=2") as context,
    ):
        publish(context)
        kill = kill_store_at_first_epoch(home, context.console.say)
        monkeypatch.setattr(context.console, "say", kill)
        with pytest.raises(StoreUnavailable, match="susystream models import") as caught:
            train(context)
    path = Path(str(caught.value).rpartition("import ")[2])
    with embedded_store(home) as uri:  # another server on the same data
        done = subprocess.run(
            [sys.executable, "-m", "susystream", "models", "import", str(path), "--uri", uri],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        with ModelStore(uri) as store:
            document = store.load_model("latest")
    assert document.model_id == done.stdout.partition(":")[0]
    assert context.tracker.tags_of(document.mlflow.run_id)["model_id"] == document.model_id


def kill_store_at_first_epoch(home: Path, say: Callable[[str], None]) -> Callable[[str], None]:
    def heard(text: str) -> None:
        say(text)
        if "epoch 1" in text:
            state = ServiceState.read(ServiceFiles.of(home, "store"))
            assert state is not None
            os.kill(state.server_pid, signal.SIGKILL)

    return heard
