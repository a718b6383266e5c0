"""What is wrong with a sweep is said before anything runs, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from susystream.composition import run_composed
from susystream.errors import SettingsError


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ("stage=train seedd=1,2", "unknown setting 'seedd'; did you mean seed"),
        ("stage=train train.nosuch=1,2", "unknown setting 'train.nosuch'; did you mean"),
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
            "stage=train seed=1,2,1 hydra.sweep.subdir=${hydra.job.override_dirname}",
            "received 'seed=1,stage=train' for trials 0 and 2; put",
        ),
        (  # it may draw one point twice
            "hydra/sweeper=random stage=train seed=1,2 hydra.sweep.subdir=s${seed}",
            r"a folder of its own for each trial, received 's\d' for trials 0 and 1",
        ),
        (
            "experiment=low_vs_high ++model.features=low,high",
            r"setting model\.features: expected it once in a sweep, .*; type it as model\.f",
        ),
        ("experiment=low_vs_high ++model.features=low", "expected it once in a sweep"),
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


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ("hydra.sweeper.sampler=grid", "a sampler of tpe, random.*received grid"),
        ("hydra.sweeper.pruner=best", "a pruner of median, hyperband, none.*best"),
        ("hydra.sweeper.trials=0", "trials of at least 1.*received.* 0"),
    ],
)
def test_a_search_that_cannot_go_well_is_refused(
    overrides: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    words = ["hydra/sweeper=tpe", "stage=prepare", "sweep.metric=prepare/rows", "seed=1,2"]
    with pytest.raises(SettingsError, match=told):
        run_composed(["-m", *words, overrides])


def test_a_search_needs_a_figure_to_search_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(SettingsError, match=r"sweep\.metric: expected a figure to search by"):
        run_composed(["-m", "hydra/sweeper=tpe", "stage=prepare", "seed=1,2"])
