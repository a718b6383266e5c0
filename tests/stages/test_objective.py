"""What a trial is judged by."""

from __future__ import annotations

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from susystream.composition import config_folder, settings_of
from susystream.errors import SettingsError
from susystream.evaluate.metrics import NAMES, metrics
from susystream.evaluate.tally import Tally
from susystream.settings import Settings
from susystream.stages.objective import Objective, known_figures, objective_of


def settings(*overrides: str) -> Settings:
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return settings_of(compose("config", overrides=list(overrides)))


def test_the_known_figures_of_a_test_set_are_those_that_are_computed() -> None:
    tally = Tally.empty()
    tally.update(np.linspace(-1, 1, 10, dtype=np.float32), np.tile([0, 1], 5).astype(np.uint8))
    assert set(metrics(tally)) == set(NAMES)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (("stage=train",), Objective("validation/auc")),
        (("stage=pipeline",), Objective("validation/auc")),
        (("stage=train", "train.follow=true"), Objective("follow/test/auc")),
        (("stage=evaluate",), Objective(None)),
        (("stage=train", "train.validation_fraction=0"), Objective(None)),
        (("stage=train", "sweep.metric=validation/loss"), Objective("validation/loss", False)),
        (("sweep.metric=test/real/brier",), Objective("test/real/brier", False)),
        (("sweep.metric=test/real/ece",), Objective("test/real/ece", False)),
        (("sweep.metric=test/real/significance",), Objective("test/real/significance")),
        (("sweep.metric=train/seconds",), Objective("train/seconds", False)),
        (("sweep.metric=train/rows_per_second",), Objective("train/rows_per_second")),
        (
            ("sweep.metric=test/real/auc", "sweep.direction=minimize"),
            Objective("test/real/auc", False),
        ),
        (
            ("stage=evaluate", "evaluate.input=a.csv", "sweep.metric=test/a/auc"),
            Objective("test/a/auc"),
        ),
    ],
    ids=str,
)
def test_the_figure_and_its_direction_follow_from_the_settings(
    overrides: tuple[str, ...], expected: Objective
) -> None:
    assert objective_of(settings(*overrides)) == expected


def test_an_unknown_figure_is_refused_with_all_there_are_where_none_is_near() -> None:
    with pytest.raises(SettingsError, match="choose one of train/loss, train/accuracy"):
        objective_of(settings("stage=train", "sweep.metric=speed"))


def test_only_what_each_epoch_tells_can_prune() -> None:
    epoch = {one for one in known_figures(settings()) if Objective(one).known_by_epoch}
    assert "validation/auc" in epoch
    assert not any(one.startswith("test/") for one in epoch)
