"""A training that starts from a stored model: its weights, its scaler, and what it learned from."""

from __future__ import annotations

import io

import pytest
from mlflow import MlflowClient
from stages.desk import Open

from susystream.errors import NotFound, SettingsError, SusystreamError
from susystream.model_listing import summary_of_model
from susystream.registry.document import ModelDocument, decode_weights
from susystream.stages.context import StageContext
from susystream.stages.evaluate import evaluate
from susystream.stages.publish import publish
from susystream.stages.train import train

OTHER = ["data.offset=100000", "data.rows=2000"]


def trained(context: StageContext) -> ModelDocument:
    return context.store.load_model(train(context).model_ids[0])


def published(opened: Open, *overrides: str) -> str:
    with opened(*overrides) as context:
        return publish(context).dataset_ids[0]


def child_of_another_slice(opened: Open) -> tuple[ModelDocument, ModelDocument]:
    """A model of the toy events 0 to 3999, and one that goes on from it on others."""
    published(opened)
    with opened() as context:
        parent = trained(context)
    published(opened, *OTHER)
    with opened(f"train.parent={parent.model_id[:-2]}") as context:
        return parent, trained(context)


def test_a_child_has_its_parents_scaler_and_made_again_the_same_weights(
    opened: Open,
) -> None:
    parent, child = child_of_another_slice(opened)
    assert child.training.parent_model_id == parent.model_id
    assert child.training.chain is None
    assert child.preprocessing == parent.preprocessing
    with opened() as context:
        record = context.store.load_dataset(child.training.dataset_id)
        assert record.scaler != parent.preprocessing
        run = MlflowClient(context.tracker.uri).get_run(child.mlflow.run_id)
    assert run.data.tags["parent_model_id"] == parent.model_id
    assert summary_of_model(child)["parent_model_id"] == parent.model_id  # `models show`
    with opened(f"train.parent={parent.model_id}") as context:
        assert trained(context).weights_sha256 == child.weights_sha256
    with opened("train.parent=" + parent.model_id, "train.learning_rate=1e-9") as context:
        still = trained(context)
    for now, before in zip(
        decode_weights(still.weights), decode_weights(parent.weights), strict=True
    ):
        assert abs(now - before).max() < 1e-6


OTHER_NETWORKS = {
    "model.hidden=[128, 64, 128]": r"model\.hidden \[128, 256, 128\] there and \[128, 64",
    "model.dropout=[0.1, 0.4, 0.4]": r"model\.dropout \[0\.2, .* there and \[0\.1",
    "model.activation=tanh": r"model\.activation \['relu', .* and \['tanh'",
    "model.features=low": r"model\.features \[",
}


def test_a_parent_that_does_not_fit_or_is_not_there_is_one_line(opened: Open) -> None:
    published(opened)
    with opened() as context:
        model_id = train(context).model_ids[0]
    for override, words in OTHER_NETWORKS.items():
        with (
            opened("train.parent=latest", override) as context,
            pytest.raises(SettingsError, match=words) as caught,
        ):
            train(context)
        assert "\n" not in str(caught.value)
    with opened("train.parent=mnone") as context, pytest.raises(NotFound, match=model_id):
        train(context)


def refused(opened: Open, *wanted: str) -> None:
    with (
        opened(*wanted) as context,
        pytest.raises(SusystreamError, match="trained on") as caught,
    ):
        evaluate(context)
    assert "\n" not in str(caught.value)


def test_a_child_is_not_tested_on_what_its_parent_learned_from(opened: Open) -> None:
    parent, _ = child_of_another_slice(opened)
    refused(opened, f"evaluate.input=dataset:{parent.training.dataset_id}")
    refused(opened, "~evaluate.sets.holdout", "evaluate.sets.toy_large.offset=50")


def test_a_holdout_that_a_parent_saw_is_refused(opened: Open) -> None:
    """The parent learned from events 0 to 3599, the child has 1800 to 1999 as its holdout."""
    published(opened)
    with opened() as context:
        parent = trained(context)
    published(opened, "data.rows=2000")
    with opened(f"train.parent={parent.model_id}") as context:
        train(context)
    refused(opened, "~evaluate.sets.toy_large")


def test_a_child_says_what_its_parent_saw_of_its_data_set(opened: Open, said: io.StringIO) -> None:
    """With the same part to validate on its figures are honest; with a larger one they may not."""
    dataset_id = published(opened, "data.rows=2000")
    with opened() as context:
        parent = trained(context)
        client = MlflowClient(context.tracker.uri)
    again = published(opened, "data.rows=2000", "stream.topic=other")
    honest = {"events_seen_by_parent": dataset_id}
    wanted: dict[tuple[str, ...], dict[str, str]] = {
        (f"train.dataset={dataset_id}",): honest,
        (f"train.dataset={dataset_id}", "train.validation_fraction=0.2"): honest
        | {"validation_seen_by_parent": "true"},
        (f"train.dataset={again}",): honest | {"validation_seen_by_parent": "true"},
    }
    for overrides, expected in wanted.items():
        with opened(f"train.parent={parent.model_id}", *overrides) as context:
            tags = client.get_run(trained(context).mlflow.run_id).data.tags
        assert {key: tags[key] for key in tags if "_seen_by_" in key} == expected
    assert f"its parent learned from events of it: {dataset_id}" in said.getvalue()
    assert said.getvalue().count("whose figures then flatter") == 2
