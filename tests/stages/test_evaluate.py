"""Evaluation of stored models: on events they never saw, named, counted and identified."""

from __future__ import annotations

import io
import json
from pathlib import Path

import polars as pl
import pytest
from mlflow import MlflowClient
from stages.desk import Open

from susystream.data.prepared import load_prepared
from susystream.data.source import sample_path
from susystream.errors import BadRow, DataError, SettingsError
from susystream.stages.context import StageContext
from susystream.stages.evaluate import evaluate
from susystream.stages.prepare import prepare
from susystream.stages.publish import publish
from susystream.stages.result import StageResult
from susystream.stages.train import train

ONLY_HOLDOUT = ["~evaluate.sets.toy_large", "~evaluate.sets.real", "~evaluate.sets.real_10k"]
ONLY_REAL = ["~evaluate.sets.toy_large", "~evaluate.sets.holdout"]


def trained(context: StageContext) -> str:
    """A model of the context's own data."""
    publish(context)
    return train(context).model_ids[0]


def test_the_holdout_is_that_of_the_models_own_data(opened: Open) -> None:
    with opened() as context:
        model_id = trained(context)
        record = context.store.load_dataset("latest")
    with opened("data.rows=900", *ONLY_HOLDOUT) as context:  # the last prepared is another
        prepare(context)
        result = evaluate(context)
    assert result.model_ids == (model_id,)
    assert result.metrics["test/holdout/rows"] == 400
    identity = result.inputs["holdout"]
    assert identity["digest"] == record.split["test_digest"]
    assert identity["source"] == {"kind": "holdout", "dataset_id": record.dataset_id}


def test_a_toy_holdout_is_made_again_where_its_files_are_not(opened: Open, tmp_path: Path) -> None:
    with opened() as context:
        trained(context)
    with opened(f"home={tmp_path}/another", *ONLY_HOLDOUT) as context:
        assert evaluate(context).metrics["test/holdout/rows"] == 400


def test_a_changed_holdout_is_noticed(opened: Open, tmp_path: Path) -> None:
    with opened(*ONLY_HOLDOUT) as context:
        trained(context)
        (folder,) = (tmp_path / "home" / "data").iterdir()
        frame = pl.read_parquet(folder / "test.parquet")
        frame.with_columns(label=1 - pl.col("label")).write_parquet(folder / "test.parquet")
        assert load_prepared(folder).rows_test == 400
        with pytest.raises(DataError, match=r"expected events with digest m2:\w+ in test set"):
            evaluate(context)


def test_models_of_different_data_have_no_common_holdout(opened: Open) -> None:
    with opened() as context:
        first = trained(context)
    with opened("seed=7") as context:
        second = trained(context)
    with (
        opened(f"evaluate.models=[{first},{second}]") as context,
        pytest.raises(SettingsError, match=r"~evaluate\.sets\.holdout"),
    ):
        evaluate(context)
    names = f"evaluate.models=[{first},{second},{first}]"
    with opened(names, "~evaluate.sets.holdout") as context:
        result = evaluate(context)
        listed = context.store.load_model(second).metrics
    assert result.model_ids == (first, second)
    metrics = result.models[second]["metrics"]
    assert metrics["test/real/rows"] == 500
    assert metrics["test/real_10k/rows"] == 10_499
    assert listed["test/real/auc"] == metrics["test/real/auc"]
    client = MlflowClient(context.tracker.uri)
    (part,) = client.search_runs(
        [client.get_run(result.run_id).info.experiment_id],
        f"tags.`mlflow.parentRunId` = '{result.run_id}' and tags.model_id = '{second}'",
    )
    assert part.data.metrics["test/real/auc"] == metrics["test/real/auc"]
    assert part.data.params["train.epochs"] == "1"


def test_toy_events_the_model_was_trained_on_are_no_test_set(opened: Open) -> None:
    with opened() as context:
        trained(context)
    with (
        opened("evaluate.sets.toy_large.offset=3999", *ONLY_REAL[1:]) as context,
        pytest.raises(SettingsError, match=r"toy_large\.offset of at least 4000"),
    ):
        evaluate(context)


@pytest.mark.parametrize("data", ["real_sample", "real_low_level"])
def test_real_rows_do_not_test_a_model_that_learned_from_real_rows(
    opened: Open, said: io.StringIO, data: str
) -> None:
    with opened(f"data={data}") as context:
        trained(context)
        result = evaluate(context)
    assert set(result.inputs) == {"holdout", "toy_large"}
    assert "real is left out" in said.getvalue()
    with (
        opened(f"data={data}", *ONLY_REAL) as context,
        pytest.raises(SettingsError, match="at least one test set"),
    ):
        evaluate(context)


