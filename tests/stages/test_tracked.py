"""A run says what happened to it, whatever did."""

from __future__ import annotations

import pytest
from mlflow import MlflowClient
from stages.desk import Open

from susystream.errors import DataError, TrackingError
from susystream.stages.context import StageContext
from susystream.stages.tracked import tracked

NOTE = "mlflow.note.content"


def broken(context: StageContext, error: BaseException) -> str:
    ids: list[str] = []
    with pytest.raises(type(error)):
        fail(context, error, ids)
    return noted(context, ids[0])


def fail(context: StageContext, error: BaseException, ids: list[str]) -> None:
    with tracked(context, "prepare", usually="toy") as run:
        assert noted(context, run.run_id) == "Running: prepare toy."
        ids.append(run.run_id)
        raise error


def noted(context: StageContext, run_id: str) -> str:
    return str(MlflowClient(context.tracker.uri).get_run(run_id).data.tags[NOTE])


def test_a_run_that_failed_says_why_and_one_that_was_stopped_that_it_was(opened: Open) -> None:
    with opened() as context:
        said = broken(context, DataError("expected rows, received mongodb://me:hunter2@host/"))
        assert said.startswith("**Failed**: prepare toy.")
        assert "`expected rows, received mongodb://host/`" in said
        assert broken(context, KeyboardInterrupt()).startswith("**Stopped**: prepare toy.")
        refused = TrackingError("expected a param to be taken, received a refusal; shorten it")
        assert "a refusal" in broken(context, refused)


def test_the_name_and_the_params_are_those_of_the_stage(opened: Open) -> None:
    with opened("seed=7") as context:
        context.differs = {"seed": 7, "train.epochs": 1}
        with tracked(context, "prepare", usually="toy", facts={"more": 1}) as run:
            pass
        found = MlflowClient(context.tracker.uri).get_run(run.run_id)
    assert found.info.run_name == "prepare: seed=7"
    assert found.data.params["seed"] == "7"
    assert found.data.params["more"] == "1"
    assert "train.epochs" not in found.data.params
