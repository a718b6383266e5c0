"""A tracking server that goes away in the middle of a run: nothing that was logged is lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Metric, Run
from tracking.failing_way import FailingWay
from tracking.passage import Passage
from tracking.tracking_server import TrackingServer
from waiting import until

from susystream.commands import cli
from susystream.errors import TrackingError
from susystream.tracking.delivery import Server
from susystream.tracking.entries import Entry
from susystream.tracking.journal import Journal
from susystream.tracking.tracker import TrackedRun, Tracker

KEPT = Path(".susystream/tracking")
FACTS = {"digest": "abc", "rows": 5, "source": {"kind": "toy"}}
# a command that logs a step a line, until its input ends
COMMAND = """
import sys
from susystream.tracking.tracker import Tracker
with Tracker({uri!r}, "tests", system_metrics=False, patience_seconds=0.5) as tracker:
    with tracker.run("train", name="n", params={{}}, tags={{}}) as run:
        print(run.run_id, flush=True)
        for step, _ in enumerate(sys.stdin):
            run.log_metrics({{"loss": float(step)}}, step=step)
            print(step, flush=True)
"""


@pytest.fixture
def passage(server: str) -> Iterator[Passage]:
    with Passage(server) as found:
        yield found


@pytest.fixture
def failing_way(server: str) -> Iterator[FailingWay]:
    with FailingWay(server) as found:
        yield found


def tracker_of(address: str, said: list[str] | None = None, **settings: Any) -> Tracker:
    says = (said if said is not None else []).append
    return Tracker(address, "tests", **{"system_metrics": False, "say": says, **settings})


def history(address: str, run_id: str, name: str) -> list[Metric]:
    found = MlflowClient(address).get_metric_history(run_id, name)
    return sorted(found, key=lambda one: (one.step, one.timestamp))


def stored(address: str, run_id: str) -> Run:
    return MlflowClient(address).get_run(run_id)


def one_of_each(run: TrackedRun) -> list[Callable[[], None]]:
    return [
        partial(run.log_metrics, {"train/loss": 0.25, "odd": float("nan")}, step=7),
        partial(run.set_tags, {"model_id": "m1"}),
        partial(run.log_dataset, "events", FACTS, context="training"),
        partial(run.log_artifact_text, "model.json", "[1]"),
        partial(run.log_figure, "plots/m/roc.png", Figure),
    ]


def log_all(run: TrackedRun) -> None:
    for log in one_of_each(run):
        log()


def check_all(address: str, run_id: str) -> None:
    found, client = stored(address, run_id), MlflowClient(address)
    assert found.data.metrics["train/loss"] == 0.25
    assert found.data.metrics["odd"] != found.data.metrics["odd"]
    assert found.data.tags["model_id"] == "m1"
    assert found.inputs is not None
    assert [one.dataset.name for one in found.inputs.dataset_inputs] == ["events"]
    assert Path(client.download_artifacts(run_id, "model.json")).read_text() == "[1]"
    picture = Path(client.download_artifacts(run_id, "plots/m/roc.png"))
    assert picture.read_bytes().startswith(b"\x89PNG")


def deliver(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["runs", "deliver", *map(str, words)])


def kept() -> list[Path]:
    return sorted(KEPT.iterdir()) if KEPT.exists() else []


def test_a_server_that_was_killed_gets_all_of_the_outage_with_its_times_once(
    running: TrackingServer,
) -> None:
    said: list[str] = []
    with tracker_of(running.address, said, patience_seconds=60) as tracker:
        with tracker.run("train", name="n", params={}, tags={}) as before:
            pass
        try:
            with tracker.run("evaluate", name="n", params={}, tags={}) as run:
                run.log_metrics({"loss": 0.0}, step=0)
                running.stop(signal.SIGKILL)
                for step in range(1, 50):
                    run.log_metrics({"loss": float(step)}, step=step)
                log_all(run)
                tracker.add_metrics(before.run_id, {"test/toy/auc": 0.87})
            ended = time.time()
        finally:
            running.start()
    points = history(running.address, run.run_id, "loss")
    assert [(one.step, one.value) for one in points] == [(i, float(i)) for i in range(50)]
    assert all(one.timestamp / 1000 <= ended for one in points)
    check_all(running.address, run.run_id)
    assert stored(running.address, before.run_id).data.metrics["test/toy/auc"] == 0.87
    info = stored(running.address, run.run_id).info
    assert info.status == "FINISHED"
    assert info.end_time / 1000 <= ended, "when it ended, not when that arrived"
    assert kept() == []
    assert len(said) == 2, said
    assert "is away (connection refused)" in said[0]
    assert said[1].endswith("all that was kept is there")


def test_a_halted_server_delays_one_request_and_gets_that_one_once(
    running: TrackingServer,
) -> None:
    MlflowClient(running.address).search_experiments()  # it has just started: it is slow once
    with (
        tracker_of(running.address, timeout_seconds=2) as tracker,
        tracker.run("train", name="n", params={}, tags={}) as run,
    ):
        running.send(signal.SIGSTOP)
        try:
            began = time.monotonic()
            for step in range(300):
                run.log_metrics({"loss": float(step)}, step=step)
            spent = time.monotonic() - began
        finally:
            running.send(signal.SIGCONT)  # the first request lies there: it is answered now
    assert 1.9 < spent < 3.9
    assert [one.step for one in history(running.address, run.run_id, "loss")] == [*range(300)]


def test_a_request_that_arrived_without_an_answer_counts_once(passage: Passage) -> None:
    said: list[str] = []
    with tracker_of(passage.address, said) as tracker:
        with tracker.run("train", name="n", params={}, tags={}) as run:
            for log in one_of_each(run):
                passage.deaf = True
                log()
                passage.deaf = False
                until(lambda: not kept(), seconds=30)
            passage.deaf = True
        passage.deaf = False
    assert len([one for one in said if "connection lost" in one]) == 6, said
    check_all(passage.address, run.run_id)
    assert len(history(passage.address, run.run_id, "train/loss")) == 1
    assert stored(passage.address, run.run_id).info.status == "FINISHED"


def test_nothing_is_written_while_the_server_answers(server: str) -> None:
    with (
        tracker_of(server) as tracker,
        tracker.run("train", name="n", params={}, tags={}) as run,
    ):
        log_all(run)
    assert kept() == []


def test_a_server_that_stays_away_is_told_in_one_line_with_what_delivers_the_rest(
    passage: Passage,
) -> None:
    address = passage.address.replace("//", "//me:sesame@")

    def goes_on() -> None:
        with (
            tracker_of(address, said, patience_seconds=0.5) as tracker,
            tracker.run("train", name="n", params={}, tags={}) as run,
        ):
            runs.append(run.run_id)
            passage.close()
            log_all(run)

    said: list[str] = []
    runs: list[str] = []
    with pytest.raises(TrackingError, match="connection refused; all that was logged") as caught:
        goes_on()
    line = str(caught.value)
    (path,) = KEPT.glob("*.jsonl")
    assert line.endswith(f"susystream runs deliver {path}")
    assert "sesame" not in line + "".join(said) + path.read_text()
    assert deliver(path).exit_code == 1
    passage.open()
    done = deliver()
    assert done.exit_code == 0, done.exception
    assert runs[0] in done.stdout
    check_all(passage.address, runs[0])
    assert stored(passage.address, runs[0]).info.status == "FINISHED"
    assert kept() == []
    assert json.loads(deliver("--json").stdout) == []


@pytest.fixture
def command(passage: Passage) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that logs, with the way to the server closed behind step 0."""
    pipe = subprocess.PIPE
    code = COMMAND.format(uri=passage.address)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)
        for end in (process.stdin, process.stdout, process.stderr):
            assert end is not None
            end.close()


