"""What a chain needs may be gone: a data set, a model, the run that trained one."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, TopicPartition
from mlflow import MlflowClient
from pymongo import MongoClient
from stages.desk import Open
from stages.following import documents, followed, published

from susystream.errors import NotFound, RegistryError, SettingsError, SliceTruncated
from susystream.stages.train import train
from susystream.tracking.left_behind import deliver


def first_messages_removed(opened: Open) -> None:
    """As retention does it."""
    with opened() as context:
        partition = TopicPartition(context.settings.stream.topic, 0)
        admin = KafkaAdminClient(bootstrap_servers=context.kafka.bootstrap_servers)
    try:
        admin.delete_records({partition: 10})
    finally:
        admin.close()


def test_a_data_set_that_retention_removed_is_left_out_when_told_so(
    opened: Open, said: io.StringIO
) -> None:
    first, second = published(opened, 0, 1)
    first_messages_removed(opened)
    with pytest.raises(SliceTruncated, match=r"train\.following\.since"):
        followed(opened)
    with opened() as context:
        at = context.store.load_dataset(second).created_at
    for number, since in enumerate((second, at)):
        chain = f"train.following.chain=chain_{number}"
        result = followed(opened, f"train.following.since={since}", chain)
        assert result.dataset_ids == (second,)
        assert f"{first} left out: before train.following.since" in said.getvalue()
        tags = MlflowClient(context.tracker.uri).get_run(result.run_id).data.tags
        assert tags["since"] == since


def test_a_beginning_that_is_not_there_or_elsewhere_is_one_line(opened: Open) -> None:
    published(opened, 0)
    (other,) = published(opened, 1, overrides=("stream.topic=elsewhere",))
    with pytest.raises(NotFound, match="d1999"):
        followed(opened, "train.following.since=d1999")
    with pytest.raises(SettingsError, match=f"received {other} of elsewhere"):
        followed(opened, f"train.following.since={other}")
    assert followed(opened, "train.following.since=2999-01-01").model_ids == ()
    assert len(followed(opened, "train.following.since=2020-01-01").model_ids) == 1


def test_a_chain_whose_first_model_is_gone_does_not_learn_again(opened: Open) -> None:
    published(opened, 0, 1)
    first, second = followed(opened).inputs["models"]
    with opened() as context:
        registry = context.settings.registry
        client: MongoClient[dict[str, object]] = MongoClient(registry.uri)
        with client:
            removed = client[registry.database]["models"].delete_one({"model_id": first})
        assert removed.deleted_count == 1
        with pytest.raises(RegistryError, match=f"expected parent {first} of model {second}"):
            followed(opened)
        with pytest.raises(RegistryError, match="susystream models import"):
            followed(opened, "train.following.chain=new", f"train.parent={second}")
        assert [one.model_id for one in context.store.list_models()] == [second]


def test_a_model_is_judged_whose_run_is_on_another_tracking_server(
    opened: Open, said: io.StringIO, tmp_path: Path
) -> None:
    published(opened, 0)
    with opened(f"tracking.uri=sqlite:///{tmp_path}/other.db") as context:
        train(context, chain="report_mlp")
    (model,) = documents(opened, followed(opened))
    assert "follow/test/auc" in model.metrics
    told = f"that trained {model.model_id} (whose document has the figures) is not on this tracking"
    assert told in " ".join(said.getvalue().split())


def test_a_chain_goes_on_past_a_model_whose_run_was_deleted_and_its_figures_wait(
    opened: Open, said: io.StringIO
) -> None:
    """MLflow refuses figures for a run that someone removed, until it is restored."""
    first, second = published(opened, 0, 1)
    with opened(f"train.dataset={first}") as context:
        model_id = train(context, chain="report_mlp").model_ids[0]
        run_id = context.store.load_model(model_id).mlflow.run_id
        client = MlflowClient(context.tracker.uri)
        client.delete_run(run_id)
    result = followed(opened)
    assert result.dataset_ids == (second,)
    (auc, _) = (one.metrics["follow/test/auc"] for one in documents(opened, result))
    told = " ".join(said.getvalue().split())
    assert f"that trained {model_id} (whose document has the figures) is deleted; restore" in told
    client.restore_run(run_id)
    (kept,) = (context.settings.home / "tracking").glob("*.refused")
    delivered = deliver(kept, uri=None, timeout_seconds=10)
    assert delivered is not None
    assert delivered.missing == ""
    assert client.get_run(run_id).data.metrics["follow/test/auc"] == auc
