"""Figures of an evaluation come wherever they belong, and their table fits a terminal."""

from __future__ import annotations

import io

import pytest
import rich.console
from mlflow import MlflowClient
from stages.desk import Open
from test_listing import dataset_record, trained

from susystream.data.bad_rows import BadRows
from susystream.errors import TrackingError
from susystream.registry.document import MlflowLink, ModelDocument
from susystream.stages.console import Console
from susystream.stages.recording import TABLE_COLUMNS, Evaluated, store, table_row

FIGURES = {
    "auc": 0.85,
    "auc_low": 0.85,
    "auc_high": 0.85,
    "auc_stderr": 0.0175,
    "accuracy": 0.78,
    "log_loss": 0.46,
}


def evaluated(name: str) -> Evaluated:
    return Evaluated(name, {}, {}, {}, BadRows(), rows=75_000_000, scanned=75_000_000, seconds=60)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("d20261124-190425643-q5wxy", {"auc": 0.85004, "auc_stderr": 0.00042}),
        ("toy_large", {"log_loss": 3.2e33}),
        ("a-name-that-somebody-gave-to-a-file", {"auc_low": 0.8499999, "auc_stderr": 4.27e-5}),
    ],
)
def test_a_row_fits_eighty_columns(name: str, change: dict[str, float]) -> None:
    said = io.StringIO()
    console = Console(rich.console.Console(file=said, width=80))
    console.table("Model", TABLE_COLUMNS, [table_row(evaluated(name), {**FIGURES, **change})])
    lines = said.getvalue().splitlines()
    assert all(len(line) <= 80 for line in lines)
    errors = {0.0175: "0.8500±0.0175", 0.00042: "0.85004±0.00042", 4.27e-5: "0.850000±0.000043"}
    auc = errors[change.get("auc_stderr", FIGURES["auc_stderr"])]
    for figure in ("75,000,000", auc, "0.7800", "1,250,000"):
        assert figure in lines[-1]
    assert "…" not in lines[1]


def test_all_documents_have_their_figures_before_any_run_gets_some(opened: Open) -> None:
    """The first model's run was deleted; where nothing can be kept for it, that is told last."""
    found = {"model-one": {"test/a/auc": 0.7}, "model-two": {"test/a/auc": 0.8}}
    with opened() as context:
        client, ids = MlflowClient(context.tracker.uri), dict[str, str]()
        for name in found:
            with context.tracker.run("train", name=name, params={}, tags={}) as run:
                ids[name] = run.run_id
        client.delete_run(ids["model-one"])
        documents = dict[str, ModelDocument]()
        for name, run_id in ids.items():
            link = MlflowLink(experiment="tests", run_id=run_id, tracking_uri=context.tracker.uri)
            documents[name] = trained(dataset_record(), link).model_copy(update={"model_id": name})
            context.store.save_model(documents[name])
        place = context.settings.home / "tracking"
        place.parent.mkdir(exist_ok=True)
        place.touch()
        with pytest.raises(TrackingError, match="expected to keep in"):
            store(context, documents, found, [])
        aucs = {name: context.store.load_model(name).metrics["test/a/auc"] for name in found}
        assert aucs == {"model-one": 0.7, "model-two": 0.8}
        place.unlink()
        store(context, documents, found, [])
    assert client.get_run(ids["model-two"]).data.metrics == {"test/a/auc": 0.8}
    assert len(list(place.glob("*.refused"))) == 1