def next_line(process: subprocess.Popen[str], typed: str = "") -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(typed)
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_what_a_killed_command_kept_goes_with_the_next_one(
    command: subprocess.Popen[str], passage: Passage
) -> None:
    run_id = next_line(command)
    next_line(command, "\n")
    passage.close()
    assert [next_line(command, "\n") for _ in range(3)] == ["1", "2", "3"]
    command.kill()
    command.wait(20)
    passage.open()
    (path,) = KEPT.glob("*.jsonl")
    with Journal(path), tracker_of(passage.address).run("train", name="n", params={}, tags={}):
        assert stored(passage.address, run_id).info.status == "RUNNING", "its word is on its way"
    said: list[str] = []
    with tracker_of(passage.address, said).run("train", name="n", params={}, tags={}):
        pass
    assert [one.step for one in history(passage.address, run_id, "loss")] == [0, 1, 2, 3]
    assert stored(passage.address, run_id).info.status == "KILLED"
    assert len(said) == 1
    assert kept() == []


def test_a_run_that_others_took_for_killed_gets_its_true_end(
    command: subprocess.Popen[str], passage: Passage, tmp_path: Path
) -> None:
    run_id = next_line(command)
    passage.close()
    assert next_line(command, "\n") == "0"
    assert command.stdin is not None
    command.stdin.close()
    assert command.wait(30) == 1
    passage.open()
    elsewhere = tracker_of(passage.address, folder=tmp_path / "another home")
    with elsewhere.run("train", name="n", params={}, tags={}):
        found = stored(passage.address, run_id)
        assert (found.info.status, "error" in found.data.tags) == ("KILLED", True)
    assert deliver().exit_code == 0
    found = stored(passage.address, run_id)
    assert (found.info.status, "error" in found.data.tags) == ("FINISHED", False)


