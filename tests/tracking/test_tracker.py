from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from sqlalchemy import text
from tracking.passage import Passage

from susystream import __version__
from susystream.errors import DataError, SettingsError, TrackingError, line_of
from susystream.tracking.abandoned import mark_abandoned, told_of, unmark
from susystream.tracking.tracker import Tracker

SCRIPT = """
import signal, sys, time
from susystream.tracking.tracker import Tracker
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
with Tracker({uri!r}, "tests").run("train", name="long", params={{}}, tags={{}}) as run:
    print(run.run_id, flush=True)
    time.sleep(60)
"""


def started(code: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe, text=True)


def stored(tracker: Tracker, run_id: str) -> Run:
    return MlflowClient(tracking_uri=tracker.uri).get_run(run_id)


def test_a_run_that_ends_is_finished_with_its_origin_and_settings(tracker: Tracker) -> None:
    settings = {"train": {"epochs": 3, "empty": {}}, "long": "x" * 9000}
    with tracker.run("train", name="a run", params=settings, tags={"model_id": "m"}) as run:
        run.set_tags({"dataset_id": "d"})
        assert stored(tracker, run.run_id).info.status == "RUNNING"
    found = stored(tracker, run.run_id)
    assert (found.info.status, found.info.run_name) == ("FINISHED", "a run")
    assert found.data.params == {"train.epochs": "3", "train.empty": "{}", "long": "x" * 6000}
    tags = found.data.tags
    assert (tags["stage"], tags["model_id"], tags["dataset_id"]) == ("train", "m", "d")
    assert tags["version"] == __version__
    assert tags["commit"] == "unknown" or len(tags["commit"]) == 40
    assert tags["dirty"] in {"true", "false"}


def test_more_params_tags_and_metrics_than_one_request_takes_are_all_logged(
    tracker: Tracker,
) -> None:
    many = {f"name{i}": i for i in range(1050)}
    with tracker.run("train", name="n", params=dict(list(many.items())[:250]), tags={}) as run:
        run.log_metrics({name: float(value) for name, value in many.items()})
        run.set_tags({name: str(value) for name, value in list(many.items())[:130]})
    data = stored(tracker, run.run_id).data
    assert (len(data.params), len(data.metrics)) == (250, 1050)
    assert data.tags["name129"] == "129"


def test_metrics_keep_their_steps_and_unusual_values(tracker: Tracker) -> None:
    with tracker.run("train", name="n", params={}, tags={}) as run:
        for step in range(3):
            run.log_metrics({"train/loss": 1.0 / (step + 1)}, step=step)
        run.log_metrics({"rejection@0.5": 7.0, "not a number": float("nan")})
    client = MlflowClient(tracking_uri=tracker.uri)
    history = sorted(client.get_metric_history(run.run_id, "train/loss"), key=lambda m: m.step)
    assert [(m.step, m.value) for m in history] == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    metrics = client.get_run(run.run_id).data.metrics
    assert metrics["rejection_0.5"] == 7.0
    assert metrics["not a number"] != metrics["not a number"]


def test_figures_may_be_added_to_a_run_that_ended(tracker: Tracker) -> None:
    with tracker.run("train", name="n", params={}, tags={}) as run:
        pass
    tracker.add_metrics(run.run_id, {"test/toy/auc": 0.87})
    found = stored(tracker, run.run_id)
    assert found.data.metrics == {"test/toy/auc": 0.87}
    assert found.info.status == "FINISHED"


