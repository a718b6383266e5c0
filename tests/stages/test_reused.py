"""Each trial has a run in its sweep: its own, one that was moved there, a copy, or a failed one."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from registry.test_store import record
from stages.desk import Open

from susystream.errors import DataError, NotFound, TrialsFailed
from susystream.stages.context import StageContext
from susystream.stages.outcome import Outcome
from susystream.stages.sweep import open_sweep
from susystream.stages.trial import Trial, run_trial
from susystream.tracking.tracked_run import TrackedRun

PREPARE = ("stage=prepare", "sweep.metric=prepare/rows")


@contextmanager
def swept(context: StageContext, space: str, *, fails: bool = False) -> Iterator[TrackedRun]:
    """A sweep's run."""
    tags = {"sweep": space}
    with (
        suppress(DataError),
        context.tracker.run("sweep", name=space, params={}, tags=tags) as run,
    ):
        yield run
        if fails:
            raise DataError("for this test")


def trial(context: StageContext, number: int, sweep: TrackedRun) -> Outcome:
    chosen = Trial(number, {"seed": "42"}, sweep.run_id)
    return run_trial(context.settings, output=context.output / str(number), trial=chosen)


def below(context: StageContext, sweep: TrackedRun) -> list[Run]:
    """The runs of its trials."""
    client = MlflowClient(tracking_uri=context.tracker.uri)
    place = client.get_run(sweep.run_id).info.experiment_id
    return list(client.search_runs([place], f"tags.mlflow.parentRunId = '{sweep.run_id}'"))


@pytest.mark.parametrize("former_one", ["finished", "still runs", "is of another space"])
def test_a_run_stays_with_its_sweep_and_another_one_gets_a_copy(
    opened: Open, former_one: str
) -> None:
    other = former_one == "is of another space"
    with opened(*PREPARE) as context:
        client = MlflowClient(tracking_uri=context.tracker.uri)
        with swept(context, "data.rows=4000,5000" if other else "seed=1,42", fails=other) as former:
            original = trial(context, 0, former).run_id or ""
        if former_one == "still runs":
            client.update_run(former.run_id, status="RUNNING")
        with swept(context, "seed=1,42") as sweep:
            found = [trial(context, number, sweep) for number in (1, 2)]
        assert [(one.state, one.run_id, one.objective) for one in found] == [
            ("reused", original, 4000.0)
        ] * 2
        assert [one.info.run_id for one in below(context, former)] == [original]
        assert "continued_by" not in client.get_run(former.run_id).data.tags
        copies = {one.info.run_name: one for one in below(context, sweep)}
        assert copies.keys() == {"trial 1: seed=42", "trial 2: seed=42"}
        kept, copy = client.get_run(original), copies["trial 2: seed=42"]
        assert kept.info.run_name == "trial 0: seed=42"
        assert (copy.data.params, copy.data.metrics) == (kept.data.params, kept.data.metrics)
        assert copy.data.tags["config_hash"] == kept.data.tags["config_hash"]
        assert (copy.data.tags["reused_from"], copy.data.tags["stage"]) == (original, "reused")
        history = client.get_metric_history(sweep.run_id, "trials/prepare/rows")
        assert [one.step for one in history] == [1, 2]


def test_a_copy_leads_to_its_original_and_stands_for_none_that_is_gone(opened: Open) -> None:
    with opened(*PREPARE) as context:
        client = MlflowClient(tracking_uri=context.tracker.uri)
        with swept(context, "seed=42") as former:
            original = trial(context, 0, former).run_id or ""
        with swept(context, "seed=42") as sweep:
            trial(context, 0, sweep)
        (copy,) = below(context, sweep)
        assert context.tracker.recorded(copy.info.run_id).run_id == original
        client.delete_run(original)
        with swept(context, "seed=42") as third:
            assert trial(context, 0, third).state == "finished"


@pytest.mark.parametrize("deleted", [False, True])
def test_the_same_sweep_given_again_takes_the_trials_of_one_that_was_broken_off(
    opened: Open, deleted: bool
) -> None:
    """Under the number that they have in it; also where someone deleted that sweep's run."""
    with opened(*PREPARE) as context:
        client = MlflowClient(tracking_uri=context.tracker.uri)
        with swept(context, "seed=1,42", fails=True) as former:
            original = trial(context, 0, former).run_id
        if deleted:
            client.delete_run(former.run_id)
        with swept(context, "seed=1,42") as sweep:
            assert trial(context, 3, sweep).state == "reused"
        assert below(context, former) == []
        (moved,) = below(context, sweep)
        assert (moved.info.run_id, moved.info.run_name) == (original, "trial 3: seed=42")
        assert moved.data.tags["trial"] == "3"
        continued = None if deleted else sweep.run_id
        assert client.get_run(former.run_id).data.tags.get("continued_by") == continued


