"""Bad rows stop an evaluation, or are counted, shown and reported; workers change neither."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from mlflow import MlflowClient
from stages.desk import Open

from susystream.data.enlarge import write_csv
from susystream.data.source import ToySource
from susystream.errors import BadRow, DataError, ModelError
from susystream.model.openvino_scorer import has_bfloat16
from susystream.stages import recording
from susystream.stages.evaluate import evaluate
from susystream.stages.precision import ALLOWED
from susystream.stages.publish import publish
from susystream.stages.train import train
from susystream.stages.window_points import WindowPoints

BAD = r"mine\.csv, line 42, number of .*remove the row, or set evaluate\.bad_rows=skip"


@pytest.fixture
def model(opened: Open) -> str:
    with opened() as context:
        publish(context)
        return train(context).model_ids[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    write_csv(ToySource(3000, 1, offset=10**9).batches(), path, progress=lambda rows: None)
    return path


def spoil(path: Path) -> None:
    lines = path.read_text().splitlines()
    lines[41], lines[99] = "1,2,3", lines[99].replace(",", ",x", 1)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("workers", [1, 2])
def test_bad_rows_are_counted_sampled_and_reported(
    opened: Open, path: Path, said: io.StringIO, workers: int
) -> None:
    spoil(path)
    given = [f"evaluate.input={path}", f"evaluate.workers={workers}", "evaluate.window_rows=1000"]
    with opened(*given) as context, pytest.raises(BadRow, match=BAD):
        evaluate(context)
    with opened(*given, "evaluate.bad_rows=skip", "tracking.pictures=true") as context:
        result = evaluate(context)
        client = MlflowClient(context.tracker.uri)
        table = Path(client.download_artifacts(result.run_id, "bad_rows/mine.csv")).read_text()
    assert result.metrics["test/mine/rows"] == 2998
    assert result.metrics["test/mine/bad_rows"] == 2
    assert [line.split(",")[:3] for line in table.splitlines()[1:]] == [
        ["mine.csv", "42", "number of columns"],
        ["mine.csv", "100", "lepton 1 pT"],
    ]
    told = said.getvalue().splitlines()
    at = told.index("mine: 2 bad rows of 3,000 (0.07%) left out")
    assert told[at + 1] == "  see bad_rows/mine.csv in the run; the first:"
    assert "mine.csv, line 42, number of columns  expected 19" in "".join(told[at + 2 :])
    logged = client.get_metric_history(result.run_id, "window/mine/auc")
    assert [one.step for one in logged] == [0, 1, 2]
    for name, least in (("rows_per_second", 100), ("memory_bytes", 100 << 20)):
        points = client.get_metric_history(result.run_id, f"window/mine/{name}")
        assert [one.step for one in points] == [0, 1, 2]
        assert all(one.value > least for one in points)
    names = {one.path for one in client.list_artifacts(result.run_id, "plots")}
    assert "plots/pace_mine.png" not in names  # of three windows at once


@pytest.mark.usefixtures("model")
def test_bad_rows_alone_are_no_test_set(opened: Open, path: Path) -> None:
    path.write_text("1,2,3\n" * 10)
    given = [f"evaluate.input={path}", "evaluate.bad_rows=skip"]
    with opened(*given) as context, pytest.raises(DataError, match="none but 10 bad rows"):
        evaluate(context)


@pytest.mark.usefixtures("model")
def test_workers_give_the_figures_of_one_process(opened: Open, path: Path) -> None:
    found = []
    for workers in (1, 2):
        with opened(f"evaluate.input={path}", f"evaluate.workers={workers}") as context:
            result = evaluate(context)
        found.append((result.inputs, result.metrics))
    for inputs, metrics in found:
        metrics.pop("test/mine/rows_per_second")
        assert (inputs, metrics) == found[0]


@pytest.mark.usefixtures("model")
def test_a_file_that_changes_while_it_is_read_is_noticed(
    opened: Open, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last rows are written anew when its first window is done."""
    whole = path.read_bytes()

    def change(self: WindowPoints, number: int, figures: object) -> None:
        path.write_bytes(whole)

    monkeypatch.setattr(WindowPoints, "window", change)
    given = [f"evaluate.input={path}", "evaluate.window_rows=1000"]
    with opened(*given) as context, pytest.raises(DataError, match=r"mine\.csv to stay as it is"):
        evaluate(context)


@pytest.mark.usefixtures("model")
def test_a_run_that_fails_after_its_scan_keeps_the_windows(
    opened: Open, path: Path, said: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [f"evaluate.input={path}", "evaluate.window_rows=1000"]
    with monkeypatch.context() as patch, opened(*given) as context:
        patch.setattr(recording, "store", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            evaluate(context)
    with opened(*given) as context:
        evaluate(context)
    assert "went on after 3,000 rows" in said.getvalue()


@pytest.mark.usefixtures("model")
def test_the_cost_of_bfloat16_is_measured_and_recorded(opened: Open, path: Path) -> None:
    spoil(path)
    given = [f"evaluate.input={path}", "evaluate.bad_rows=skip", "evaluate.precision=bfloat16"]
    with opened(*given) as context:
        if not has_bfloat16():
            with pytest.raises(ModelError, match="processor with bfloat16"):
                evaluate(context)
            return
        result = evaluate(context)
        client = MlflowClient(context.tracker.uri)
        logged = client.get_run(result.run_id).data.metrics
    assert 0 <= result.metrics["test/mine/bfloat16_auc_difference"] <= ALLOWED
    name = "test/mine/bfloat16_auc_difference"
    assert logged[name] == result.metrics[name]
