"""What a command sets otherwise than its recipe, by composing it as a command does."""

from __future__ import annotations

import itertools
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.types import RunMode

from susystream.composition import config_folder
from susystream.reports.continual import REAL_EVENTS
from susystream.sweeping.given import overrides_of
from susystream.variant import variant_of

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
PLACES = (
    *("home=/elsewhere", "registry.uri=mongodb://host:1/", "stream.bootstrap_servers=host:9092"),
    *("tracking.pictures=false", "stream.topic=mine", "sweep.resume=false"),
)


def of(*overrides: str, sweep: bool = False) -> dict[str, Any] | None:
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        config = loader.load_configuration(
            "config",
            [*overrides, *(() if sweep else ["hydra.mode=RUN"])],
            run_mode=RunMode.MULTIRUN if sweep else RunMode.RUN,
        )
        return variant_of(config, config.hydra, sweep=sweep)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], {}),
        (PLACES, {}),
        (["model.features=low,high"], {"model.features": "low,high"}),
        (["model.features=complete"], {"model.features": "complete"}),
        (["seed=9", "model.dropout=[0,0,0]"], {"seed": 9, "model.dropout": [0, 0, 0]}),
        (["seed=1,2"], {"seed": "1,2"}),
        (["hydra/sweeper=random"], {"hydra.sweeper": "random"}),
        (["stage=train"], {"stage": "train"}),
        (
            ["evaluate/engine=spark", "evaluate.engine.options={spark.a:8,spark.password:x},{}"],
            {
                "evaluate.engine": "spark",
                "evaluate.engine.options": "{spark.a: 8, spark.password: '***'},{}",
            },
        ),
    ],
)
def test_a_sweep_tells_what_it_sets_and_sweeps_beside_its_recipe(
    overrides: list[str], expected: dict[str, Any]
) -> None:
    assert of("experiment=low_vs_high", *overrides, sweep=True) == expected


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["experiment=quickstart"], {}),
        (["experiment=quickstart", *PLACES], {}),
        (["experiment=quickstart", "train.epochs=9"], {"train.epochs": 9}),
        (["experiment=quickstart", "stage=train"], {"stage": "train"}),
        (["train.epochs=9"], None),
        (["+experiment.name=mine", "+experiment.compare_with_report=false"], None),
    ],
)
def test_a_job_tells_what_it_sets_beside_its_recipe(
    overrides: list[str], expected: dict[str, Any] | None
) -> None:
    assert of(*overrides) == expected


def test_the_steps_of_a_recipe_of_several_commands_are_no_variants() -> None:
    step = of("experiment=ensemble", "stage=evaluate")
    assert step == {"stage": "evaluate", "hydra.mode": "RUN"}
    chosen = ["evaluate.models=latest", "evaluate.ensemble=null"]
    found = of("experiment=ensemble", "stage=evaluate", *chosen)
    assert found == {**step, "evaluate.models": "latest", "evaluate.ensemble": None}


def test_what_follows_from_a_setting_is_not_told_beside_it() -> None:
    step = ["experiment=ensemble", "stage=train"]
    assert of(*step, "data.rows=4000") == {"data.rows": 4000, "hydra.mode": "RUN"}
    named = of(*step, "data.rows=4000", "data.name=mine")
    assert named == {"data.rows": 4000, "data.name": "mine", "hydra.mode": "RUN"}


def commands() -> Iterator[list[str]]:
    """Of each recipe: the one by its name, or those of its script."""
    for recipe in sorted(path.stem for path in (config_folder() / "experiment").glob("*.yaml")):
        script = EXPERIMENTS / recipe / "run.sh"
        text = script.read_text() if script.exists() else f"susystream run experiment={recipe}"
        for line in re.findall(r"^susystream run (.*)$", text.replace("\\\n", " "), re.MULTILINE):
            yield [word for word in shlex.split(line) if word != "$@"]


def variants(
    overrides: list[str], *, folder: Path | None = None
) -> Iterator[dict[str, Any] | None]:
    """Of a job, or of a sweep and of each of its trials."""
    with initialize_config_dir(str(folder or config_folder()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        config = loader.load_configuration("config", overrides, run_mode=RunMode.MULTIRUN)
        if config.hydra.mode != RunMode.MULTIRUN:
            yield variant_of(config, config.hydra)
            return
        yield variant_of(config, config.hydra, sweep=True)
        for typed in itertools.product(*map(values, overrides_of(config.hydra))):
            trial = loader.load_sweep_config(config, [*typed])
            yield variant_of(trial, trial.hydra)


def values(override: Override) -> list[str]:
    """A trial's overrides, as Hydra's sweeper makes them."""
    if not override.is_sweep_override():
        return [str(override.input_line)]
    return [f"{override.get_key_element()}={one}" for one in override.sweep_string_iterator()]


@pytest.mark.parametrize("overrides", [*commands()], ids=" ".join)
def test_every_command_of_a_recipe_is_the_recipe_as_it_stands(overrides: list[str]) -> None:
    own = "data.kind=real_low_level" in overrides
    for one in variants(overrides):
        assert one is not None
        told = {name: value for name, value in one.items() if name not in ("stage", "hydra.mode")}
        assert told == (REAL_EVENTS if own else {})


def test_what_a_trials_value_makes_of_other_settings_is_no_variant_but_the_rest_is() -> None:
    _, *trials = variants(["experiment=ensemble", "seed=7,8", "train.epochs=9"])
    assert trials == [{"train.epochs": 9}] * 2
    _, trial, _ = variants(["experiment=ensemble", "seed=7,8", "model.name=mine"])
    assert trial == {"model.name": "mine"}


def test_a_trial_of_a_recipe_that_sweeps_over_a_group_is_no_variant(tmp_path: Path) -> None:
    own = shutil.copytree(config_folder(), tmp_path / "conf")
    params = "hydra: {mode: MULTIRUN, sweeper: {params: {data: 'toy,real_sample'}}}"
    recipe = f"# @package _global_\nexperiment: {{name: mine}}\n{params}\n"
    (own / "experiment" / "mine.yaml").write_text(recipe)
    assert [*variants(["experiment=mine"], folder=own)] == [{}, {}, {}]
    changed = [*variants(["experiment=mine", "train.epochs=9"], folder=own)]
    assert changed == [{"train.epochs": 9}] * 3


def test_one_job_with_a_value_of_what_the_recipe_sweeps_over_is_a_variant() -> None:
    found = of("experiment=ensemble", "stage=publish", "seed=9")
    assert found is not None
    assert found["seed"] == 9


def test_a_run_that_is_repeated_is_compared_with_its_recipe_too() -> None:
    given = ["++experiment={name: quickstart, compare_with_report: false}", "data.rows=7"]
    assert of(*given) == {"data.rows": 7}