def test_a_journal_of_a_command_that_runs_is_delivered_by_no_other(
    command: subprocess.Popen[str], passage: Passage, database: str
) -> None:
    run_id = next_line(command)
    passage.close()
    next_line(command, "\n")
    (path,) = KEPT.glob("*.jsonl")
    done = deliver("--tracking-uri", database, path)
    assert (done.exit_code, "in use" in str(done.exception)) == (1, True)
    passage.open()
    assert command.stdin is not None
    command.stdin.close()
    assert command.wait(30) == 0
    assert stored(passage.address, run_id).info.status == "FINISHED"


def test_a_refusal_is_no_outage(passage: Passage) -> None:
    with (
        tracker_of(passage.address) as tracker,
        tracker.run("train", name="n", params={"a": 1}, tags={}) as run,
        pytest.raises(TrackingError, match="Changing param"),
    ):
        run.log_params({"a": 2}, known={})
    assert kept() == []


def test_a_run_of_others_that_takes_no_figures_is_told_with_the_servers_reason(
    failing_way: FailingWay,
) -> None:
    said: list[str] = []
    with (
        tracker_of(failing_way.address, said) as tracker,
        tracker.run("evaluate", name="n", params={}, tags={}) as run,
    ):
        failing_way.fails = {b"f" * 32: 403}
        tracker.add_metrics("f" * 32, {"auc": 0.5}, whose="that run")
        run.log_metrics({"auc": 0.5})
    assert ["does not take them" in line and "code 403" in line for line in said] == [True]
    assert kept() == []


def test_what_is_refused_after_an_outage_is_set_aside_and_told(passage: Passage) -> None:
    def logs() -> None:
        with (
            tracker_of(passage.address) as tracker,
            tracker.run("train", name="n", params={"a": 1}, tags={}) as run,
        ):
            runs.append(run.run_id)
            passage.close()
            run.log_params({"a": 2}, known={})
            log_all(run)
            passage.open()

    runs: list[str] = []
    with pytest.raises(TrackingError, match=r"a refusal: params of run .*\.refused$"):
        logs()
    check_all(passage.address, runs[0])
    assert stored(passage.address, runs[0]).info.status == "FINISHED"
    (path,) = KEPT.glob("*.refused")
    assert '"a": "2"' in path.read_text()
    assert not list(KEPT.glob("*.jsonl"))


def test_what_the_server_fails_at_is_left_aside_and_all_else_arrives(
    failing_way: FailingWay,
) -> None:
    said: list[str] = []

    def logs() -> None:
        with (
            tracker_of(failing_way.address, said, patience_seconds=1) as tracker,
            tracker.run("train", name="n", params={}, tags={}) as run,
        ):
            runs.append(run.run_id)
            failing_way.fails = {b"model.json": 500, b"poison": 500}
            log_all(run)
            for step in range(50):
                run.log_metrics({"poison" if step == 20 else "loss": float(step)}, step=step)

    runs: list[str] = []
    with pytest.raises(TrackingError, match=r"and 1 more; the rest is there.*\.refused$"):
        logs()
    assert "fails at a request (an error inside the server)" in said[0]
    steps = [one.step for one in history(failing_way.address, runs[0], "loss")]
    assert steps == [step for step in range(50) if step != 20]
    assert stored(failing_way.address, runs[0]).info.status == "FINISHED"
    failing_way.fails = {}
    assert deliver(*KEPT.glob("*.refused")).exit_code == 0
    check_all(failing_way.address, runs[0])
    assert stored(failing_way.address, runs[0]).data.metrics["poison"] == 20
    assert kept() == []


