"""A workspace evaluates as its overrides say, on the events that the model's record means."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import indent
from typing import Any, TypeAlias
from uuid import uuid4

import pytest
from test_listing import dataset_record, trained

from susystream.data.enlarge import write_csv
from susystream.data.source import ToySource
from susystream.errors import BadRow, DataError, ModelError, SettingsError
from susystream.model.openvino_scorer import has_bfloat16
from susystream.registry.document import MlflowLink, ModelDocument, Probe
from susystream.stages.precision import NAME
from susystream.workspace import Workspace

LINK = MlflowLink(experiment="susystream", run_id="r1", tracking_uri="sqlite:///mlflow.db")
Open: TypeAlias = Callable[..., Workspace]


@pytest.fixture(scope="module")
def model() -> ModelDocument:
    return trained(dataset_record(), LINK)


@pytest.fixture
def opened(store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens workspaces on one store, from a folder beside that of the home."""
    for name in os.environ:
        if name.startswith(("SUSYSTREAM_", "MLFLOW_")):
            monkeypatch.delenv(name)
    project, here = tmp_path / "project", tmp_path / "project" / "notebooks"
    here.mkdir(parents=True)
    (project / ".susystream").mkdir()
    monkeypatch.chdir(here)
    ours = (f"registry.uri='{store_uri}'", f"registry.database=w{uuid4().hex}")
    with ExitStack() as stack:
        yield lambda *overrides: stack.enter_context(Workspace(*ours, *overrides))


@pytest.fixture
def path(opened: Open) -> str:
    """A file of 3000 events in the current folder."""
    written(Path("mine.csv"), rows=3000)
    return "mine.csv"


