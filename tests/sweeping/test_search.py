"""Searches by Optuna: the space, pruning, and going on after a kill."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from sweeping.desk import PREPARE, SweepDesk, rows_of_uci
from waiting import until

from hydra_plugins.susystream_search.search import curves, split, tell
from susystream.errors import TrialPruned
from susystream.stages.objective import Objective
from susystream.stages.outcome import Outcome, State
from susystream.stages.pruning import Study, journal, pruning

TPE = ("hydra/sweeper=tpe", "hydra.sweeper.trials=4")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("a=interval(0.5,2)", FloatDistribution(0.5, 2.0)),
        ("a=tag(log,interval(1e-4,1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("a=int(interval(1,9))", IntDistribution(1, 9)),
        ("a=tag(int,interval(1.0,9.0))", IntDistribution(1, 9)),
        ("a=interval(1,9)", FloatDistribution(1.0, 9.0)),
        ("n=interval(1,9)", IntDistribution(1, 9)),  # its value is a whole number
        ("a=1,2,3", CategoricalDistribution([1, 2, 3])),
        ("a=choice([64],[64,32])", CategoricalDistribution(["[64]", "[64,32]"])),
        ("a=range(1,4)", CategoricalDistribution([1, 2, 3])),
        (
            "a={s.password:x},{s.password:y}",
            CategoricalDistribution(["0: {s.password: '***'}", "1: {s.password: '***'}"]),
        ),
    ],
)
def test_a_space_is_typed_as_hydras_sweeps_are(typed: str, expected: object) -> None:
    config = OmegaConf.create({"a": 0.5, "n": 3, "b": 1})
    space, fixed = split(OverridesParser.create().parse_overrides([typed, "b=7"]), config)
    assert space == {typed[0]: expected}
    assert fixed == ["b=7"]


def test_a_search_that_was_killed_asks_for_the_trials_that_are_left(desk: SweepDesk) -> None:
    given = (*PREPARE, *TPE, "data.rows=interval(20000,40000)")
    process = desk.start("susystream", "run", "-m", *desk.overrides(*given))
    until(lambda: len(desk.trials()) >= 2, seconds=120, process=process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    before = desk.trials()
    assert 2 <= len(before) < 4
    status, _, err = desk.sweep(*given, out="again")
    assert status == 0, err
    after = desk.trials("again")
    assert sum(one["state"] in ("finished", "reused") for one in after.values()) == 4
    for number, one in before.items():
        assert after[number]["state"] == "reused"
        assert after[number]["run_id"] == one["run_id"]
    (parent, _), below = desk.runs()
    assert len(below[parent.info.run_id]) == 4


def test_what_failed_in_a_search_is_asked_for_again_until_all_is_done(desk: SweepDesk) -> None:
    (desk.folder / "my.csv").write_text("1,2,3\n")
    given = (*PREPARE, *TPE, "data=susy", "data.expected_rows=null", "data.path=my.csv")
    space = "data.test_fraction=interval(0.1,0.5)"
    status, _, err = desk.sweep(*given, space)
    assert status == 1
    assert "8 that failed" in err  # who always fails is not asked for ever
    failed = [one["parameters"] for one in desk.trials().values()]
    (desk.folder / "my.csv").write_text(rows_of_uci(40))
    status, _, err = desk.sweep(*given, space, out="again")
    assert status == 0, err
    found = list(desk.trials("again").values())
    assert [one["state"] for one in found] == ["finished"] * 4
    assert [one["parameters"] for one in found] == failed[:4]


def test_two_trials_of_a_search_run_at_once(desk: SweepDesk) -> None:
    jobs = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    status, out, err = desk.sweep(*PREPARE, *TPE, *jobs, "data.rows=interval(1000,9000)")
    assert status == 0, err
    assert [one["state"] for one in desk.trials().values()] == ["finished"] * 4
    (parent,), below = desk.runs()
    assert len(below[parent.info.run_id]) == 4
    assert "[1]" in out


def test_a_search_that_is_not_to_be_resumed_runs_all_of_it_again(desk: SweepDesk) -> None:
    given = (*PREPARE, *TPE, "data.rows=interval(1000,9000)", "sweep.resume=false")
    for out in ("out", "again"):
        status, _, err = desk.sweep(*given, "hydra.sweep.subdir=a/x${hydra.job.num}", out=out)
        assert status == 0, err
        assert [one["state"] for one in desk.trials(out).values()] == ["finished"] * 4


def test_a_search_is_the_work_of_one_command(desk: SweepDesk) -> None:
    given = (*PREPARE, *TPE, "data.rows=interval(3000000,3000100)")
    first = desk.start("susystream", "run", "-m", *desk.overrides(*given))
    until(lambda: desk.count_runs() >= 2, seconds=120, process=first)
    try:
        status, _, err = desk.sweep(*given, out="second")
        assert first.poll() is None
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate(timeout=30)
    assert status == 2
    assert "expected a search that no other command is at" in err.strip().splitlines()[-1]


@pytest.mark.parametrize(("pruner", "ends"), [("median", 6), ("hyperband", 3), ("none", 0)])
def test_each_pruner_judges_as_it_is_named(pruner: str, ends: int, tmp_path: Path) -> None:
    """Nine learn, six do not: in a process that only knows the study's place."""
    study = optuna.create_study(
        storage=journal(tmp_path / "s.journal"), study_name="s", direction="maximize"
    )
    known, objective = Study(str(tmp_path / "s.journal"), "s", pruner), Objective("validation/auc")
    ended = 0
    for number in range(15):
        study.ask()
        judge = pruning(known, number, objective)
        try:
            for epoch in range(9):
                judge(epoch, {"validation/auc": (0.8 if number < 9 else 0.5) + 0.01 * epoch})
            study.tell(number, 0.88 if number < 9 else 0.58)
        except TrialPruned:
            assert number >= 9
            study.tell(number, state=optuna.trial.TrialState.PRUNED)
            ended += 1
    assert ended >= ends
    assert ended <= (0 if pruner == "none" else 6)


