"""What of a configuration somebody chose, by composing it as a command does."""

from __future__ import annotations

from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

from susystream.composition import config_folder
from susystream.differences import differences


def of(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("config", overrides=list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]  # a job does not see it
        return differences(config)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], {}),
        (["stage=train"], {}),
        (["train.epochs=5"], {}),
        (["seed=2", "train.epochs=3"], {"seed": 2, "train.epochs": 3}),
        (["data=real_sample"], {"data": "real_sample"}),
        (
            ["data=susy", "data.limit=9", "stream/codec=csv"],
            {"data": "susy", "stream.codec": "csv", "data.limit": 9},
        ),
        (["experiment=seed_report"], {"experiment": "seed_report"}),
        (
            ["experiment=seed_report", "train.epochs=7"],
            {"experiment": "seed_report", "train.epochs": 7},
        ),
        (["evaluate.models=[a,b]"], {"evaluate.models": ["a", "b"]}),
        (["~evaluate.sets.toy_large"], {"evaluate.sets.toy_large": "(left out)"}),
        (
            ["+evaluate.sets.mine={kind: file, path: a.csv}"],
            {"evaluate.sets.mine.kind": "file", "evaluate.sets.mine.path": "a.csv"},
        ),
    ],
)
def test_only_what_was_chosen_differs(overrides: list[str], expected: dict[str, Any]) -> None:
    assert of(*overrides) == expected


def test_no_secret_is_among_the_differences() -> None:
    found = of(
        "registry.uri=mongodb://me:hunter2@host:1/",
        "stream.security={sasl.username: me, sasl.password: hunter2}",
    )
    assert found["registry.uri"] == "mongodb://host:1/"
    assert "hunter2" not in str(found)
