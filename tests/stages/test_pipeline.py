"""The whole chain on each kind of data, and beside the report's figures."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from mlflow import MlflowClient
from stages.desk import Open

from susystream.data.source import sample_path
from susystream.stages.pipeline import pipeline

NOTE = "mlflow.note.content"


def test_seed_report_prints_its_five_steps_beside_the_reports(
    opened: Open, said: io.StringIO
) -> None:
    with opened("experiment=seed_report") as context:
        result = pipeline(context)
    text = said.getvalue()
    for step in ("load 4,000 rows", "produce 3,600 events", "consume them", "train on", "test on"):
        assert step in text
    for figure in ("1.89 s", "3.56 s", "0.145 s", "9.98 s", "9,649 rows/s"):
        assert figure in text
    assert result.metrics["stream/messages"] == 3600
    assert all(len(line) <= 80 for line in text.splitlines() if "│" in line or "─" in line)


def test_the_chain_is_one_run_with_a_child_for_each_stage(opened: Open) -> None:
    with opened("tracking.pictures=true") as context:
        result = pipeline(context)
        client = MlflowClient(context.tracker.uri)
        parent = client.get_run(result.run_id)
        children = client.search_runs(
            [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{result.run_id}'"
        )
    stages = {child.data.tags["stage"] for child in children}
    assert stages == {"prepare", "publish", "train", "evaluate"}
    assert {child.info.status for child in children} == {"FINISHED"}
    assert parent.data.tags["model_id"] == result.model_ids[0]
    assert parent.data.tags["commit"] == children[0].data.tags["commit"]
    pictures = {
        child.data.tags["stage"]: [
            one.path for one in client.list_artifacts(child.info.run_id, "plots")
        ]
        for child in children
    }
    assert pictures == {
        "prepare": ["plots/features.png"],
        "publish": [],
        "train": ["plots/learning_curves.png"],
        "evaluate": [f"plots/{result.model_ids[0]}"],
    }
    assert parent.inputs is not None
    assert parent.inputs.dataset_inputs[0].dataset.name.endswith(result.dataset_ids[0])
    note = parent.data.tags[NOTE]
    for child in children:
        place = f"#/experiments/{child.info.experiment_id}/runs/{child.info.run_id}"
        assert f"[{child.data.tags['stage']}]({place})" in note
    assert f"holdout **{result.metrics['test/holdout/auc']:.4f}**" in note
    notes = {child.data.tags["stage"]: child.data.tags[NOTE] for child in children}
    assert notes["prepare"].startswith("**3,600** events to train on, **400** to test on")
    assert f"susystream data show {result.dataset_ids[0]}" in notes["publish"]
    assert f"Validation AUC **{result.metrics['validation/auc']:.4f}**" in notes["train"]
    assert f"susystream models verify {result.model_ids[0]}" in notes["train"]
    assert "[trained by this run](#/experiments/" in notes["evaluate"]


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_in_the_uci_form_goes_through_the_chain(
    opened: Open, tmp_path: Path, zipped: bool
) -> None:
    path = tmp_path / "SUSY.csv"
    path.write_bytes(sample_path().read_bytes() * 4)
    if zipped:
        path = tmp_path / "SUSY.csv.gz"
        path.write_bytes(gzip.compress(sample_path().read_bytes() * 4))
    with opened("data=susy", f"data.path={path}", "data.expected_rows=2000") as context:
        result = pipeline(context)
    assert result.metrics["test/holdout/rows"] == 200
    assert "test/real/rows" not in result.metrics
    assert result.metrics["stream/events"] == 1800