def test_trials_that_were_looked_up_let_no_good_one_be_ended(tmp_path: Path) -> None:
    """Their figures are known and their curves may not be: a median of one other judges none."""
    study = optuna.create_study(
        storage=journal(tmp_path / "s.journal"), study_name="s", direction="maximize"
    )
    known, objective = Study(str(tmp_path / "s.journal"), "s"), Objective("validation/auc")
    for number, auc in enumerate([0.74, 0.76, 0.78, 0.80, 0.82, 0.94, 0.89]):
        study.ask()
        if number >= 5:
            judge = pruning(known, number, objective)
            for epoch in range(5):
                judge(epoch, {"validation/auc": auc - 0.04 + 0.01 * epoch})
        study.tell(number, auc)


def test_a_trial_that_begins_again_tells_each_epoch_once(tmp_path: Path) -> None:
    """Optuna warns of a second time; a warning is an error here."""
    path = tmp_path / "s.journal"
    study = optuna.create_study(storage=journal(path), study_name="s", direction="maximize")
    study.ask()
    for epochs in (2, 3):  # the first process was killed
        judge = pruning(Study(str(path), "s"), 0, Objective("validation/auc"))
        for epoch in range(epochs):
            judge(epoch, {"validation/auc": 0.5 + 0.1 * epoch})
    assert study.get_trials()[0].intermediate_values == {0: 0.5, 1: 0.6, 2: 0.7}