def test_a_server_that_is_busy_for_a_while_gets_all_of_it(failing_way: FailingWay) -> None:
    said: list[str] = []
    with (
        tracker_of(failing_way.address, said) as tracker,
        tracker.run("train", name="n", params={}, tags={}) as run,
    ):
        failing_way.fails = {b"runs/": 503}
        log_all(run)
        threading.Timer(1, failing_way.fails.clear).start()
    check_all(failing_way.address, run.run_id)
    assert [one.rpartition(" ")[2] for one in said] == ["back", "there"]


def test_a_server_that_is_back_and_slow_is_not_told_to_be_away(failing_way: FailingWay) -> None:
    """Each answer comes well within the time-out, on a busy machine too; all of them do not."""

    def logs() -> None:
        with (
            tracker_of(failing_way.address, patience_seconds=1, timeout_seconds=5) as tracker,
            tracker.run("train", name="n", params={}, tags={}) as run,
        ):
            failing_way.fails = {b"runs/": 503}
            for number in range(30):
                run.set_tags({f"tag{number}": "x"})
            failing_way.delay_seconds = 0.5
            failing_way.fails = {}

    with pytest.raises(TrackingError, match=r"received \d+ of 31 entries there; .*jsonl$"):
        logs()
    failing_way.delay_seconds = 0
    until(lambda: not kept(), seconds=30)


def test_the_next_run_of_a_command_waits_for_the_server(passage: Passage) -> None:
    said: list[str] = []
    with tracker_of(passage.address, said) as tracker:
        with tracker.run("train", name="n", params={}, tags={}):
            passage.close()
        threading.Timer(1.5, passage.open).start()
        with tracker.run("evaluate", name="n", params={}, tags={}) as run:
            pass
    assert stored(passage.address, run.run_id).info.status == "FINISHED"
    assert any(one.startswith("waiting for the tracking server") for one in said)


def test_a_first_contact_is_not_waited_for(passage: Passage) -> None:
    passage.close()
    began = time.monotonic()
    with (
        pytest.raises(TrackingError, match="connection refused; start it"),
        tracker_of(passage.address).run("train", name="n", params={}, tags={}),
    ):
        raise AssertionError("not reached")
    assert time.monotonic() - began < 5


def test_system_metrics_go_on_after_an_outage_without_a_traceback(
    passage: Passage, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        tracker_of(passage.address, system_metrics=True) as tracker,
        tracker.run("train", name="n", params={}, tags={}) as run,
    ):
        run.log_metrics({"train/loss": 1.0})  # for which they would wait
        time.sleep(1.5)
        passage.close()
        time.sleep(2)
        passage.open()
        time.sleep(1.5)
    found = history(passage.address, run.run_id, "system/cpu_utilization_percentage")
    assert [one.step for one in found] == [*range(len(found))]
    assert len(found) >= 5
    assert capfd.readouterr() == ("", "")


def test_a_line_that_a_kill_cut_in_two_ends_the_journal(tmp_path: Path) -> None:
    journal = Journal.begin(tmp_path, "http://127.0.0.1:5000", Entry("r" * 32, "tags", {"a": "1"}))
    journal.append(Entry("r" * 32, "tags", {"b": "2"}))
    with journal.path.open("ab") as handle:
        handle.write(b'{"run": "r1", "kin')
    journal.unlock()
    sent: list[Entry] = []
    with Journal(journal.path) as found:
        found.deliver(Server(sent.append))
    assert [one.data for one in sent] == [{"a": "1"}, {"b": "2"}]


def test_a_long_outage_is_a_few_requests(tmp_path: Path) -> None:
    point: list[list[Any]] = [["loss", 1.0, 1, 1]]
    journal = Journal.begin(tmp_path, "sqlite:///x", Entry("r" * 32, "metrics", point))
    for _ in range(2499):
        journal.append(Entry("r" * 32, "metrics", point))
    sent: list[Entry] = []
    journal.deliver(Server(sent.append))
    journal.unlock()
    assert [len(one.data) for one in sent] == [1000, 1000, 500]


def test_a_file_that_is_no_journal_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_text("hello\n")
    done = deliver(tmp_path / "notes.jsonl")
    assert done.exit_code == 1
    assert "to hold what a run kept" in str(done.exception)