def test_the_evaluation_run_has_its_inputs_and_pictures(opened: Open) -> None:
    with opened("tracking.pictures=true") as context:
        model_id = trained(context)
        result = evaluate(context)
        client = MlflowClient(context.tracker.uri)
        document = context.store.load_model(model_id)
    run = client.get_run(result.run_id)
    assert run.inputs is not None
    inputs = {one.dataset.name: one for one in run.inputs.dataset_inputs}
    assert set(inputs) == {"holdout", "toy_large", "real", "real_10k"}
    for name, one in inputs.items():
        assert one.dataset.digest == result.inputs[name]["digest"]
        assert {tag.value for tag in one.tags} == {"evaluation"}
        assert document.test_sets[name] == result.inputs[name]
    toy = json.loads(inputs["toy_large"].dataset.source)
    assert (toy["kind"], toy["seed"], toy["rows"]) == ("toy", 42, 3000)
    names = {one.path for one in client.list_artifacts(result.run_id, f"plots/{model_id}")}
    assert {Path(name).name for name in names} == {
        "roc.png",
        *(f"scores_{name}.png" for name in inputs),
        *(f"calibration_{name}.png" for name in inputs),
    }


def test_the_figures_survive_a_training_run_that_is_elsewhere(
    opened: Open, said: io.StringIO, tmp_path: Path
) -> None:
    with opened() as context:
        model_id = trained(context)
    elsewhere = f"tracking.uri=sqlite:///{tmp_path}/other.db"
    with opened(elsewhere, *ONLY_HOLDOUT) as context:
        result = evaluate(context)
        stored = context.store.load_model(model_id).metrics
        run = MlflowClient(context.tracker.uri).get_run(result.run_id)
    assert run.info.status == "FINISHED"
    assert stored["test/holdout/auc"] == result.metrics["test/holdout/auc"]
    assert "not on this tracking server" in " ".join(said.getvalue().split())


def test_one_file_as_input_under_any_name(opened: Open, tmp_path: Path) -> None:
    odd = tmp_path / "größe (1).tar.csv"
    odd.write_bytes(sample_path().read_bytes())
    with opened() as context:
        trained(context)
    with opened(f"evaluate.input='{odd}'") as context:
        result = evaluate(context)
    assert result.metrics["test/gr_e_1/rows"] == 500
    assert str(tmp_path) not in json.dumps(result.inputs)


def test_the_limits_of_a_file_set_hold(opened: Open, tmp_path: Path) -> None:
    with opened() as context:
        trained(context)
    few = f"+evaluate.sets.mine={{kind: file, path: '{sample_path()}', limit: 100}}"
    with opened(few, *ONLY_REAL, "~evaluate.sets.real", "~evaluate.sets.real_10k") as context:
        assert evaluate(context).metrics["test/mine/rows"] == 100
    wrong = f"+evaluate.sets.mine={{kind: file, path: '{sample_path()}', expected_rows: 77}}"
    with opened(wrong) as context, pytest.raises(DataError, match="expected 77 rows"):
        evaluate(context)


def test_a_bad_row_of_a_test_set_is_named(opened: Open, tmp_path: Path) -> None:
    lines = sample_path().read_text().splitlines()
    lines[41] = lines[41].replace(",", ",x", 1)
    (tmp_path / "bad.csv").write_text("\n".join(lines) + "\n")
    with opened() as context:
        trained(context)
    with opened(f"evaluate.input={tmp_path}/bad.csv") as context:
        with pytest.raises(BadRow, match=r"bad\.csv, line 42, lepton 1 pT"):
            evaluate(context)
        client = MlflowClient(context.tracker.uri)
        (run,) = client.search_runs(
            [client.get_experiment_by_name("susystream").experiment_id],  # type: ignore[union-attr]
            "tags.stage = 'evaluate'",
        )
    assert run.info.status == "FAILED"
    assert "line 42" in run.data.tags["error"]


