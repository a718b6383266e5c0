"""What a command sets otherwise than its recipe, by composing it as a command does."""

from __future__ import annotations

from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from susystream.composition import config_folder
from susystream.variant import variant_of

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


def test_a_run_that_is_repeated_is_compared_with_its_recipe_too() -> None:
    given = ["++experiment={name: quickstart, compare_with_report: false}", "data.rows=7"]
    assert of(*given) == {"data.rows": 7}