def written(path: Path, *, rows: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_csv(ToySource(rows, 1, offset=10**9).batches(), path, progress=lambda rows: None)


def recorded(model: ModelDocument, **sets: Any) -> ModelDocument:
    """The model as if it had been trained with these test sets."""
    config = {**model.training.config, "evaluate": {"sets": sets}}
    training = model.training.model_copy(update={"config": config})
    return model.model_copy(update={"training": training})


def spoil(path: str) -> None:
    lines = Path(path).read_text().splitlines()
    lines[41], lines[99] = "1,2,3", lines[99].replace(",", ",x", 1)
    Path(path).write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("workers", [1, 2])
def test_bad_rows_stop_or_are_counted_as_the_overrides_say(
    opened: Open, model: ModelDocument, path: str, workers: int
) -> None:
    spoil(path)
    how = f"evaluate.workers={workers}"
    with pytest.raises(BadRow, match=r"line 42.*remove the row, or set evaluate\.bad_rows=skip to"):
        opened(how).evaluate(model, path)
    found = opened(how, "evaluate.bad_rows=skip").evaluate(model, path)
    assert (found.rows, found.bad_rows) == (2998, 2)


def test_several_processes_count_what_one_does(
    opened: Open, model: ModelDocument, path: str
) -> None:
    one, two = (opened(f"evaluate.workers={n}").evaluate(model, path) for n in (1, 2))
    assert (one.tally, one.figures, one.digest) == (two.tally, two.figures, two.digest)


EVALUATES = """
with Workspace(*sys.argv[1:]) as w:
    print(w.evaluate(w.model("latest"), "mine.csv").rows)
"""
SCRIPT = (
    "import sys\nfrom susystream.workspace import Workspace\nHOME = Workspace(*sys.argv[1:]).home\n"
)
GUARDED = SCRIPT + "if __name__ == '__main__':" + indent(EVALUATES, "    ")


@pytest.mark.parametrize(
    ("guard", "hidden"),
    [(False, (8,)), (False, (128, 256, 128)), (True, (128, 256, 128))],
    ids=["unguarded, small", "unguarded", "guarded"],
)
def test_a_script_evaluates_by_worker_processes_or_is_told_to_have_a_guard(
    opened: Open, path: str, guard: bool, hidden: tuple[int, ...]
) -> None:
    opened().store.save_model(trained(dataset_record(), LINK, hidden=hidden))
    Path("mine.py").write_text(GUARDED if guard else SCRIPT + EVALUATES)
    done = subprocess.run(
        [sys.executable, "mine.py", *opened()._overrides, "evaluate.workers=2"],
        capture_output=True,
        text=True,
        timeout=90,
    )
    last = (done.stdout + done.stderr).splitlines()[-1]
    if guard:
        assert (last, done.returncode) == ("3000", 0)
        return
    assert last.startswith("susystream.errors.EvaluationError: expected a script that evaluates")
    assert 'behind `if __name__ == "__main__":`, since each worker process' in last
    assert (done.stdout.count("3000"), done.returncode) == (0, 1)
    assert "spawn_main" not in done.stderr, "a worker says something too"


def test_the_precision_is_that_of_the_overrides_and_its_cost_is_told(
    opened: Open, model: ModelDocument, path: str
) -> None:
    workspace = opened("evaluate.precision=bfloat16")
    if not has_bfloat16():
        with pytest.raises(ModelError, match="processor with bfloat16"):
            workspace.evaluate(model, path)
        return
    rough, exact = workspace.evaluate(model, path), opened().evaluate(model, path)
    assert rough.tally != exact.tally
    assert abs(rough.figures["auc"] - exact.figures["auc"]) == rough.figures[NAME] < 0.01
    assert NAME not in exact.figures


def test_the_scorer_is_that_of_the_overrides(opened: Open, model: ModelDocument, path: str) -> None:
    features, logits = model.probe.arrays()  # which OpenVINO has to give, before it is trusted
    other = model.model_copy(update={"probe": Probe.of(features, logits + 1)})
    with pytest.raises(ModelError, match="expected OpenVINO to give the recorded logits"):
        opened("evaluate.scorer=openvino").evaluate(other, path)
    assert opened("evaluate.scorer=tensorflow").evaluate(other, path).rows == 3000


@pytest.mark.parametrize(
    ("overrides", "engine", "words"),
    [
        (["evaluate.scorer=onnx"], None, "setting evaluate.scorer: .*received 'onnx'"),
        (["evaluate.bad_rows=3"], None, "setting evaluate.bad_rows: .*received 3"),
        (["evaluate.precision=bfloat16", "evaluate.scorer=tensorflow"], None, "scorer auto or"),
        (["evaluate.bad_rows=skip"], "spark", "expected bad_rows=stop with the engine spark"),
        (["evaluate.workers=2"], "spark", "expected workers=1 with the engine spark"),
    ],
)
def test_a_wrong_setting_is_one_line(
    opened: Open, model: ModelDocument, path: str, overrides: list[str], engine: Any, words: str
) -> None:
    with pytest.raises(SettingsError, match=words) as told:
        opened(*overrides).evaluate(model, path, engine=engine)
    assert "\n" not in str(told.value)


def test_the_engine_is_that_of_the_overrides_unless_another_is_named(
    opened: Open, model: ModelDocument, path: str
) -> None:
    workspace = opened("evaluate/engine=spark", 'evaluate.engine.master="local[1]"')
    spark, local = workspace.evaluate(model, path), workspace.evaluate(model, path, engine="local")
    assert (spark.engine, local.engine) == ("spark", "local")
    assert (spark.tally, spark.digest) == (local.tally, local.digest)


def test_a_set_is_the_models_own_unless_an_override_names_it(
    opened: Open, model: ModelDocument
) -> None:
    own = recorded(model, toy_large={"kind": "toy", "rows": 2000, "offset": 10**8})
    usual = opened("evaluate.sets.holdout={kind: toy}").evaluate(own, "toy_large")
    assert usual.rows == 2000
    assert opened("evaluate.sets.toy_large.rows=3000").evaluate(own, "toy_large").rows == 3000
    assert opened("seed=7").evaluate(own, "toy_large").digest != usual.digest
    added = opened("+evaluate.sets.mine={kind: toy, rows: 4000}")
    assert added.evaluate(own, "mine").rows == 4000
    with pytest.raises(SettingsError, match=r"a test set out of .*received 'toy_large'"):
        opened("~evaluate.sets.toy_large").evaluate(own, "toy_large")


@pytest.mark.parametrize("pattern", ["data/mine.csv", "data/m*.csv"])
def test_the_files_of_a_models_set_are_those_here_else_those_beside_the_home(
    opened: Open, model: ModelDocument, pattern: str
) -> None:
    own = recorded(model, mine={"kind": "file", "path": pattern})
    where = rf"{pattern} in \S*/project/notebooks or \S*/project, received none".replace("*.", ".*")
    with pytest.raises(DataError, match=f"test set mine at {where}; start where the chain") as told:
        opened().evaluate(own, "mine")
    assert "\n" not in str(told.value)
    written(Path("../data/mine.csv"), rows=1000)
    assert opened().evaluate(own, "mine").rows == 1000
    written(Path("data/mine.csv"), rows=2000)
    assert opened().evaluate(own, "mine").rows == 2000