def test_the_file_a_model_was_trained_on_is_no_test_set(opened: Open, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(sample_path().read_bytes())
    with opened("data=susy", f"data.path={path}", "data.expected_rows=500") as context:
        trained(context)
    with (
        opened(f"evaluate.input={path}") as context,
        pytest.raises(SettingsError, match="its test part is the set holdout"),
    ):
        evaluate(context)
    path.write_bytes(sample_path().read_bytes().replace(b"1.", b"2.", 1))
    with opened(f"evaluate.input={path}") as context:
        assert evaluate(context).metrics["test/mine/rows"] == 500


def parts_in(folder: Path) -> Path:
    """The shipped rows as two files; the pattern that names them."""
    folder.mkdir()
    lines = sample_path().read_text().splitlines(keepends=True)
    for number, start in enumerate((0, 200)):
        part = "".join(lines[start : (200, 500)[number]])
        (folder / f"part-{number}.csv").write_text(part)
    return folder / "part-*.csv"


def test_the_files_of_a_glob_are_one_set_with_the_figures_of_the_whole(
    opened: Open, tmp_path: Path
) -> None:
    pattern = parts_in(tmp_path / "parts")
    with opened() as context:
        trained(context)
    with opened(f"evaluate.input={sample_path()}") as context:
        whole = evaluate(context)
    with opened(f"evaluate.input={pattern}") as context:
        parts = evaluate(context)
    assert parts.metrics["test/part/rows"] == 500
    assert parts.metrics["test/part/auc"] == whole.metrics["test/susy_real_500/auc"]
    assert parts.inputs["part"]["digest"] == whole.inputs["susy_real_500"]["digest"]
    assert parts.inputs["part"]["source"]["names"] == ["part-0.csv", "part-1.csv"]
    assert str(tmp_path) not in json.dumps(parts.inputs)
    limited = f"+evaluate.sets.mine={{kind: file, path: '{pattern}', limit: 210}}"
    with opened(limited, *ONLY_REAL, "~evaluate.sets.real", "~evaluate.sets.real_10k") as context:
        assert evaluate(context).metrics["test/mine/rows"] == 210
    with (
        opened(f"evaluate.input={tmp_path}/nothing-*.csv") as context,
        pytest.raises(DataError, match=r"match .*nothing-\*\.csv, received none"),
    ):
        evaluate(context)


def test_no_file_of_a_glob_may_be_one_a_model_was_trained_on(opened: Open, tmp_path: Path) -> None:
    pattern = parts_in(tmp_path / "parts")
    seen = tmp_path / "parts" / "part-1.csv"
    with opened("data=susy", f"data.path={seen}", "data.expected_rows=300") as context:
        trained(context)
    with (
        opened(f"evaluate.input={pattern}") as context,
        pytest.raises(SettingsError, match=r"part-1\.csv, which one was"),
    ):
        evaluate(context)
    seen.rename(seen.with_suffix(".other"))
    with opened(f"evaluate.input={pattern}") as context:
        assert evaluate(context).metrics["test/part/rows"] == 200


SPARK = ["evaluate/engine=spark", "evaluate.engine.master='local[2]'"]


@pytest.mark.parametrize("scorer", ["openvino", "tensorflow"])
def test_spark_finds_the_same_figures_in_every_set(
    opened: Open, said: io.StringIO, scorer: str
) -> None:
    with opened() as context:
        model_id = trained(context)
    with opened(f"evaluate.scorer={scorer}") as context:
        local = evaluate(context)
    with opened(f"evaluate.scorer={scorer}", *SPARK) as context:
        found = evaluate(context)
        stored = context.store.load_model(model_id)
        run = MlflowClient(context.tracker.uri).get_run(found.run_id)

    def figures(result: StageResult) -> dict[str, float]:
        return {k: v for k, v in result.metrics.items() if not k.endswith("rows_per_second")}

    assert set(found.inputs) == {"holdout", "toy_large", "real", "real_10k"}
    assert figures(found) == figures(local)
    assert found.inputs == local.inputs
    assert found.inputs == stored.test_sets
    assert {k: run.data.metrics[k] for k in figures(found)} == figures(found)
    assert said.getvalue().count("Spark at local[2] counts: no windows") == 1


def test_spark_finds_the_figures_of_an_ensemble_over_a_glob_and_a_slice(
    opened: Open, tmp_path: Path
) -> None:
    with opened() as context:
        first = trained(context)
    with opened("seed=7") as context:
        second = trained(context)
    with opened("data.offset=900000", "data.rows=3000") as context:
        publish(context)
    for name in ("b", "a"):
        (tmp_path / f"part-{name}.csv").write_bytes(sample_path().read_bytes())
    chosen = [f"evaluate.models=[{first},{second}]", "evaluate.ensemble=logits"]
    for given, rows in ((f"{tmp_path}/part-*.csv", 1000), ("dataset:latest", 2700)):
        with opened(*chosen, f"evaluate.input='{given}'") as context:
            local = evaluate(context)
        with opened(*chosen, f"evaluate.input='{given}'", *SPARK) as context:
            found = evaluate(context)
        assert found.inputs == local.inputs
        (name,) = found.inputs
        assert found.models["ensemble"]["metrics"][f"test/{name}/rows"] == rows
        for model in (first, second, "ensemble"):
            expected = local.models[model]["metrics"][f"test/{name}/log_loss"]
            assert found.models[model]["metrics"][f"test/{name}/log_loss"] == expected


def test_what_spark_does_not_do_is_refused(opened: Open) -> None:
    for one in ("evaluate.workers=2", "evaluate.bad_rows=skip"):
        with pytest.raises(SettingsError, match="with the engine spark"), opened(one, *SPARK):
            pass


def test_the_limits_of_a_file_set_hold_on_spark(opened: Open) -> None:
    with opened() as context:
        trained(context)
    mine = f"+evaluate.sets.mine={{kind: file, path: '{sample_path()}', limit: 100}}"
    other = f"+evaluate.sets.other={{kind: file, path: '{sample_path()}', expected_rows: 77}}"
    only = [*ONLY_REAL, "~evaluate.sets.real", "~evaluate.sets.real_10k"]
    with opened(mine, *only, *SPARK) as context:
        assert evaluate(context).metrics["test/mine/rows"] == 100
    with opened(other, *only, *SPARK) as context, pytest.raises(DataError, match="expected 77"):
        evaluate(context)
