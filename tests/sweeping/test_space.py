"""What a sweep may span: trials that are right together are not refused."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.susystream_grid.grid import GridSweeper
from susystream.composition import composed_settings, config_folder, settings_of
from susystream.errors import SettingsError
from susystream.settings import Settings
from susystream.settings.engine import SparkEngine
from susystream.sweeping.space import check_trials, without_hydra
from susystream.sweeping.tried import some_of, trials_with


@contextmanager
def sweep(words: str) -> Iterator[DictConfig]:
    """What Hydra composes of a sweep before it begins."""
    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        composed = GlobalHydra.instance().hydra
        assert composed is not None
        yield composed.compose_config(
            "config", words.split(), RunMode.MULTIRUN, with_log_configuration=False
        )


def checked(words: str) -> list[Settings]:
    """The trials of a sweep that are checked before it begins."""
    with sweep(words) as config:
        return check_trials(config)


def run(words: str) -> list[Settings]:
    """The trials of a grid that are run then, of the words that Hydra hands to its sweeper."""
    with sweep(words) as config:
        loader = GlobalHydra.instance().config_loader()
        params = [f"{name}={one}" for name, one in (config.hydra.sweeper.params or {}).items()]
        task = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
        assert isinstance(task, list)
        parser = OverridesParser.create(config_loader=loader)
        (trials,) = GridSweeper.split_arguments(parser.parse_overrides([*params, *task]), None)
        return [settings_of(without_hydra(loader.load_sweep_config(config, one))) for one in trials]


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (  # a setting with many values, wherever it is typed, hides no other's
            "hydra/sweeper=random stage=train model.hidden=[8],[8,8] model.dropout=[0],[0,0] "
            "seed=choice(1,2,3)",
            4,
        ),
        ("stage=prepare sweep.direction=minimize,maximize", 2),  # of no figure
        ("stage=publish,score stream.topic=a,a", 4),  # neither is looked up
        ("stage=prepare tracking={pictures:true},{pictures:false}", 2),  # in one place
    ],
)
def test_a_sweep_whose_trials_are_right_is_not_refused(words: str, count: int) -> None:
    assert len(checked(words)) == count


def test_mappings_typed_one_behind_the_other_both_count_in_a_search() -> None:
    search = "sweep.metric=test/holdout/auc hydra/sweeper=random evaluate.batch_rows=256,512"
    spark = "evaluate/engine=spark " + " ".join(
        f"++evaluate.engine.options={{spark.{one}:8}}" for one in "ab"
    )
    found = checked(f"stage=evaluate {search} {spark}")
    engine = found[0].evaluate.engine
    assert isinstance(engine, SparkEngine)
    assert engine.options == {"spark.a": 8, "spark.b": 8}


@pytest.mark.parametrize(
    "typed",
    [
        "++evaluate.sets={a:{kind:toy,rows:5}} ++evaluate.sets={b:{kind:toy,rows:7}}",
        "++evaluate.sets={a:{kind:toy,rows:5}} evaluate.sets={a:{rows:7}}",
        "++evaluate.sets={a:{kind:toy}} ++evaluate.sets={a:{rows:7}}",
        # in their order, whatever stands between them
        "++evaluate.sets={a:{kind:toy,rows:5}} evaluate.sets.a.rows=6 ++evaluate.sets={a:{rows:7}}",
        "evaluate.sets=null ++evaluate.sets={b:{kind:toy,rows:7}}",
        "data=real_low_level data={test_fraction:0.3}",
        "data={test_fraction:0.3} data=real_low_level",
        "data=real_low_level data.test_fraction=0.3 data=real_sample",
        "model.name=m_${seed} home=/h/${seed}",
        "evaluate.batch_rows=300 evaluate.batch_rows=400",
    ],
)
def test_each_trial_is_what_a_command_of_its_values_would_be(typed: str) -> None:
    given = f"stage=evaluate {typed} seed=1,2"
    found = run(given)
    single = [f"stage=evaluate {typed} seed={seed}".split() for seed in (1, 2)]
    assert found == [composed_settings(one) for one in single]
    assert found == checked(given)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("++evaluate.sets={a:{kind:toy}} ++evaluate.sets={b:{kind:toy}},{c:{kind:toy}}", "sets"),
        ("data=toy,real_low_level data={test_fraction:0.3}", "data"),
        ("data=toy data={test_fraction:0.3},{test_fraction:0.2}", "data"),
    ],
)
def test_what_is_swept_and_typed_once_more_is_refused(typed: str, name: str) -> None:
    """A trial could not say by which of them it differs, and Hydra's own sweeper drops one."""
    with pytest.raises(SettingsError, match=rf"{name}: expected it once where it is swept"):
        checked(f"stage=evaluate {typed}")


def test_a_place_of_runs_that_hangs_on_what_is_swept_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"tracking\.experiment: expected one, for trials lie"):
        checked("stage=prepare tracking.experiment=e${seed} seed=1,2")


@pytest.mark.parametrize("sign", ["", "++"])
def test_the_last_of_a_swept_setting_counts_with_a_sign_and_without(sign: str) -> None:
    given = f"experiment=low_vs_high {sign}model.features=low,[MT2]"
    found = run(given)
    assert {one.model.features for one in found} == {"low", ("MT2",)}
    assert found == checked(given)


def test_what_goes_together_is_found_behind_settings_with_many_values() -> None:
    """Layers and rates in other orders, with two long settings behind them."""
    values = [
        *(["layers=4", "layers=1", "layers=2", "layers=3"], ["rates=4", "rates=3", "rates=1"]),
        *([f"seed={n}" for n in range(1000)], [f"epochs={n}" for n in range(1000)]),
    ]

    def is_right(trial: list[str]) -> bool:
        return trial[0][-1] == trial[1][-1]

    for at, place in ((0, 1), (0, 3), (1, 1), (1, 2), (2, 999), (3, 0)):
        trials = [*trials_with(values, at, place)]
        assert all(one[at] == values[at][place] for one in trials)
        assert len({*map(tuple, trials)}) == len(trials) <= 50
        assert any(map(is_right, trials))


def test_each_trial_with_a_value_is_tried_where_they_are_few() -> None:
    values = [["a=1", "a=2"], ["b=1", "b=2", "b=3"], ["c=1"]]
    trials = [*trials_with(values, 0, 1)]
    assert trials[0] == ["a=2", "b=1", "c=1"]
    assert sorted(trials) == sorted(map(list, itertools.product(["a=2"], *values[1:])))


@pytest.mark.parametrize("count", [1, 49, 50, 51, 10_000])
def test_of_many_values_some_are_checked_the_first_and_the_last_among_them(count: int) -> None:
    found = [int(one) for one in some_of([str(n) for n in range(count)])]
    assert len(found) == min(count, 50)
    assert (found[0], found[-1]) == (0, count - 1)
    steps = {after - before for before, after in itertools.pairwise(found)}
    assert max(steps, default=1) - min(steps, default=1) <= 1