def test_texts_files_and_figures_come_back_as_they_were(tracker: Tracker, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    (tmp_path / "manifest.json").write_text("{}")
    with tracker.run("train", name="n", params={"a": {"b": 1}}, tags={}) as run:
        run.log_artifact_text("model.json", "{}")
        run.log_artifact(tmp_path / "manifest.json")
        run.log_figure("plots/m/roc.png", Figure)
    client = MlflowClient(tracking_uri=tracker.uri)
    names = {file.path for file in client.list_artifacts(run.run_id)}
    assert names == {"model.json", "manifest.json", "config.yaml", "plots"}
    assert Path(client.download_artifacts(run.run_id, "config.yaml")).read_text() == "a:\n  b: 1\n"
    picture = Path(client.download_artifacts(run.run_id, "plots/m/roc.png"))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_note_is_cut_to_what_the_server_takes_and_holds_no_secret(tracker: Tracker) -> None:
    line = "all of this line or none"
    with tracker.run("train", name="n", params={}, tags={}) as run:
        run.set_note("at mongodb://me:hunter2@host/\n" + f"{line}\n" * 500)
    note = stored(tracker, run.run_id).data.tags["mlflow.note.content"]
    assert len(note) <= 8000
    assert note.splitlines()[0] == "at mongodb://host/"
    assert set(note.splitlines()[1:-1]) == {line}
    assert note.splitlines()[-1] == "…"


def test_the_whole_configuration_lies_beside_the_params(tracker: Tracker) -> None:
    whole = {"seed": 2, "home": "here"}
    with tracker.run("train", name="n", params={"seed": 2}, tags={}, config=whole) as run:
        pass
    client = MlflowClient(tracking_uri=tracker.uri)
    assert client.get_run(run.run_id).data.params == {"seed": "2"}
    text = Path(client.download_artifacts(run.run_id, "config.yaml")).read_text()
    assert text == "seed: 2\nhome: here\n"


def test_a_run_has_a_place_in_the_ui(tracker: Tracker) -> None:
    with tracker.run("train", name="n", params={}, tags={}) as run:
        pass
    experiment_id = stored(tracker, run.run_id).info.experiment_id
    assert tracker.place_of(run.run_id) == f"#/experiments/{experiment_id}/runs/{run.run_id}"
    assert tracker.place_of("0" * 32) is None


def test_a_child_lies_under_its_parent_in_the_parents_experiment(tracker: Tracker) -> None:
    elsewhere = Tracker(tracker.uri, "another experiment", system_metrics=False)
    with tracker.run("pipeline", name="p", params={}, tags={}) as parent:
        arguments = {"params": {}, "tags": {}, "parent_run_id": parent.run_id}
        with elsewhere.run("train", name="c", **arguments) as child:  # type: ignore[arg-type]
            pass
        assert stored(tracker, parent.run_id).info.status == "RUNNING"
    found = stored(tracker, child.run_id)
    assert found.data.tags["mlflow.parentRunId"] == parent.run_id
    assert found.info.experiment_id == stored(tracker, parent.run_id).info.experiment_id


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (SettingsError("expected 1,\n received 2"), "FAILED", "expected 1, received 2"),
        (ValueError("bad"), "FAILED", line_of(ValueError("bad"))),
        (KeyboardInterrupt(), "KILLED", "interrupted by Ctrl-C"),
        (SystemExit(143), "KILLED", "ended by SIGTERM"),
        (SystemExit(0), "FINISHED", None),
    ],
)
def test_a_run_ends_as_what_it_was(
    tracker: Tracker, error: BaseException, status: str, line: str | None
) -> None:
    def fails() -> None:
        with tracker.run("train", name="n", params={}, tags={}) as run:
            ids.append(run.run_id)
            raise error

    ids: list[str] = []
    with pytest.raises(type(error)) as caught:
        fails()
    assert caught.value is error
    found = stored(tracker, ids[0])
    assert (found.info.status, found.data.tags.get("error")) == (status, line)


def test_sigterm_ends_the_run_as_killed(tracker: Tracker) -> None:
    process = started(SCRIPT.format(uri=tracker.uri))
    try:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 143
    finally:
        process.kill()
        process.communicate()
    assert stored(tracker, run_id).info.status == "KILLED"


def opened_by_mlflow(tracker: Tracker, name: str | None = None) -> str:
    """A run as `mlflow run` makes it, in the experiment `Default`."""
    client = MlflowClient(tracking_uri=tracker.uri)
    run_id = str(client.create_run("0", run_name=name).info.run_id)
    client.log_param(run_id, "seed", "42")
    client.log_param(run_id, "overrides", "seed=7")
    return run_id