def test_a_trial_that_begins_again_is_not_judged_by_a_later_epoch_of_its_first_process(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s.journal"
    study = optuna.create_study(storage=journal(path), study_name="s", direction="maximize")
    known, objective = Study(str(path), "s"), Objective("validation/auc")
    for number in range(4):
        judge = pruning(known, study.ask().number, objective)
        for epoch in range(5):
            judge(epoch, {"validation/auc": 0.8})
        study.tell(number, 0.8)
    known.trial(study.ask().number).report(0.5, 3)  # and was killed before it was judged
    judge = pruning(known, 4, objective)
    for epoch in range(3):
        judge(epoch, {"validation/auc": 0.5})
    with pytest.raises(TrialPruned) as pruned:
        judge(3, {"validation/auc": 0.5})
    assert pruned.value.epoch == 4


def test_a_random_search_draws_from_the_whole_space(desk: SweepDesk) -> None:
    given = (*PREPARE, "hydra/sweeper=random", "hydra.sweeper.trials=5", "sweep.direction=minimize")
    status, _, err = desk.sweep(*given, "data.rows=interval(1000,9000)")
    assert status == 0, err
    rows = [int(one["parameters"]["data.rows"]) for one in desk.trials().values()]
    assert len(set(rows)) == 5
    found = json.loads((desk.folder / "out" / "result.json").read_text())
    assert found["objective"] == min(rows)


def test_a_trial_without_promise_is_ended_early_and_is_no_failure(
    desk: SweepDesk, broker: str, store_uri: str
) -> None:
    """Some hardly learn, behind some that do."""
    servers = (
        f"stream.bootstrap_servers={broker}",
        f"registry.uri={store_uri}",
        f"registry.database={desk.folder.name[:40]}",
        f"stream.topic={desk.folder.name[:40]}",
        "tracking.system_metrics=false",
    )
    for stage in ("prepare", "publish"):
        words = [f"stage={stage}", *servers, "data.rows=3000", f"home={desk.folder}/home"]
        status, _, err = desk.run(
            *("susystream", "run", *words, f"hydra.run.dir={desk.folder}/{stage}")
        )
        assert status == 0, err
    space = "train.learning_rate=tag(log,interval(1e-7,1e-1))"
    given = ("stage=train", *servers, "train.epochs=3", "model.hidden=[16]", "model.dropout=[0]")
    status, out, err = desk.sweep(
        *given, "hydra/sweeper=tpe", "hydra.sweeper.trials=10", "seed=1", space
    )
    assert status == 0, err
    trials = desk.trials()
    pruned = [one for one in trials.values() if one["state"] == "pruned"]
    assert pruned, out
    best = max(one["objective"] for one in trials.values() if one["state"] == "finished")
    assert all(one["objective"] < best for one in pruned)
    assert all("ended after epoch" in one["error"] for one in pruned)
    assert all(one["model_ids"] == [] for one in pruned)
    _, below = desk.runs()
    tags = {run.info.run_id: run.data.tags for runs in below.values() for run in runs}
    assert {tags[one["run_id"]]["trial_state"] for one in pruned} == {"pruned"}
    assert len(list(Path(desk.folder, "home", "sweeps").glob("*.journal"))) == 1

    status, out, err = desk.sweep(
        *given, "hydra/sweeper=tpe", "hydra.sweeper.trials=10", "seed=1", space, out="again"
    )
    assert status == 0, err
    again = [one for one in desk.trials("again").values() if one["state"] == "pruned"]
    assert {one["run_id"]: one["objective"] for one in again} == {
        one["run_id"]: one["objective"] for one in pruned
    }


def test_a_trial_keeps_its_own_curve_and_one_that_was_looked_up_gets_that_of_its_run(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s.journal"

    def new(name: str) -> optuna.Study:
        return optuna.create_study(storage=journal(path), study_name=name, direction="maximize")

    def told(study: optuna.Study, curve: dict[int, float], found: Outcome) -> dict[int, float]:
        trial = study.ask({"x": CategoricalDistribution([1])})
        of_its_process = Study(str(path), study.study_name).trial(trial.number)
        for step, figure in curve.items():
            of_its_process.report(figure, step)
        tell(study, trial, found, known)
        return study.get_trials()[trial.number].intermediate_values

    def outcome(state: State, run_id: str) -> Outcome:
        return Outcome("s", 0, {}, state, 1.0, objective=0.5, run_id=run_id)

    known: dict[str, dict[int, float]] = {}
    whole, failed = {0: 0.5, 1: 0.8, 2: 0.95}, {0: 0.4}
    former = new("former")
    told(former, whole, outcome("finished", "old"))
    told(former, failed, outcome("failed", "broken"))
    known = curves([former])
    assert known["old"] == whole
    study = new("now")
    assert told(study, {0: 0.1, 1: 0.2}, outcome("pruned", "new")) == {0: 0.1, 1: 0.2}
    assert told(study, {}, outcome("reused", "unknown")) == {}
    assert told(study, {}, outcome("reused", "old")) == whole
    assert curves([study])["old"] == whole  # the next command looks it up there
