"""What a chain is measured by: one test set, a forgetting that is seen, figures that are honest."""

from __future__ import annotations

import io

import pytest
from mlflow import MlflowClient
from stages.desk import Open
from stages.following import documents, followed, published

from susystream.errors import SettingsError
from susystream.stages.evaluate import evaluate
from susystream.stages.learned import learned_by, validation_part
from susystream.stages.train import train


def test_a_network_that_unlearns_is_seen_to_forget(opened: Open, said: io.StringIO) -> None:
    published(opened, 0)
    followed(opened, "train.epochs=3")
    published(opened, 1)
    result = followed(opened, "train.shuffle_labels=true", "train.learning_rate=0.03")
    with opened() as context:
        client = MlflowClient(context.tracker.uri)
        steps = client.get_metric_history(result.run_id, "follow/forgetting")
        error = client.get_run(result.run_id).data.metrics["follow/test/auc_stderr"]
    assert [one.step for one in steps] == [1, 2]
    assert steps[0].value == 0.0
    assert steps[1].value > 0.05
    assert 0 < error < 0.1
    for model in documents(opened, result):
        for name in ("follow/test", "follow/validation", "follow/first"):
            assert 0 < model.metrics[f"{name}/auc_stderr"] < 0.1
    assert f"±{error:.4f}" in said.getvalue()
    assert "forgetting: best test AUC so far minus this one" in said.getvalue()


def test_data_sets_that_share_events_are_told(opened: Open, said: io.StringIO) -> None:
    first, second = published(opened, 0, 1)
    (third,) = published(opened, 1, overrides=("data.rows=1000", "data.offset=2500"))
    result = followed(opened)
    assert result.dataset_ids == (first, second, third)
    assert f"its parent learned from events of it: {second}" in said.getvalue()
    *_, last = documents(opened, result)
    with opened() as context:
        tags = MlflowClient(context.tracker.uri).get_run(last.mlflow.run_id).data.tags
    assert tags["events_seen_by_parent"] == second
    assert tags["validation_seen_by_parent"] == "true"


def test_a_test_set_is_known_by_its_events_and_no_other_takes_its_place(opened: Open) -> None:
    """The same events elsewhere, an evaluation's set of the same name, and other events."""
    _, test = published(opened, 0, 1)
    (model,) = followed(opened, f"train.following.test=dataset:{test}").model_ids
    toy = "+evaluate.sets.follow={kind: toy, rows: 500, offset: 100000}"
    with opened(toy, "~evaluate.sets.toy_large", "~evaluate.sets.holdout") as context:
        evaluate(context)
        assert {"follow", "follow/test"} <= set(context.store.load_model(model).test_sets)
    (elsewhere,) = published(opened, 1, overrides=("stream.topic=elsewhere",))
    (third,) = published(opened, 2)
    moved = followed(opened, f"train.following.test=dataset:{elsewhere}")
    assert moved.dataset_ids == (third,)
    with pytest.raises(SettingsError, match="source kind slice, received holdout"):
        followed(opened)


def test_a_cure_names_the_setting_of_following(opened: Open) -> None:
    (first,) = published(opened, 0)
    with pytest.raises(SettingsError, match=r"set train\.following\.test to other events"):
        followed(opened, f"train.following.test=slice:{_slice_of(opened, first)}")


def _slice_of(opened: Open, dataset_id: str) -> str:
    """A part of it."""
    with opened() as context:
        record = context.store.load_dataset(dataset_id)
    return f"{record.slice['topic']}/0:0-3"


def test_a_chain_keeps_the_parent_that_it_began_from(opened: Open) -> None:
    published(opened, 0)
    with opened() as context:
        parent, other = (train(context).model_ids[0] for _ in range(2))
    (second,) = published(opened, 1)
    begun = followed(opened, f"train.parent={parent}")
    assert begun.dataset_ids == (second,)
    with pytest.raises(SettingsError, match=f"began from {parent}, received train.parent={other}"):
        followed(opened, f"train.parent={other}")
    assert followed(opened, "train.parent=latest").model_ids == ()  # the chain's own last
    assert followed(opened, f"train.parent={parent}").model_ids == ()


def test_a_model_that_does_not_say_how_it_was_validated_counts_as_fitted_to_all(
    opened: Open,
) -> None:
    """As one may be that was imported."""
    published(opened, 0)
    with opened() as context:
        document = context.store.load_model(train(context).model_ids[0])
        bare = document.training.model_copy(update={"config": {}})
        (told,) = learned_by(context, [document])
        (untold,) = learned_by(context, [document.model_copy(update={"training": bare})])
    assert told.fitted.messages < told.slice.messages
    assert untold.fitted == untold.slice
    assert validation_part(document.model_copy(update={"training": bare})) is None