def test_the_run_that_mlflow_opened_is_taken_once(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", opened := opened_by_mlflow(tracker))
    with tracker.run("pipeline", name="quickstart", params={"seed": 7}, tags={}) as run:
        assert run.run_id == opened
        assert run.experiment == "Default"
        assert "MLFLOW_RUN_ID" not in os.environ
        child = tracker.run("train", name="c", params={}, tags={}, parent_run_id=run.run_id)
        with child as inner:
            assert inner.run_id != opened
    with tracker.run("train", name="later", params={}, tags={}) as later:
        assert later.run_id != opened
    found = stored(tracker, opened)
    assert (found.info.status, found.info.run_name) == ("FINISHED", "quickstart")
    assert stored(tracker, inner.run_id).info.experiment_id == found.info.experiment_id
    # the parameter as typed stays; the value that held is beside it
    assert found.data.params == {"seed": "42", "overrides": "seed=7", "config.seed": "7"}


def test_a_name_that_a_person_gave_to_mlflow_run_is_kept(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", opened := opened_by_mlflow(tracker, "my own name"))
    with tracker.run("pipeline", name="quickstart", params={}, tags={}):
        pass
    assert stored(tracker, opened).info.run_name == "my own name"


@pytest.mark.parametrize(
    ("address", "cure"),
    [
        (None, "unset MLFLOW_RUN_ID"),
        ("sqlite:///o.db", "at sqlite:///o.db: leave tracking.uri out"),
    ],
)
def test_a_run_id_of_another_server_is_refused_by_name(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch, address: str | None, cure: str
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    if address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with (
        pytest.raises(TrackingError, match=cure),
        tracker.run("train", name="n", params={}, tags={}),
    ):
        raise AssertionError("not reached")


def test_a_short_run_has_system_metrics(uri: str) -> None:
    with Tracker(uri, "tests").run("train", name="n", params={}, tags={}) as run:
        time.sleep(3)
    found = MlflowClient(tracking_uri=uri).get_run(run.run_id).data.metrics
    assert "system/cpu_utilization_percentage" in found
    assert "system/system_memory_usage_megabytes" in found


def test_the_tags_of_a_run_that_is_not_there_are_empty(tracker: Tracker) -> None:
    assert tracker.tags_of("0" * 32) == {}


def test_the_ui_over_the_database_shows_what_was_logged_without_a_server(
    server: str, server_database: str
) -> None:
    direct = Tracker(server_database, "written directly", system_metrics=False)
    with direct.run("train", name="n", params={}, tags={}) as run:
        run.log_artifact_text("model.json", "[1]")
    with urlopen(
        f"{server}/get-artifact?path=model.json&run_uuid={run.run_id}", timeout=20
    ) as reply:
        assert reply.read() == b"[1]"


def test_a_constructor_touches_neither_network_nor_disk(tmp_path: Path) -> None:
    Tracker("http://127.0.0.1:9", "tests")
    Tracker("", "tests")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_address_means_the_environment_then_the_local_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Tracker("", "tests").uri == "sqlite:///mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere:5000")
    assert Tracker("", "tests").uri == "http://elsewhere:5000"


@pytest.mark.parametrize("own", [True, False])
def test_a_server_that_goes_away_hides_no_error_and_holds_nobody_up(
    server: str, caplog: pytest.LogCaptureFixture, own: bool
) -> None:
    def fails() -> None:
        with (
            passage,
            Tracker(passage.address, "tests", patience_seconds=1) as tracker,
            tracker.run("s", name="n", params={}, tags={}) as run,
        ):
            passage.close()
            if own:
                raise DataError("the stage's own error")
            run.log_metrics({"loss": 1.0})

    passage, began = Passage(server), time.monotonic()
    with pytest.raises(DataError if own else TrackingError, match=r"own error|runs deliver"):
        fails()
    assert ("susystream runs deliver" in caplog.text) == own
    assert time.monotonic() - began < 30


def test_two_processes_may_make_the_database_at_once() -> None:
    code = SCRIPT.format(uri="sqlite:///fresh.db").replace("sleep(60)", "sleep(0)")
    processes = [started(code) for _ in range(2)]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert len(out.strip()) == 32
        assert err == ""  # MLflow's notices of its tables are not for a terminal


def test_a_server_that_accepts_but_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        with (
            pytest.raises(TrackingError, match="no answer in time"),
            Tracker(address, "t", timeout_seconds=1).run("s", name="n", params={}, tags={}),
        ):
            raise AssertionError("not reached")
    assert time.monotonic() - began < 10


def test_a_run_whose_process_was_killed_outright_is_marked_by_the_next(tracker: Tracker) -> None:
    process = started(SCRIPT.format(uri=tracker.uri))
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    try:
        with Tracker(tracker.uri, "tests").run("train", name="n", params={}, tags={}):
            assert stored(tracker, run_id).info.status == "RUNNING", "it lives"
    finally:
        process.kill()
        process.communicate()
    with Tracker(tracker.uri, "tests").run("train", name="n", params={}, tags={}) as run:
        assert stored(tracker, run.run_id).info.status == "RUNNING", "our own lives"
    found = stored(tracker, run_id)
    assert found.info.status == "KILLED"
    assert "killed" in found.data.tags["error"]
    killed = "**Killed**: its process was killed, or the machine lost it."
    assert found.data.tags["mlflow.note.content"] == killed
    assert stored(tracker, run.run_id).info.status == "FINISHED"


def test_a_killed_run_keeps_the_description_of_what_it_had_done(tracker: Tracker) -> None:
    code = "from susystream.process_identity import own_identity; print(own_identity())"
    ended, _ = started(code).communicate()
    client = MlflowClient(tracking_uri=tracker.uri)
    experiment = client.create_experiment("killed")
    told = {}
    for note in ("Running: train n.", "Validation AUC **0.8**"):
        tags = {"mlflow.process": ended.strip(), "mlflow.note.content": note}
        told[client.create_run(experiment, tags=tags).info.run_id] = note
    assert set(mark_abandoned(client, experiment)) == set(told)
    first, second = (stored(tracker, one).data.tags["mlflow.note.content"] for one in told)
    assert first == "**Killed**: its process was killed, or the machine lost it."
    assert second == "Validation AUC **0.8**"
    for run_id in told:
        unmark(client, run_id)
    notes = [stored(tracker, one).data.tags.get("mlflow.note.content") for one in told]
    assert notes == [None, "Validation AUC **0.8**"]


def test_what_was_ended_with_the_command_above_it_is_no_loss(tracker: Tracker) -> None:
    code = "from susystream.process_identity import own_identity; print(own_identity())"
    ended = {"mlflow.process": started(code).communicate()[0].strip()}
    client = MlflowClient(tracking_uri=tracker.uri)
    experiment, made = client.create_experiment("ended"), ["sweep"]
    for _ in ("trial", "its step"):
        tags = {**ended, "mlflow.parentRunId": made[-1]}
        made.append(client.create_run(experiment, tags=tags).info.run_id)
    lost = client.create_run(experiment, tags=ended).info.run_id
    reason = "interrupted by Ctrl-C"
    assert mark_abandoned(client, experiment, reasons={"sweep": reason}) == [lost]
    assert {stored(tracker, one).data.tags["error"] for one in made[1:]} == {reason}
    assert "killed" in stored(tracker, lost).data.tags["error"]
    assert told_of([lost]).startswith("1 run is marked KILLED, whose process ended")


def test_runs_of_other_machines_stay_as_they_are(tracker: Tracker) -> None:
    client = MlflowClient(tracking_uri=tracker.uri)
    with tracker.run("train", name="n", params={}, tags={}) as run:
        experiment_id = stored(tracker, run.run_id).info.experiment_id
    there = [
        client.create_run(experiment_id, tags={"mlflow.process": said} if said else {}).info.run_id
        for said in ("elsewhere/1/1.0", "", "no process")
    ]
    with Tracker(tracker.uri, "tests").run("train", name="n", params={}, tags={}):
        pass
    assert {stored(tracker, one).info.status for one in there} == {"RUNNING"}


@pytest.mark.parametrize(("minutes", "status"), [(1, "RUNNING"), (60, "KILLED")])
def test_a_run_whose_command_never_began_is_marked_after_half_an_hour(
    tracker: Tracker, minutes: int, status: str
) -> None:
    """MLflow leaves it RUNNING when it cannot build the environment."""
    tracker.experiment = f"never-{minutes}"
    with tracker.run("train", name="n", params={}, tags={}) as run:
        experiment_id = stored(tracker, run.run_id).info.experiment_id
    client = MlflowClient(tracking_uri=tracker.uri)
    began = int((time.time() - 60 * minutes) * 1000)
    tags = {"mlflow.source.type": "PROJECT"}
    opened, others = (client.create_run(experiment_id, began, tags).info.run_id for _ in range(2))
    client.log_param(opened, "overrides", "''")
    with Tracker(tracker.uri, tracker.experiment).run("train", name="n", params={}, tags={}):
        pass
    assert stored(tracker, opened).info.status == status
    assert stored(tracker, others).info.status == "RUNNING", "another project's"


def test_a_run_marked_too_early_is_running_again_once_its_command_begins(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = opened_by_mlflow(tracker)
    client = MlflowClient(tracking_uri=tracker.uri)
    client.set_tag(opened, "error", "mlflow run ended before its command began")
    client.set_terminated(opened, "KILLED")
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    with tracker.run("prepare", name="n", params={}, tags={}):
        assert stored(tracker, opened).info.status == "RUNNING"
    found = stored(tracker, opened)
    assert (found.info.status, found.data.tags.get("error")) == ("FINISHED", None)


def test_a_signal_that_strikes_within_a_transaction_still_marks_the_run(database: str) -> None:
    """A handler may raise after a session is opened and before its block is entered."""
    tracker = Tracker(database, "tests", system_metrics=False)

    ids = []

    def struck(run_id: str) -> None:
        ids.append(run_id)
        store = MlflowClient(tracking_uri=database)._tracking_client.store
        opening = store.ManagedSessionMaker(read_only=False)
        session = opening.__enter__()
        session.execute(text("UPDATE runs SET name = 'half done'"))
        raise SystemExit(143)

    with pytest.raises(SystemExit), tracker.run("train", name="n", params={}, tags={}) as run:
        struck(run.run_id)
    found = stored(tracker, ids[0])
    assert (found.info.status, found.info.run_name) == ("KILLED", "n")


def test_a_run_gets_no_pictures_where_none_are_wanted(tracker: Tracker) -> None:
    from matplotlib.figure import Figure

    def draw() -> Figure:
        raise AssertionError("drawn all the same")

    plain = Tracker(tracker.uri, "tests", system_metrics=False, pictures=False)
    with plain.run("train", name="plain", params={}, tags={}) as run:
        run.log_figure("plots/m/roc.png", draw)
    names = {one.path for one in MlflowClient(tracker.uri).list_artifacts(run.run_id)}
    assert names == {"config.yaml"}


def test_a_run_that_came_to_its_end_is_found_before_one_that_was_pruned(tmp_path: Path) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", "e", system_metrics=False)

    def made(**tags: str) -> str:
        with tracker.run("train", name="n", params={}, tags={"config_hash": "h", **tags}) as run:
            return run.run_id

    pruned = made(trial_state="pruned", search="s", pruned_at="0.5")
    assert tracker.former.finished("h", beside=pruned) is None
    assert tracker.former.finished("h", beside=pruned, pruned_by="another") is None
    found = tracker.former.finished("h", beside=pruned, pruned_by="s")
    assert found is not None
    assert found.run_id == pruned
    whole = made()
    made(trial_state="pruned", search="s")
    for by in (None, "s"):
        found = tracker.former.finished("h", beside=pruned, pruned_by=by)
        assert found is not None
        assert found.run_id == whole
