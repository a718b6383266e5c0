"""A training that repeats a run says whether its weights are those of the run's model."""

from __future__ import annotations

import io

from mlflow import MlflowClient
from stages.desk import Open

from susystream.stages.context import StageContext
from susystream.stages.publish import publish
from susystream.stages.result import StageResult
from susystream.stages.train import train

TINY = ["data.rows=600", "model.hidden=[8]", "model.dropout=[0.1]"]


def tags_of(context: StageContext, result: StageResult) -> dict[str, str]:
    return dict(MlflowClient(context.tracker.uri).get_run(result.run_id).data.tags)


def test_equal_weights_are_told_and_so_are_others(opened: Open, said: io.StringIO) -> None:
    with opened(*TINY) as context:
        published = publish(context)
        first = train(context)
        assert "repeats" not in tags_of(context, first)
    for overrides, equal, words in (
        ([], "true", f"its weights equal those of run {first.run_id}, bit for bit"),
        (["seed=8"], "false", f"its weights differ from those of run {first.run_id}: sha256 "),
    ):
        with opened(*TINY, f"repeats='{first.run_id}'", *overrides) as context:
            tags = tags_of(context, train(context))
        assert (tags["repeats"], tags["repeats_equal"]) == (first.run_id, equal)
        assert words in said.getvalue()
    with opened(*TINY, f"repeats='{published.run_id}'") as context:
        assert "repeats_equal" not in tags_of(context, train(context))
    assert f"run {published.run_id} left no model to compare with" in said.getvalue()


def test_a_model_of_another_store_is_not_compared(opened: Open, said: io.StringIO) -> None:
    with opened(*TINY) as context:
        publish(context)
        with context.tracker.run("train", name="n", params={}, tags={"model_id": "m0"}) as run:
            pass
    with opened(*TINY, f"repeats='{run.run_id}'") as context:
        assert "repeats_equal" not in tags_of(context, train(context))
    assert f"model m0 of run {run.run_id} is not in this store" in said.getvalue()
