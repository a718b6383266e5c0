"""What is wrong with a sweep is said before anything runs, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from susystream.composition import run_composed
from susystream.errors import SettingsError, StoreUnavailable, TrackingError


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ("stage=train seedd=1,2", "unknown setting 'seedd'; did you mean seed"),
        ("stage=train train.nosuch=1,2", "unknown setting 'train.nosuch'; did you mean"),
        ("~train stage=prepare seed=1,2", "train: expected a value, received none; give it one"),
        ("stage=train seed=1,x", "setting seed: .*received 'x'"),
        ("stage=train train.epochs=1,2,0", "setting train.epochs: .*received 0"),
        ("model=report_mlp,big", "unknown model 'big': expected one of"),
        ("stage=train sweep.metric=validation/acu seed=1,2", "did you mean validation/auc"),
        ("stage=train sweep.metric=test/holdout/auc seed=1,2", "a figure of stage train"),
        ("sweep.metric=test/holdot/auc seed=1,2", "did you mean test/holdout/auc"),
        (
            "stage=train train.validation_fraction=0 sweep.metric=validation/auc seed=1,2",
            "expected a figure of stage train, received 'validation/auc'",
        ),
        ("hydra/sweeper=tpe stage=train train.lr=interval(0.1,1)", "unknown setting 'train.lr'"),
        ("hydra/sweeper=tpe stage=train train.learning_rate=interval(0,1)", "learning_rate"),
        ("hydra/sweeper=tpes seed=1,2", "unknown hydra/sweeper 'tpes'"),
        ("hydra/sweeper=tpe stage=train train.epochs=interval(9,1)", "its lower end first, rec"),
        (
            "hydra/sweeper=tpe stage=train train.validation_fraction=tag(log,interval(0,0.5))",
            "train.validation_fraction: expected an interval.* above 0, received",
        ),
        ("seed=1,2 hydra.sweep.subdir=one", r"subdir: expected a folder of its own.*job\.num"),
        (
            "stage=train seed=1,2 train.epochs=1,2 hydra.sweep.subdir=e${train.epochs}",
            "a folder of its own for each trial, received 'e1' for trials 0 and 2; put",
        ),
        (
            "seed=1,2,1 sweep.resume=false hydra.sweep.subdir=${hydra.job.override_dirname}",
            "received 'seed=1,sweep.resume=false' for trials 0 and 2; put",
        ),
        (  # it may draw one point twice
            "hydra/sweeper=random stage=train seed=1,2 hydra.sweep.subdir=s${seed}",
            r"a folder of its own for each trial, received 's\d' for trials 0 and 1",
        ),
        # what the trials do not share is none of the sweep's: the usual network has three layers
        (
            "stage=train model.hidden=[16],[32] model.dropout=[0] sweep.metric=validation/acu",
            "did you mean validation/auc",
        ),
        (
            "hydra/sweeper=tpe stage=train model.hidden=[16],[32] model.dropout=[0] sweep.metric=x",
            "expected a figure of stage train, received 'x'",
        ),
        (
            "stage=train tracking.experiment=a,b",
            r"setting tracking\.experiment: expected one, .*received several; name one",
        ),
        (
            "stage=train tracking={uri:a},{uri:b}",
            r"setting tracking\.uri: expected one, for trials",
        ),
        ("stage=train", "several values .*received none; type some, as seed=1,2, or leave -m out"),
        ("stage=train seed=3", "received none; .* or leave -m out"),
        ("hydra/sweeper=random seed=3", "received none; type some, as a=1,2 or a=interval"),
        ("experiment=low_vs_high model.features=low", r"none; .* once with hydra\.mode=RUN"),
        ("experiment=low_vs_high ++model.features=low", r"none; .* once with hydra\.mode=RUN"),
        ("seed=51,52,51", "seed: expected each value once, .*received '51' twice; leave one out"),
        (
            "train.learning_rate=interval(1e-4,1e-2)",
            r"received train\.learning_rate=interval.*; add hydra/sweeper=tpe or hydra/sweeper=r",
        ),
        (
            "hydra/launcher=joblib hydra.launcher.n_jobs=0 seed=1,2",
            "launcher.n_jobs: expected a whole number other than 0 .*, received 0; correct",
        ),
        (
            "hydra/launcher=joblib hydra.launcher.n_jobs=two seed=1,2",
            r"launcher\.n_jobs: expected a whole number, received 'two'; correct",
        ),
        (
            "hydra/sweeper=tpe hydra.sweeper.sampler=random1 seed=1,2",
            r"setting hydra\.sweeper\.sampler: .*received 'random1'; did you mean random\?",
        ),
        (
            "hydra/sweeper=tpe hydra.sweeper.pruner=medain seed=1,2",
            r"setting hydra\.sweeper\.pruner: .*received 'medain'; did you mean median\?",
        ),
        (
            "hydra/sweeper=tpe hydra.sweeper.trials=0 seed=1,2",
            r"setting hydra\.sweeper\.trials: expected .* at least 1, received 0; correct it",
        ),
        (
            "hydra.sweeper.max_batch_size=0 seed=1,2",
            r"max_batch_size: .* of at least 1, received 0",
        ),
        ("stage=evaluate evaluate.input=no.csv,slice:t/0:0-5", r"no\.csv, which is not there; cor"),
        ("hydra/sweeper=tpe stage=prepare seed=1,2", r"metric: expected a figure to search by"),
        (
            "stage=train sweep.metric=train/loss,validation/auc",
            "received the least train/loss of some and the most validation/auc of others; name",
        ),
        (
            "stage=train sweep.direction=minimize,maximize",
            "received the least validation/auc of some and the most validation/auc of others",
        ),
        ("stage=train,evaluate", "the most validation/auc of some and no figure of others"),
        (
            "hydra/sweeper=random stage=train train.validation_fraction=0.1,0",
            "the most validation/auc of some and no figure of others",
        ),
        (
            "stage=train sweep.metric=validation/auc train.validation_fraction=0.1,0",
            "expected a figure of stage train, received 'validation/auc'",
        ),
        (
            "hydra/sweeper=tpe stage=train train.epochs=1,2,0 seed=1,2",
            "setting train.epochs: .*received 0",
        ),
        (
            "hydra/sweeper=tpe stage=train model.hidden=[8],[8,8,8] model.dropout=[0],[0,0]",
            r"setting model: expected one dropout rate a hidden layer \(3\), received 1",
        ),
        (  # each value goes with some other
            "hydra/sweeper=tpe stage=train model.hidden=[8],[8,8] model.dropout=[0],[0,0] "
            "sweep.direction=minimize,maximize",
            "the least validation/auc of some and the most validation/auc of others",
        ),
        (
            "evaluate/engine=spark stage=evaluate "
            "evaluate.engine.options={spark.password:hunter2},{spark.password:hunter2}",
            r"once, .*received \"{spark\.password: '\*\*\*'}\" twice; leave",
        ),
        ("stage=publish stream.topic=a,a sweep.metric=x", "figure of stage publish"),  # not once
        ("stage=prepare seed=range(5,1)", r"seed: .*received range\(5,1\), which holds none; corr"),
        (
            "hydra/sweeper=random stage=train data=glob(re_al*)",
            r"setting data: .*received glob\(re_al\*\), which holds none; choose among .*toy",
        ),
    ],
)
def test_a_sweep_that_cannot_go_well_is_refused_before_it_begins(
    overrides: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(SettingsError, match=told) as caught:
        run_composed(["-m", *overrides.split()])
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("mlflow.db*"))
    assert not (tmp_path / ".susystream").exists()


def test_a_wrong_tracking_address_is_told_before_servers_start_for_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["-m", "stage=evaluate", "seed=1,2", "tracking.uri='htp://h:5000'"]
    with pytest.raises(TrackingError, match="did you mean http://h:5000"):
        run_composed(words)
    assert not (tmp_path / ".susystream").exists()


def test_a_wrong_address_of_the_store_is_told_before_a_broker_starts_for_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    wrong = ["registry.uri='mongodb://127.0.0.1:1'", "registry.timeout_seconds=1"]
    with pytest.raises(StoreUnavailable, match=r"registry\.uri"):
        run_composed(["-m", "stage=publish", "seed=1,2", *wrong])
    assert not (tmp_path / ".susystream" / "kafka").exists()
