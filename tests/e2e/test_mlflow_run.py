"""`mlflow run` of this project: every entry point, any overrides, from any folder."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from e2e.project_runs import ROOT, Desk, Ended

from susystream.commands import status_of_command
from susystream.errors import SettingsError
from susystream.project_run import check_experiment

SMALL = "data.rows=4000 train.epochs=1 evaluate.sets.toy_large.rows=3000"


def test_an_entry_point_runs_in_the_run_and_experiment_that_mlflow_opened(
    desk: Desk, tmp_path: Path
) -> None:
    """A space, a list, a mapping, `=` and quotes reach the settings as typed."""
    home = tmp_path / "a home"
    security = "stream.security={security.protocol: SSL, ssl.ca.location: \"my = 'own' ca.pem\"}"
    done = desk.run(
        "prepare",
        seed="7",
        overrides=f"data.rows=3000 'home={home}' hydra.run.dir={tmp_path}/out "
        f"model.hidden=[10,20] 'model.dropout=[0, 0]' {quoted(security)}",
    )
    assert done.status == 0, done.said
    assert (done.run.info.status, done.run.data.tags["stage"]) == ("FINISHED", "prepare")
    assert done.run.data.params["data.rows"] == "3000"
    assert done.run.data.params["seed"] == "7"
    assert len(list((home / "data").glob("toy-*/manifest.json"))) == 1
    assert (tmp_path / "out" / "result.json").exists()
    composed = (tmp_path / "out" / "config.yaml").read_text()
    assert "my = 'own' ca.pem" in composed
    assert "  - 10\n  - 20\n" in composed


def quoted(word: str) -> str:
    """In double quotes, for `overrides` is split as by a shell."""
    return '"' + word.replace('"', '\\"') + '"'


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ("data.rows=none", "data.rows"),
        ("data.rowz=3", "did you mean data.rows or"),
        ("a='b", "close the quote"),
        ("data=toi", "did you mean toy?"),
        ("-v data.rowz=3", "did you mean data.rows or"),
    ],
)
def test_a_wrong_override_is_one_line_and_a_failed_run(
    desk: Desk, overrides: str, told: str
) -> None:
    done = desk.run("prepare", overrides=overrides)
    assert (done.status, done.run.info.status) == (1, "FAILED")
    (ours,) = done.ours
    assert told in ours
    assert ours in done.said.splitlines()[-2:], "MLflow says only that the run failed"
    assert done.run.data.tags["error"] == ours.removeprefix("susystream: ")
    assert ("Traceback" in done.said) == overrides.startswith("-v")


@pytest.mark.parametrize(
    "typed",
    ["tracking.experiment=other", "tracking={experiment: other}"],
    ids=["alone", "in a group"],
)
def test_another_experiment_than_that_of_the_opened_run_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str
) -> None:
    client = desk.client()
    opened = client.create_run(client.create_experiment(desk.experiment)).info.run_id
    monkeypatch.setenv("MLFLOW_TRACKING_URI", desk.uri)
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    check_experiment(["stage=prepare", f"tracking.experiment={desk.experiment}"])
    check_experiment(["tracking=mlflow", "tracking={pictures: false}"])
    with pytest.raises(SettingsError, match=r"tracking\.experiment: expected one, .* several;"):
        check_experiment(["-m", "tracking.experiment=a,b", "tracking.pictures=true,false"])
    for composed in (
        "tracking.experiment='e${seed}'",
        "tracking={experiment: '${oc.select:home}'}",
    ):
        with pytest.raises(SettingsError, match=r"expected a value without \$\{…\} other than"):
            check_experiment(["seed=3", composed])
    monkeypatch.setenv("MINE", desk.experiment)
    check_experiment(["seed=3", "tracking.experiment=${oc.env:MINE}"])
    words = ["run", "stage=prepare", "--overrides", shlex.quote(typed)]
    monkeypatch.setattr("sys.argv", ["susystream", *words])
    assert status_of_command() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"expected '{desk.experiment}', the experiment in which mlflow run opened" in line
    assert "received 'other'; leave it out and type `mlflow run --experiment-name other`" in line
    assert desk.opened().data.tags["error"] == line.removeprefix("susystream: ")
    assert client.get_experiment_by_name("other") is None


def test_a_parameter_that_the_entry_point_lacks_is_one_line_with_the_nearest(desk: Desk) -> None:
    done = desk.run("prepare", row="300", overrides="data.rows=200")
    assert (done.status, done.run.info.status) == (1, "FAILED")
    (ours,) = done.ours
    assert "received row; did you mean data.rows" in ours


def test_a_sweep_may_be_given_as_overrides(desk: Desk, tmp_path: Path) -> None:
    done = desk.run(
        "prepare",
        overrides=f"-m seed=1,2 data.rows=2000 home={tmp_path}/h hydra.sweep.dir={tmp_path}/out",
    )
    assert done.status == 0, done.said
    assert done.run.info.status == "FINISHED"
    results = sorted((tmp_path / "out").glob("[01]/result.json"))
    assert [path.parent.name for path in results] == ["0", "1"]
    seeds = [json.loads(path.read_text())["inputs"]["source"]["seed"] for path in results]
    assert seeds == [1, 2]


def test_an_address_relative_to_another_folder_is_refused_with_both_places(desk: Desk) -> None:
    """`mlflow run` opens the run in its own folder; the program runs in the project's."""
    environment = {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
    done = desk.run("prepare", overrides="data.rows=300", environment=environment)
    (ours,) = done.ours
    assert f"means {ROOT}/mlflow.db" in ours
    assert "MLFLOW_TRACKING_URI the whole path" in ours
    assert done.status == 1


class Stages:
    """The entry points one after the other, on the suite's servers."""

    def __init__(self, desk: Desk, folder: Path, broker: str, store_uri: str) -> None:
        self.desk, self.folder = desk, folder
        self.overrides = (
            f"{SMALL} home={folder}/h stream.bootstrap_servers={broker} registry.uri={store_uri} "
            f"registry.database={folder.name} tracking.system_metrics=false"
        )

    def run(self, entry: str, **parameters: str) -> Ended:
        desk = Desk(self.desk.folder, self.desk.uri, f"{self.desk.experiment}-{entry}")
        here = f"hydra.run.dir={self.folder}/out-{entry}"
        done = desk.run(entry, parameters={**parameters, "overrides": f"{self.overrides} {here}"})
        assert done.status == 0, done.said
        assert done.run.info.status == "FINISHED"
        assert (self.folder / f"out-{entry}" / "result.json").exists()
        return done


@pytest.fixture
def stages(desk: Desk, tmp_path: Path, broker: str, store_uri: str) -> Stages:
    return Stages(desk, tmp_path, broker, store_uri)


def test_every_entry_point_hands_on_to_the_next(stages: Stages) -> None:
    """main makes a model; publish, train, evaluate and score go on from there."""
    topic = stages.folder.name
    chain = stages.run("main", seed="3")
    assert chain.run.data.tags["stage"] == "pipeline"
    published = stages.run("publish", topic=topic, partitions="1")
    assert published.run.data.params["partitions"] == "1"
    trained = stages.run("train", epochs="1", batch_size="128", learning_rate="0.01")
    assert trained.run.data.params["train.batch_size"] == "128"
    assert trained.run.data.metrics["validation/auc"] > 0.6
    model = trained.run.data.tags["model_id"]
    evaluated = stages.run("evaluate", models=model)
    assert evaluated.run.data.metrics["test/holdout/rows"] == 400
    scored = stages.run("score", topic=topic, model=model, until="end")
    assert scored.run.data.metrics["score/events"] == 3600