def test_a_trial_whose_name_names_nothing_has_a_failed_run(opened: Open) -> None:
    with opened("stage=train", "train.dataset=nonsense") as context:
        with swept(context, "seed=42") as sweep, pytest.raises(NotFound):
            trial(context, 1, sweep)
        (failed,) = below(context, sweep)
    assert (failed.info.status, failed.info.run_name) == ("FAILED", "trial 1: seed=42")
    assert "received 'nonsense'" in failed.data.tags["error"]


def test_a_name_of_all_trials_that_names_nothing_is_told_before_there_is_a_run(
    opened: Open, tmp_path: Path
) -> None:
    with opened("stage=train", "train.dataset=nonsense") as context:
        begun = open_sweep([context.settings], output=tmp_path, swept=["seed=1,2"])
        with pytest.raises(NotFound, match="received 'nonsense'"), begun:
            pass
        client = MlflowClient(tracking_uri=context.tracker.uri)
        ids = [one.experiment_id for one in client.search_experiments()]
        assert client.search_runs(ids) == []


def test_trials_that_finished_on_other_data_than_a_name_means_now_are_told(
    opened: Open, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def sweep(context: StageContext) -> None:
        settings, tracker = context.settings, context.tracker
        with open_sweep([settings], output=tmp_path, swept=["seed=1,2"]) as begun:
            for name in ("0", "1"):
                with tracker.run(
                    "train", name=name, params={}, tags={}, parent_run_id=begun.run_id
                ):
                    pass

    with opened("stage=train") as context:
        first = record(created_at="2026-01-01T00:00:00.000+00:00")
        second = record(created_at="2026-01-02T00:00:00.000+00:00")
        context.store.save_dataset(first)
        sweep(context)
        context.store.save_dataset(second)
        sweep(context)
        sweep(context)
    ids = (first.dataset_id, second.dataset_id)
    told = f"2 trials finished before on {ids[0]}; latest is now {ids[1]}: train.dataset={ids[0]} k"
    assert capsys.readouterr().out.count(told) == 1  # the last one finds those of the second


def test_a_sweep_tells_which_trials_failed_in_one_short_line_and_why_below_its_table(
    opened: Open, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = f"expected this, received {'that ' * 60}; correct it"

    def sweep(context: StageContext) -> None:
        with open_sweep([context.settings], output=tmp_path, swept=["seed=1,2,3"]) as it:
            for number in (0, 2):
                failed = Outcome(it.run_id, number, {}, "failed", 1.0, error=long)
                failed.write(tmp_path / str(number))
            Outcome(it.run_id, 1, {}, "finished", 1.0).write(tmp_path / "1")

    with opened(*PREPARE) as context, pytest.raises(TrialsFailed) as caught:
        sweep(context)
    told = "expected 3 trials to finish, received 2 that failed (0, 2; the lines below the table "
    assert str(caught.value).startswith(told)
    assert "that that" not in str(caught.value)
    said = capsys.readouterr().out
    assert f"trials 0, 2: {long.partition(';')[0]}\n" in said


def test_a_trial_that_is_not_run_again_took_as_long_as_the_run_that_stands_for_it(
    opened: Open, tmp_path: Path
) -> None:
    """Its copy took a moment."""
    with opened(*PREPARE) as context:
        client = MlflowClient(tracking_uri=context.tracker.uri)
        with swept(context, "seed=42") as former:
            original = client.get_run(trial(context, 0, former).run_id or "").info
        client.set_terminated(original.run_id, end_time=original.start_time + 12_000)
        with open_sweep([context.settings], output=context.output, swept=["seed=42"]) as it:
            again = Trial(0, {"seed": "42"}, it.run_id)
            run_trial(context.settings, output=context.output / "again", trial=again)
    (row,) = json.loads((context.output / "result.json").read_text())["trials"]
    assert (row["state"], row["seconds"]) == ("reused", 12.0)


def test_a_person_who_ends_a_sweep_is_told_how_it_goes_on(
    opened: Open, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a trial whose process was killed with it there is only the beginning."""

    def sweep(context: StageContext) -> None:
        with open_sweep([context.settings], output=tmp_path, swept=["seed=1,2"]) as it:
            Outcome(it.run_id, 0, {"seed": "1"}, "interrupted", 0.0).begin(tmp_path / "0")
            signal.raise_signal(signal.SIGINT)

    with opened(*PREPARE) as context, pytest.raises(KeyboardInterrupt):
        sweep(context)
    (row,) = json.loads((tmp_path / "result.json").read_text())["trials"]
    assert (row["number"], row["state"], row["error"]) == (
        0,
        "interrupted",
        "interrupted by Ctrl-C",
    )
    assert "given again, the same command runs only the rest" in capsys.readouterr().out
