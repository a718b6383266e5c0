"""The notebook runs from top to bottom on a chain's results, and is committed as it then reads."""

from __future__ import annotations

import ast
import base64
import html
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import polars as pl
import pytest
from nbclient.exceptions import CellExecutionError

from susystream.evaluate.metrics import NAMES
from susystream.registry.document import DatasetRecord, ModelSummary
from susystream.registry.store import ModelStore
from susystream.services.broker import embedded_broker
from susystream.services.store import embedded_store
from susystream.tables import Table
from susystream.workspace import Workspace

FOLDER = Path(__file__).parents[2] / "experiments" / "notebooks"
PATH = FOLDER / "explore.ipynb"
README = (FOLDER / "README.md").read_text()
CELL_SECONDS, CHAIN_SECONDS = 120, 240
SMALL = [
    *("data.rows=5000", "train.epochs=2", "model.hidden=[16]", "model.dropout=[0]"),
    *("evaluate.sets.toy_large.rows=5000", "tracking.system_metrics=false"),
    *("tracking.pictures=false", "stream.codec.events_per_message=100"),
]
PICTURES = ("roc", "scores", "curves", "features")


def script() -> Any:
    spec = importlib.util.spec_from_file_location("notebook_execute", FOLDER / "execute.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EXECUTE = script()
COMMITTED: Any = nbformat.read(PATH, as_version=4)  # type: ignore[no-untyped-call]
PERSON = "zacharias-quill"  # whom MLflow and Python take for the user
ENVIRONMENT = {
    **{
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SUSYSTREAM_", "MLFLOW_"))
    },
    **dict.fromkeys(("LOGNAME", "USER", "LNAME", "USERNAME"), PERSON),
}
TRACES = (
    r"(?:^|[\s\"'=(:])/+(?:[\w.-]+/)+[\w.-]*",  # a folder
    r"[\w.+-]+@[\w.-]+",  # a person, and a machine
    r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b[A-Za-z][\w.-]*:\d{4,5}\b",  # a machine
    r"(?i:password|passwd|secret|token)",
)


def code_cells(notebook: Any) -> dict[str, Any]:
    return {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}


def data_of(cell: Any) -> dict[str, str]:
    """What a cell's value is shown as, by kind."""
    (found,) = [one.data for one in cell.outputs if one.output_type == "execute_result"]
    return dict(found)


def rows_of(cell: Any) -> list[list[str]]:
    """The cells of a table below its head."""
    lines = data_of(cell)["text/plain"].splitlines()[1:]
    return [re.split(r"\s{2,}", line.strip()) for line in lines]


@dataclass(frozen=True)
class World:
    """A notebook that was executed below the folder of two small chains, and their models."""

    cells: dict[str, Any]
    models: list[ModelSummary]
    dataset: DatasetRecord
    project: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[World]:
    project = tmp_path_factory.mktemp("project")
    shutil.copy(empty_database, project / "mlflow.db")
    (place := project / "some" / "notebooks").mkdir(parents=True)
    with ExitStack() as stack:  # the servers that the commands and the notebook attach to
        stack.enter_context(embedded_broker(project / ".susystream"))
        uri = stack.enter_context(embedded_store(project / ".susystream"))
        run = [sys.executable, "-m", "susystream", "run", "-m", "model.features=low,complete"]
        done = subprocess.run(
            [*run, *SMALL],
            capture_output=True,
            text=True,
            timeout=CHAIN_SECONDS,
            cwd=project,
            env=ENVIRONMENT,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        with ModelStore(uri) as store:
            models, datasets = store.list_models(), store.list_datasets()
        made = EXECUTE.executed(COMMITTED, place, seconds=CELL_SECONDS, env=ENVIRONMENT)
        yield World(code_cells(made), models, datasets[0], project)
    assert list(place.iterdir()) == [], "the notebook left something where it lies"


def test_no_cell_fails_and_none_complains(world: World) -> None:
    outputs = [one for cell in world.cells.values() for one in cell.outputs]
    assert [one for one in outputs if one.output_type == "error"] == []
    assert [one.text for one in outputs if one.get("name") == "stderr"] == []


def test_it_shows_the_stored_model_and_what_is_proven_of_it(world: World) -> None:
    newest, first = world.models
    assert [row[0] for row in rows_of(world.cells["open"])] == [newest.model_id, first.model_id]
    named = {row[0]: row[-1] for row in rows_of(world.cells["selectors"])}
    assert named["latest"] == named[f"run:{newest.mlflow.run_id}"] == newest.model_id
    assert named[first.created_at] == first.model_id
    facts = {row[0]: row[1] for row in rows_of(world.cells["provenance"])}
    assert facts["model"] == newest.model_id
    assert newest.mlflow.run_id in facts["run"]
    assert facts["data set"] == world.dataset.dataset_id
    assert facts["events"].endswith(world.dataset.digest)
    proven = ast.literal_eval(data_of(world.cells["verify"])["text/plain"])
    assert proven == {"digests": True, "predictions": True, "mlflow link": True}


def test_polars_spark_and_the_chain_have_the_same_figures_to_the_last_bit(world: World) -> None:
    same = ast.literal_eval(data_of(world.cells["evaluate"])["text/plain"])
    assert list(same.values()) == [True, True, True]
    rows = rows_of(world.cells["figures"])
    assert [row[0] for row in rows] == list(NAMES)
    recorded = {name: world.models[0].metrics[f"test/toy_large/{name}"] for name in NAMES}
    for name, polars, spark, chain in rows:
        assert polars == spark == chain == repr(recorded[name]), name
    assert [row[0] for row in rows_of(world.cells["precision"])] == ["Polars", "Spark"]


def test_it_compares_the_runs_and_the_models(world: World) -> None:
    newest, first = world.models
    runs = {row[0]: row[1] for row in rows_of(world.cells["runs"])}
    assert runs == {newest.model_id: "complete", first.model_id: "low"}
    assert ["settings", "model.features", "complete", "low"] in rows_of(world.cells["compare"])


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_are_there(world: World, name: str) -> None:
    picture = base64.b64decode(data_of(world.cells[name])["image/png"])
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 20_000


def test_the_events_of_the_run_are_back(world: World) -> None:
    counted = [int(row[1].replace(",", "")) for row in rows_of(world.cells["events"])]
    assert sum(counted) == world.dataset.rows


def test_where_no_chain_ran_one_line_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(CellExecutionError) as told:
        EXECUTE.executed(COMMITTED, tmp_path, seconds=CELL_SECONDS, env=ENVIRONMENT)
    (line,) = told.value.traceback.rpartition("-----\n")[2].strip().splitlines()
    assert line.startswith("NotFound: expected stored models in a folder .susystream")
    assert line.endswith("run the chain first: susystream run experiment=quickstart")
    assert list(tmp_path.iterdir()) == []


def test_the_traceback_behind_a_line_is_shown_as_the_readme_says(tmp_path: Path) -> None:
    (shows,) = re.findall(r"```python\n(import sys, traceback\n.*?)```", README, re.DOTALL)
    fails = "from susystream.workspace import Workspace\nWorkspace().models()"
    forms: Any = nbformat.v4
    cells = [forms.new_code_cell(one) for one in (fails, shows)]
    cells[0].metadata["tags"] = ["raises-exception"]
    notebook = forms.new_notebook(cells=cells)
    made = EXECUTE.executed(notebook, tmp_path, seconds=CELL_SECONDS, env=ENVIRONMENT)
    (error,) = made.cells[0].outputs
    assert [line.partition(":")[0] for line in error.traceback] == ["NotFound"]
    told = "".join(one.text for one in made.cells[1].outputs)
    assert "Traceback (most recent call last):" in told
    assert "home_servers.py" in told


def test_a_model_without_an_area_is_named_in_all_other_ways(world: World) -> None:
    home = f"home='{world.project}/.susystream'"
    with Workspace(home) as full, Workspace(home, "registry.database=arealess") as workspace:
        model = full.model().model_copy(update={"metrics": {"validation/loss": 0.5}})
        workspace.store.save_model(model)
        names: dict[str, Any] = {"workspace": workspace, "model": model, "pl": pl, "Table": Table}
        exec(code_cells(COMMITTED)["selectors"].source, names)
    assert len(names["ways"]) == 5
    assert set(names["named"]) == {model.model_id}


def texts(cells: Iterable[Any]) -> Iterator[str]:
    """All that can be read in the outputs."""
    for cell in cells:
        for output in cell.outputs:
            yield output.get("text", "")
            for kind, text in output.get("data", {}).items():
                if kind == "text/html":
                    yield html.unescape(re.sub(r"<[^>]*>", " ", text))
                elif kind.startswith("text/"):
                    yield text


def test_it_is_committed_executed_in_its_normal_form_and_small() -> None:
    cells = list(code_cells(COMMITTED).values())
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert [cell.id for cell in cells if len(cell.source.splitlines()) > 12] == []
    assert EXECUTE.normal(COMMITTED) == COMMITTED
    assert PATH.stat().st_size < 500_000
    assert all("image/png" in data_of(code_cells(COMMITTED)[name]) for name in PICTURES)


def traces(text: str) -> list[str]:
    return [found for form in TRACES for found in re.findall(form, text, re.MULTILINE)]


def test_its_outputs_name_no_folder_no_machine_and_no_secret() -> None:
    text = "\n".join(texts(code_cells(COMMITTED).values()))
    assert len(text) > 3000
    assert traces(text) == []


@pytest.mark.parametrize(
    "trace",
    [
        *("'/home/ada/x.csv'", "file:///srv/mlflow", "in /data/home"),
        *("ada@desk", "mongodb://ada:x@mongo/", "10.1.2.3", "desk:9092", "127.0.0.1:41233"),
        *("MY_PASSWORD", "the token"),
    ],
)
def test_a_trace_would_be_seen(trace: str) -> None:
    assert traces(f"auc 0.86\n{trace} 2026-11-26T18:46:49 m2:eb00f8")


def test_no_cell_shows_who_executes_it_or_where(world: World) -> None:
    text = "\n".join(texts(world.cells.values()))
    assert world.models[0].model_id in text
    assert [one for one in (PERSON, str(world.project)) if one in text] == []
    assert traces(text) == []


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_its_code_is_as_ruff_wants_it(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, str(PATH)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=FOLDER.parents[1],
    )
    assert done.returncode == 0, done.stdout + done.stderr
