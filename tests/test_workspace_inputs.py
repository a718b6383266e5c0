"""What a person may hand to a workspace by mistake is one line, with the cure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import pytest
from test_listing import dataset_record, trained

from susystream.data.enlarge import frame_of
from susystream.data.source import ToySource
from susystream.errors import DataError, NotFound, SettingsError
from susystream.registry.document import MlflowLink, ModelDocument
from susystream.schema import concatenate
from susystream.tables import Table
from susystream.workspace import Workspace

LINK = MlflowLink(experiment="susystream", run_id="r1", tracking_uri="sqlite:///mlflow.db")


@pytest.fixture(scope="module")
def model() -> ModelDocument:
    return trained(dataset_record(), LINK)


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return frame_of(concatenate(list(ToySource(9, seed=3).batches())))


@pytest.fixture
def workspace(
    store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: ModelDocument
) -> Iterator[Workspace]:
    """On a store with one model."""
    for name in os.environ:
        if name.startswith(("SUSYSTREAM_", "MLFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    ours = (f"registry.uri='{store_uri}'", f"registry.database=w{uuid4().hex}", "home=h")
    with Workspace(*ours) as found:
        found.store.save_dataset(dataset_record())
        found.store.save_model(model)
        yield found


def test_a_selector_does_wherever_a_model_is_asked_for(
    workspace: Workspace, model: ModelDocument, frame: pl.DataFrame
) -> None:
    frame.write_csv("mine.csv", include_header=False)
    by_selector = workspace.evaluate("latest", Path("mine.csv"))
    assert by_selector.tally == workspace.evaluate(model, "mine.csv").tally
    assert workspace.describe("latest").equals(workspace.describe(model))
    assert workspace.score(model.model_id, frame).equals(workspace.score(model, frame))
    assert workspace.model("latest") == model


def test_models_are_compared_as_documents_and_by_selectors(
    workspace: Workspace, model: ModelDocument
) -> None:
    other = trained(dataset_record(), LINK)
    workspace.store.save_model(other)
    assert workspace.compare(model, other.model_id).columns[2:] == [model.model_id, other.model_id]
    with pytest.raises(SettingsError, match="at least two models, received m"):
        workspace.compare(model, model)


CALLS: dict[str, Callable[[Workspace, Any, Any], object]] = {
    "model": lambda workspace, one, frame: workspace.model(one),
    "describe": lambda workspace, one, frame: workspace.describe(one),
    "verify": lambda workspace, one, frame: workspace.verify(one),
    "compare": lambda workspace, one, frame: workspace.compare(one, one),
    "evaluate": lambda workspace, one, frame: workspace.evaluate(one, "real"),
    "score": lambda workspace, one, frame: workspace.score(one, frame),
    "events": lambda workspace, one, frame: workspace.events(one),
    "features_figure": lambda workspace, one, frame: workspace.features_figure(one, frame),
}


@pytest.mark.parametrize("call", CALLS)
def test_what_is_no_model_is_one_line(workspace: Workspace, frame: pl.DataFrame, call: str) -> None:
    for one in (None, 5, ["latest"]):
        kind = type(one).__name__
        with pytest.raises(SettingsError, match=f"a model or its selector .*received {kind};"):
            CALLS[call](workspace, one, frame)
    with pytest.raises(NotFound, match=r"expected an id, .*, received an empty text; name one"):
        CALLS[call](workspace, "", frame)


@pytest.mark.parametrize(
    ("turned", "words"),
    [
        (pl.DataFrame.to_pandas, r"received pandas DataFrame; make one by pl\.from_pandas\(…\)$"),
        (pl.DataFrame.lazy, r"received polars LazyFrame; make one by its collect\(\)$"),
        (pl.DataFrame.to_dicts, r"received list; make one by pl\.DataFrame\(…\)$"),
    ],
    ids=["pandas", "lazy", "list"],
)
def test_what_is_no_frame_is_one_line(
    workspace: Workspace, model: ModelDocument, frame: pl.DataFrame, turned: Any, words: str
) -> None:
    given: Any = turned(frame)
    for call in (workspace.score, workspace.features_figure, lambda _, one: Table(one)):
        with pytest.raises(DataError, match=f"expected a Polars DataFrame, {words}"):
            call(model, given)


@pytest.mark.parametrize(
    ("test_set", "words"),
    [
        (None, "test set's name or file, received NoneType; name one"),
        (5, "test set's name or file, received int; name one"),
        ("", r"a test set out of holdout, .*received ''; name one of these"),
    ],
)
def test_what_is_no_test_set_is_one_line(
    workspace: Workspace, model: ModelDocument, test_set: Any, words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        workspace.evaluate(model, test_set)


@pytest.mark.parametrize(
    "typed",
    [
        *("evaluate.models=nosuch", "evaluate.input=mine.csv", "evaluate={input: mine.csv}"),
        *("evaluate.ensemble=logits", "stage=train", "stage.name=train"),
    ],
)
def test_an_override_that_no_workspace_uses_is_refused(typed: str) -> None:
    with pytest.raises(SettingsError, match="expected settings that a workspace uses") as told:
        _ = Workspace(typed).settings
    name = "evaluate.input" if "{" in typed else typed.partition("=")[0]
    assert f"received {name}; leave it out" in str(told.value)
    assert "\n" not in str(told.value)
