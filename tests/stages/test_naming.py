"""Names of runs, and what they are compared by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from susystream.composition import config_folder, settings_of
from susystream.settings import public_config
from susystream.stages.console import Console
from susystream.stages.context import open_context
from susystream.stages.naming import differing, read_by, run_name, shown

DIFFERS = {
    "experiment": "quickstart",
    "seed": 2,
    "data": "real_sample",
    "stream.bootstrap_servers": "host:9",
    "train.epochs": 3,
    "train.dataset": "d1",
    "evaluate.input": "/home/me/big.csv",
    "score.until": "end",
    "tracking.uri": "http://host",
}


def differing_of(stage: str, *, within_a_chain: bool = False) -> dict[str, Any]:
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        settings = settings_of(compose("config"))
    with open_context(settings, output=Path(), console=Console(), differs=DIFFERS) as context:
        return differing(context, stage, within_a_chain=within_a_chain)


@pytest.mark.parametrize(
    ("stage", "within_a_chain", "names"),
    [
        ("train", False, ["experiment", "seed", "train.epochs"]),
        ("train", True, ["seed", "data", "train.epochs"]),
        ("prepare", True, ["seed", "data"]),
        ("evaluate", False, ["experiment", "seed", "evaluate.input"]),
        ("pipeline", False, ["seed", "data", "train.epochs", "evaluate.input"]),
        ("score", False, ["experiment", "score.until"]),
    ],
)
def test_a_stage_is_named_by_what_it_reads_and_not_by_where_things_lie(
    stage: str, within_a_chain: bool, names: list[str]
) -> None:
    assert list(differing_of(stage, within_a_chain=within_a_chain)) == names


def test_a_long_name_ends_with_a_whole_setting() -> None:
    many = {f"train.name{number}": "x" * 30 for number in range(9)}
    name = run_name("train", "", many)
    assert len(name) <= 80 + 5
    assert name.endswith(", …")
    assert name.count("name") == name.count("=")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (None, "null"),
        (0.001, "0.001"),
        ([64, 64], "[64,64]"),
        ("/home/me/big.csv", "big.csv"),
        ("x" * 99, "x" * 23 + "…"),
    ],
)
def test_a_value_is_shown_short_and_without_folders(value: Any, text: str) -> None:
    assert shown(value) == text


def test_a_run_is_compared_by_what_its_stage_reads() -> None:
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = public_config(settings_of(compose("config")))
    trained = read_by("train", config)
    assert trained["train.epochs"] == 5
    assert trained["model.hidden"] == [128, 256, 128]
    others = ("evaluate.", "score.", "data.", "registry.", "tracking.", "train.following", "home")
    assert not [name for name in trained if name.startswith(others)]
    assert not {"train.dataset", "train.parent"} & set(trained)
    assert len(trained) < 20
    assert "train.following.chain" in read_by("follow", config)
    assert read_by("prepare", config)["data.rows"] == 100_000
