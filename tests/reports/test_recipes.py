"""Each recipe as a person runs it, at toy size, and the report of what it tracked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from reports.desk import ReportDesk

from susystream.errors import TrackingError

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SMALL = (
    *("data.rows=1200", "train.epochs=1"),
    *("evaluate.sets.toy_large.rows=2000", "~evaluate.sets.real"),
    "tracking.system_metrics=false",
)
NARROW = ("model.hidden=[4]", "model.dropout=[0]")


@dataclass
class ToyDesk:
    """A desk, and the servers of the suite."""

    desk: ReportDesk
    broker: str
    store_uri: str

    def run(self, recipe: str, *overrides: str) -> None:
        """The command of a recipe's README."""
        name = self.desk.folder.name.replace(".", "_")
        ours = [
            f"home={self.desk.folder}/home",
            f"stream.bootstrap_servers={self.broker}",
            f"stream.topic={name}",
            f"registry.uri={self.store_uri}",
            f"registry.database={name[-40:]}",
        ]
        script = EXPERIMENTS / recipe / "run.sh"
        command = (
            [str(script)] if script.exists() else ["susystream", "run", f"experiment={recipe}"]
        )
        done = subprocess.run(
            [*command, *ours, *SMALL, *overrides],
            capture_output=True,
            text=True,
            timeout=280,
            cwd=self.desk.folder,
            env={**os.environ, "MLFLOW_TRACKING_URI": self.desk.uri, "TEST_ROWS": "3000"}
            | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    def reported(self, recipe: str) -> Mapping[str, list[dict[str, Any]]]:
        """The tables of the report, made in a folder with a copy of the committed README."""
        committed = (EXPERIMENTS / recipe / "README.md").read_text()
        place = self.desk.place(recipe, committed)
        with pytest.raises(TrackingError, match=r"other settings, .*data.rows=1200"):
            self.desk.report(recipe)
        self.desk.report(recipe, "--any-settings")
        self.desk.report(recipe, "--check")
        assert (place / "README.md").read_text() != committed
        assert (place / "figure.png").read_bytes()[:4] == b"\x89PNG"
        result = self.desk.result(recipe)
        assert result["params"]["train.epochs"] == "1"
        assert result["variant"]["data.rows"] == "1200"
        return {str(name): rows for name, rows in result["tables"].items()}

    def metrics(self, number: int = 0, *, recipe: str) -> Mapping[str, float]:
        """Of a run that the report read, as the server has them."""
        run_id = self.desk.result(recipe)["runs"][number]["run_id"]
        return dict(MlflowClient(tracking_uri=self.desk.uri).get_run(run_id).data.metrics)


@pytest.fixture
def toy(desk: ReportDesk, broker: str, store_uri: str) -> ToyDesk:
    return ToyDesk(desk, broker, store_uri)


def test_seed_report_has_its_five_steps_and_its_sets(toy: ToyDesk) -> None:
    toy.run("seed_report", *NARROW)
    tables = toy.reported("seed_report")
    tracked = toy.metrics(recipe="seed_report")
    steps = {row["step"]: row["seconds"] for row in tables["steps"]}
    assert steps["load"] == tracked["steps/load_seconds"] > 0
    assert steps["produce"] == tracked["steps/produce_seconds"] > 0
    assert steps["train"] == tracked["train/seconds"] > 0
    assert len(steps) == 5
    assert [row["here_of"] for row in tables["steps"]][:2] == ["1,200 rows", "1,080 events"]
    assert [row["set"] for row in tables["sets"]] == ["holdout", "real_10k", "toy_large"]


def test_low_vs_high_is_one_row_a_choice_of_features(toy: ToyDesk) -> None:
    toy.run("low_vs_high", *NARROW)
    rows = toy.reported("low_vs_high")["features"]
    assert [row["model.features"] for row in rows] == ["low", "high", "complete"]
    assert [row["paper/deep network, dropout"] for row in rows] == [0.876, 0.869, 0.879]
    for number, row in enumerate(rows, start=1):  # the sweep's run comes first
        tracked = toy.metrics(number, recipe="low_vs_high")
        assert row["test/toy_large/auc"] == tracked["test/toy_large/auc"]
    assert len({row["test/real_10k/auc"] for row in rows}) == 3


def test_width_search_is_one_row_a_width(toy: ToyDesk) -> None:
    toy.run("width_search", "model.hidden=[2,2,2],[4,4,4]")
    rows = toy.reported("width_search")["widths"]
    assert [(row["width"], row["model/parameters"]) for row in rows] == [(2, 53), (4, 121)]


def test_an_ensemble_stands_below_its_members_which_one_data_set_made(toy: ToyDesk) -> None:
    toy.run("ensemble", *NARROW)
    rows = toy.reported("ensemble")["networks"]
    assert [row["network"] for row in rows] == [
        *(f"member_{n}" for n in range(1, 6)),
        "mean of all",
    ]
    client = MlflowClient(tracking_uri=toy.desk.uri)
    read = [client.get_run(one["run_id"]) for one in toy.desk.result("ensemble")["runs"]]
    (mean,) = [one for one in read if one.info.run_name == "ensemble"]
    assert rows[-1]["test/toy_large/auc"] == mean.data.metrics["test/toy_large/auc"]
    trained = [one for one in read if one.data.tags["stage"] == "train"]
    assert {one.data.params["seed"] for one in trained} == {"1", "2", "3", "4", "5"}
    assert len({one.data.tags["dataset_id"] for one in trained}) == 1


def test_a_chain_learns_from_four_toy_data_sets_and_then_from_real_events(toy: ToyDesk) -> None:
    toy.run("continual", *NARROW)
    rows = toy.reported("continual")["chain"]
    names = [*(f"{number}, toy" for number in range(1, 5)), "5, real_low_level"]
    assert [row["data_set"] for row in rows] == names
    assert [row["rows"] for row in rows] == [1080, 1080, 1080, 1080, 9449]
    best = max(row["follow/test/auc"] for row in rows)
    assert rows[-1]["follow/forgetting"] == pytest.approx(best - rows[-1]["follow/test/auc"])
    assert rows[-1]["follow/test/auc"] == toy.metrics(recipe="continual")["follow/test/auc"]
