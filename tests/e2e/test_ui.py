"""What a person sees of our runs in MLflow's UI, in a real browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.mlflow_ui import PATIENCE_MS, Ui, browsed, chromium, colours, picture, served, taller
from mlflow import MlflowClient
from playwright.sync_api import expect

TESTS = ["evaluate.sets.toy_large.rows=5000"]
COMMANDS = [
    ["stage=pipeline", "data.rows=2000", "train.epochs=2"],
    ["-m", "stage=train", "seed=7", "train.epochs=1", "train.learning_rate=0.0003,0.003"],
    ["stage=train", "seed=4", "train.epochs=3", "train.learning_rate=0.01"],
    ["stage=train", "seed=2", "train.epochs=1"],
    ["stage=evaluate", "evaluate.models=[latest,best:validation/auc]", "evaluate.ensemble=logits"],
]
SCRIPT = """
import sys
from susystream.composition import run_composed
for line in sys.argv[1].splitlines():
    run_composed(line.split(" "))
"""
expect.set_options(timeout=PATIENCE_MS)


pytestmark = pytest.mark.timeout(600)  # what comes first waits for all runs and the server


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, broker: str, store_uri: str) -> Path:
    """A folder with runs as a person makes them; in one process, which loads TensorFlow once."""
    chromium()  # without a browser nothing need run
    folder = tmp_path_factory.mktemp("ui")
    addresses = [f"stream.bootstrap_servers={broker}", f"registry.uri={store_uri}"]
    addresses.append("registry.database=ui")
    lines = [" ".join([*command, *TESTS, *addresses]) for command in COMMANDS]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "\n".join(lines)],
        capture_output=True,
        text=True,
        timeout=500,
        cwd=folder,
        env={**clean, "LOGNAME": "me"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def ui(runs: Path) -> Iterator[Ui]:
    """Its experiment in the browser."""
    client = MlflowClient(f"sqlite:///{runs}/mlflow.db")
    experiment = client.get_experiment_by_name("susystream")
    assert experiment is not None
    with served(runs) as address, browsed() as page:
        yield Ui(page, address, client, str(experiment.experiment_id))


def test_the_table_tells_runs_apart_and_shows_their_data_sets(ui: Ui) -> None:
    page = ui.open_list()
    for name in (
        "pipeline: data.rows=2000, train.epochs=2",
        "train: seed=4, epochs=3, learning_rate=0.01",
        "train: seed=2, epochs=1",
    ):
        expect(page.get_by_role("link", name=name).first).to_be_visible()
    data_set = ui.runs("publish")[0].data.tags["dataset_id"]
    assert page.get_by_text(re.compile(f"^toy {data_set}")).count() >= 3
    expect(page.get_by_role("link", name=re.compile("^prepare: "))).to_have_count(0)
    page.get_by_role("gridcell").filter(has_text="pipeline").get_by_role("button").first.click()
    expect(page.get_by_role("link", name="prepare: data.rows=2000").first).to_be_visible()
    assert colours(picture(page, "runs")) > 50


def test_a_run_describes_itself(ui: Ui) -> None:
    run = ui.runs("train")[0]
    page = ui.open_run(run)
    expect(page.get_by_text("Validation AUC")).to_be_visible()
    page.get_by_text("Show more", exact=True).first.click()
    model_id = run.data.tags["model_id"]
    expect(page.get_by_text(f"susystream models show {model_id}")).to_be_visible()
    expect(page.get_by_text("Differs from the defaults:")).to_be_visible()
    expect(page.get_by_role("cell", name="validation/loss").first).to_be_visible()
    expect(page.get_by_text(re.compile("^System metrics \\(8\\)"))).to_be_visible()
    expect(page.get_by_text(re.compile("^toy d"))).to_be_visible()
    assert page.get_by_text("mlflow.process").count() == 0
    assert colours(picture(page, "run")) > 50


def test_the_description_of_a_chain_leads_to_the_runs_of_its_stages(ui: Ui) -> None:
    page = ui.open_run(ui.runs("pipeline")[0])
    page.get_by_text("Show more", exact=True).first.click()
    expect(page.get_by_role("link", name="evaluate", exact=True)).to_be_visible()
    picture(page, "chain")
    target = page.get_by_role("link", name="train", exact=True).get_attribute("href")
    assert target is not None
    assert target.endswith(f"/runs/{ui.runs('train')[-1].info.run_id}")
    page.goto(f"{ui.address}/{target[target.index('#') :]}")
    expect(page.get_by_text("Validation AUC")).to_be_visible()


def test_metrics_are_charts_in_groups(ui: Ui) -> None:
    run = next(run for run in ui.runs("train") if run.data.params["train.epochs"] == "3")
    page = ui.open_run(run, "/model-metrics")
    for group, charts in (("validation", 4), ("train", 4), ("model", 1), ("test/holdout", 20)):
        title = re.compile(rf"^{group}\s*\({charts}\)")
        expect(page.get_by_role("figure").filter(has_text=title)).to_be_attached()
    page.get_by_placeholder("Search metric charts").fill("^(train|validation)/(loss|accuracy|auc)$")
    expect(page.get_by_role("figure").filter(has_text=re.compile("^model"))).to_have_count(0)
    page.wait_for_timeout(1500)  # the charts that are left are drawn anew
    expect(page.locator(".main-svg .scatterlayer path.js-line").nth(4)).to_be_attached()
    with taller(page):
        picture(page, "charts")


def test_a_sweep_shows_its_trials_and_what_came_of_them(ui: Ui) -> None:
    (sweep,) = ui.runs("sweep")
    page = ui.open_list()
    row = page.get_by_role("gridcell").filter(
        has=page.get_by_role("link", name=re.compile("^sweep"))
    )
    row.get_by_role("button").first.click()
    for rate in ("0.0003", "0.003"):
        name = re.compile(f"^trial [01]: learning_rate={rate}$")
        expect(page.get_by_role("link", name=name).first).to_be_visible()
    page = ui.open_run(sweep)
    expect(page.get_by_role("cell", name="train.learning_rate").first).to_be_visible()
    expect(page.get_by_role("cell", name=re.compile(r"^finished\s*$"))).to_have_count(2)
    page = ui.open_run(sweep, "/artifacts")
    page.get_by_text("plots", exact=True).click()
    page.get_by_text("parallel_coordinates.png", exact=True).click()
    shown = page.locator("img[src^='blob:'], img[src*='parallel_coordinates.png']").first
    expect(shown).to_be_visible()
    assert shown.evaluate("image => image.naturalWidth") > 300
    assert colours(picture(page, "sweep")) > 50


def test_the_machine_is_watched(ui: Ui) -> None:
    page = ui.open_run(ui.runs("pipeline")[0], "/system-metrics")
    expect(page.get_by_text("cpu_utilization_percentage").first).to_be_visible()
    expect(page.locator(".main-svg .scatterlayer path.js-line").first).to_be_attached()


def test_a_comparison_opens_with_what_differs_and_the_auc(ui: Ui) -> None:
    page = ui.open_comparison([run for run in ui.runs("train") if "trial" not in run.data.tags][:3])
    plot = page.locator(".js-plotly-plot").first
    for title in ("seed", "train.epochs", "train.learning_rate", "validation/auc"):
        expect(plot.get_by_text(title, exact=True)).to_be_visible()
    expect(page.get_by_text("train: seed=2, epochs=1").first).to_be_visible()
    page.wait_for_timeout(500)  # the lines are drawn on a canvas, which tells nobody
    assert colours(picture(plot)) > 100
    picture(page, "compare")


def test_models_of_one_evaluation_have_figures_of_the_same_names(ui: Ui) -> None:
    parts = ui.runs("tested")
    assert {part.info.run_name for part in parts} >= {"ensemble"}
    page = ui.open_comparison(parts)
    expect(page.get_by_text("ensemble").first).to_be_visible()
    expect(page.locator(".js-plotly-plot").get_by_text("test/holdout/auc").first).to_be_visible()


def test_plots_are_shown_among_the_artifacts(ui: Ui) -> None:
    run = next(run for run in ui.runs("evaluate") if "mlflow.parentRunId" in run.data.tags)
    page = ui.open_run(run, "/artifacts")
    page.get_by_text("plots", exact=True).click()
    page.get_by_text(run.data.tags["model_id"], exact=True).click()
    page.get_by_text("roc.png", exact=True).click()
    shown = page.locator("img[src^='blob:'], img[src*='roc.png']").first
    expect(shown).to_be_visible()
    assert shown.evaluate("image => image.naturalWidth") > 300
