"""MLproject and conf/ agree."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from susystream.composition import config_folder

ROOT = Path(__file__).parents[1]
PROJECT = yaml.safe_load((ROOT / "MLproject").read_text())
ENTRIES: dict[str, Any] = PROJECT["entry_points"]


def composed(*overrides: str) -> Any:
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return compose("config", overrides=list(overrides))


def passed(command: str) -> dict[str, str]:
    """{setting: MLproject parameter} of a command."""
    return dict(re.findall(r"(\S+)=\{(\w+)\}", command))


def test_there_is_an_entry_point_for_every_stage() -> None:
    stages = {path.stem for path in (config_folder() / "stage").glob("*.yaml")}
    assert set(ENTRIES) == stages - {"pipeline"} | {"main"}


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_every_parameter_is_used_and_every_used_one_declared(name: str) -> None:
    used = set(re.findall(r"\{(\w+)\}", ENTRIES[name]["command"]))
    assert used == set(ENTRIES[name]["parameters"])


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_defaults_are_those_of_conf(name: str) -> None:
    entry = ENTRIES[name]
    stage = re.search(r"stage=(\w+)", entry["command"])
    assert stage
    config = composed(f"stage={stage.group(1)}")
    for setting, parameter in passed(entry["command"]).items():
        default = entry["parameters"][parameter]["default"]
        if setting in {"data", "experiment"}:  # a group: its choice must exist
            assert (config_folder() / setting / f"{default}.yaml").exists()
        else:
            assert OmegaConf.select(config, setting) == default


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_every_entry_point_takes_any_overrides_at_its_end(name: str) -> None:
    assert ENTRIES[name]["command"].endswith("--overrides {overrides}")
    assert ENTRIES[name]["parameters"]["overrides"]["default"] == ""


def test_the_project_has_the_products_name() -> None:
    assert PROJECT["name"] == "susystream"
