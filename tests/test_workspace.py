"""What a notebook may rely on: the commands' servers, found from any folder, and one line of error.

That a whole chain's results are found and evaluated is shown by tests/notebooks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import polars as pl
import pytest
from test_listing import dataset_record, trained

from susystream.data.enlarge import frame_of
from susystream.data.source import ToySource
from susystream.errors import (
    DataError,
    ModelError,
    NotFound,
    ServiceError,
    SettingsError,
    TrackingError,
)
from susystream.registry.document import MlflowLink, ModelDocument, Probe
from susystream.schema import FEATURES, concatenate
from susystream.tables import Table
from susystream.tracking.address import sqlite_file
from susystream.workspace import Engine, Workspace

pytestmark = pytest.mark.usefixtures("no_addresses")
LINK = MlflowLink(experiment="susystream", run_id="r1", tracking_uri="sqlite:///mlflow.db")


@pytest.fixture(scope="module")
def model() -> ModelDocument:
    return trained(dataset_record(), LINK)


@pytest.fixture
def workspace(store_uri: str, tmp_path: Path) -> Iterator[Workspace]:
    """On a store with a data set and no model."""
    database = f"w{uuid4().hex}"
    with Workspace(
        f"registry.uri='{store_uri}'", f"registry.database={database}", "home=h"
    ) as found:
        found.store.save_dataset(dataset_record())
        yield found


def events(rows: int) -> pl.DataFrame:
    return frame_of(concatenate(list(ToySource(rows, seed=3).batches())))


def test_home_and_database_are_those_of_a_folder_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".susystream").mkdir()
    (tmp_path / "mlflow.db").touch()
    (below := tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(below)
    found = Workspace()
    assert found.home == tmp_path / ".susystream"
    assert found.settings.tracking.uri == f"sqlite:///{tmp_path}/mlflow.db"


def test_the_database_beside_the_home_comes_before_a_nearer_one_that_is_foreign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".susystream").mkdir()
    (below := tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(below)
    (below / "mlflow.db").touch()
    assert Workspace().settings.tracking.uri == f"sqlite:///{below}/mlflow.db"
    (tmp_path / "mlflow.db").touch()
    assert Workspace().settings.tracking.uri == f"sqlite:///{tmp_path}/mlflow.db"


def test_addresses_of_the_environment_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".susystream").mkdir()
    monkeypatch.setenv("SUSYSTREAM_HOME", "/data")
    monkeypatch.setenv("SUSYSTREAM_REGISTRY_URI", "mongodb://mongo:27017/")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    monkeypatch.setenv("SUSYSTREAM_SPARK_MASTER", "spark://spark:7077")
    found = Workspace()
    assert found.home == Path("/data")
    assert found.settings.registry.uri == "mongodb://mongo:27017/"
    assert found.settings.tracking.uri == "http://mlflow:5000"
    assert master(Workspace("evaluate/engine=spark"), None) == "spark://spark:7077"
    assert master(Workspace(), "spark") == "spark://spark:7077"


def test_the_spark_master_is_the_commands_default_however_spark_is_chosen() -> None:
    assert master(Workspace("evaluate/engine=spark"), None) == "local[*]"
    assert master(Workspace(), "spark") == "local[*]"


def master(workspace: Workspace, engine: Engine | None) -> str:
    return str(workspace._engine(engine).model_dump()["master"])


@pytest.mark.parametrize("name", ["./mlflow.db", "lite", "mlflow.db?timeout=9"])
def test_a_database_that_is_here_is_found_by_any_name(tmp_path: Path, name: str) -> None:
    file, _, query = name.partition("?")
    (tmp_path / file).touch()
    found = Workspace(f"tracking.uri='sqlite:///{name}'").settings.tracking.uri
    assert found.endswith(query)
    assert sqlite_file(found) == tmp_path / file


@pytest.mark.parametrize("engine", ["polars", "Local", ""])
def test_an_engine_that_is_none_is_refused(
    workspace: Workspace, model: ModelDocument, engine: Engine
) -> None:
    with pytest.raises(SettingsError, match=f"engine local or spark, received '{engine}'"):
        workspace.evaluate(model, "holdout", engine=engine)


@pytest.mark.parametrize("text", ["slice:bad", "dataset:", "slice:a/0:9-1"])
def test_a_mistyped_slice_is_one_line(
    workspace: Workspace, model: ModelDocument, text: str
) -> None:
    (workspace.home / "kafka").mkdir(parents=True)
    with pytest.raises(SettingsError, match=f"test set '{text}': "):
        workspace.evaluate(model, text)


def test_a_test_set_of_an_unknown_form_is_not_replaced_by_todays(
    workspace: Workspace, model: ModelDocument
) -> None:
    sets = {"toy_large": {"kind": "a form to come"}, "real": {"kind": "real_sample"}}
    config = {**model.training.config, "evaluate": {"sets": sets}}
    training = model.training.model_copy(update={"config": config})
    with pytest.raises(SettingsError, match=r"test set toy_large as model .* was trained with it"):
        workspace.evaluate(model.model_copy(update={"training": training}), "toy_large")


def test_where_there_is_no_home_nothing_is_started_or_made(
    tmp_path: Path, model: ModelDocument
) -> None:
    for test_set in ("nosuch", "dataset:latest"):
        with pytest.raises(NotFound, match="here or above"):
            Workspace().evaluate(model, test_set)
    with pytest.raises(NotFound, match=r"here or above.*susystream run experiment=quickstart$"):
        Workspace().models()
    with pytest.raises(TrackingError, match=r"no such file.*susystream run experiment=quickstart$"):
        _ = Workspace().tracking_uri
    with pytest.raises(ServiceError, match=r"broker's data in .susystream/kafka, received none"):
        _ = Workspace().bootstrap_servers
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("variable", [True, False])
def test_a_home_that_was_typed_wrong_may_be_corrected(
    monkeypatch: pytest.MonkeyPatch, variable: bool
) -> None:
    name = "SUSYSTREAM_HOME" if variable else "home"
    if variable:
        monkeypatch.setenv(name, "/nowhere")
    found = Workspace() if variable else Workspace("home=/nowhere")
    for error, of in ((NotFound, "store"), (ServiceError, "bootstrap_servers")):
        with pytest.raises(error, match=f"/nowhere/.*; .*correct {name}, or run the chain first: "):
            getattr(found, of)


def test_an_empty_store_says_what_makes_the_first_model(workspace: Workspace) -> None:
    assert workspace.models()["model_id"].to_list() == []
    with pytest.raises(
        NotFound, match=r"holds none yet; .*: susystream run experiment=quickstart$"
    ):
        workspace.model()


def test_what_was_closed_is_opened_again(workspace: Workspace, model: ModelDocument) -> None:
    workspace.store.save_model(model)
    workspace.close()
    assert workspace.models()["model_id"].to_list() == [model.model_id]
    assert workspace.model(model.created_at) == model


def test_an_unknown_test_set_is_one_line_with_the_known_ones(
    workspace: Workspace, model: ModelDocument
) -> None:
    with pytest.raises(SettingsError, match=r"holdout, toy_large.*received 'holdot'; name one"):
        workspace.evaluate(model, "holdot")


def test_real_events_are_no_test_set_of_a_model_that_saw_some(
    workspace: Workspace, model: ModelDocument
) -> None:
    record = dataset_record().model_copy(update={"source": {"kind": "susy"}})
    workspace.store.save_dataset(record)
    training = model.training.model_copy(update={"dataset_id": record.dataset_id})
    with pytest.raises(SettingsError, match="no model was trained on, received real ones"):
        workspace.evaluate(model.model_copy(update={"training": training}), "real")


def test_scores_are_the_probabilities_of_the_stored_network(
    workspace: Workspace, model: ModelDocument
) -> None:
    features, logits = model.probe.arrays()
    frame = pl.DataFrame(dict(zip(FEATURES, features.T, strict=True)))
    scores = workspace.score(model, frame.with_columns(extra=pl.lit("x"))).to_numpy()
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-logits.astype(float))), rtol=1e-4)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (events(9).drop("M_R"), r"expected columns \['M_R'\] too, received"),
        (events(9).with_columns(M_R=pl.lit(None)), "received others in 9 of 9 events"),
        (events(9).with_columns(R=pl.lit(float("nan"))), "received others in 9 of 9 events"),
        (events(9).with_columns(R=pl.lit("x")), "numbers in column 'R', received String"),
        (events(9).with_columns(R=pl.lit(True)), "numbers in column 'R', received Boolean"),
        (events(9).with_columns(R=pl.concat_list("R")), "numbers in column 'R', received List"),
    ],
    ids=["missing", "empty", "NaN", "text", "truth", "list"],
)
def test_what_cannot_be_scored_is_one_line(
    workspace: Workspace, model: ModelDocument, frame: pl.DataFrame, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        workspace.score(model, frame)


def test_the_scorer_of_a_frame_is_that_of_the_overrides(model: ModelDocument) -> None:
    features, logits = model.probe.arrays()  # which OpenVINO has to give, before it is trusted
    other = model.model_copy(update={"probe": Probe.of(features, logits + 1)})
    with pytest.raises(ModelError, match="expected OpenVINO to give the recorded logits"):
        Workspace("evaluate.scorer=openvino").score(other, events(9))
    assert Workspace("evaluate.scorer=tensorflow").score(other, events(9)).len() == 9


def test_a_table_marks_thousands_of_counts_alone() -> None:
    frame = pl.DataFrame({"year": [2026], "seed": [12345], "rows": [1234567]})
    assert repr(Table(frame, counts=("rows",))).splitlines()[1] == "2026  12345  1,234,567"


def test_a_table_shows_every_row_and_text_as_it_is() -> None:
    frame = pl.DataFrame(
        {"<name>": [f"{n} & co" for n in range(99)], "n": [n / 7 for n in range(99)]}
    )
    shown = Table(frame)._repr_html_()
    assert shown.count("<tr>") == 100
    assert '<th style="text-align: left">&lt;name&gt;</th>' in shown
    assert '<td style="text-align: left">98 &amp; co</td>' in shown
    assert '<td style="text-align: right">0.142857</td>' in shown
    assert repr(1 / 7) in repr(Table(frame, digits=None))
