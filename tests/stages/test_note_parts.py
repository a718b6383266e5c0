"""Commands in descriptions work where they are pasted: whole in a shell, with the right servers."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from susystream.composition import config_folder, settings_of
from susystream.settings import Settings
from susystream.stages.note_parts import command, model_line, of_model, run_command, topic_command


@cache
def composed() -> Settings:
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return settings_of(compose("config"))


def at(home: str = ".susystream", **more: str) -> Settings:
    usual = composed()
    broker = {"bootstrap_servers": more.pop("broker", None)}
    tracking = {
        "uri": more.pop("tracking", "sqlite:///mlflow.db"),
        "experiment": more.pop("experiment", "susystream"),
    }
    return usual.model_copy(
        update={
            "home": Path(home),
            "registry": usual.registry.model_copy(update=more),
            "stream": usual.stream.model_copy(update=broker),
            "tracking": usual.tracking.model_copy(update=tracking),
        }
    )


def words_of(command: str) -> list[str]:
    """What a shell makes of it."""
    script = f"susystream() {{ printf '%s\\0' susystream \"$@\"; }}; {command}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


def typed(command: str) -> dict[str, object]:
    """What Hydra takes from a command that was pasted into a shell."""
    parsed = OverridesParser.create().parse_overrides(words_of(command)[2:])
    return {one.key_or_group: OmegaConf.create({"value": one.value()}).value for one in parsed}


def test_where_all_is_as_usual_a_command_is_short() -> None:
    assert of_model(at(), "m1") == [
        "susystream models show m1",
        "susystream models verify m1",
        "susystream run stage=evaluate evaluate.models=m1",
    ]
    assert topic_command(at(), "susy") == "susystream data topic susy"


@pytest.mark.parametrize(
    "home",
    [
        *("/data/my runs/.susystream", "elsewhere", "it's", 'a "b"', "a,b", "a\\", "{x}", "~/x"),
        *("null", "12", "1e3", "x=y", "[z]", " a ", "${home}", "a#b", "(c)", "a;b", "\u00e9\u2026"),
    ],
)
def test_a_home_arrives_whole_in_both_kinds_of_commands(home: str) -> None:
    settings = at(home)
    assert typed(run_command(settings, "stage=evaluate")) == {"stage": "evaluate", "home": home}
    assert words_of(command(settings, "models show m1"))[-2:] == ["--home", home]


def test_the_line_on_the_screen_finds_a_model_in_the_home_that_was_typed() -> None:
    home = f"/data/{'my runs ' * 20}/.susystream"
    (line,) = model_line(at(home), "m1").splitlines()
    assert words_of(line.removeprefix("model    ")) == [
        *("susystream", "models", "show", "m1", "--home", home)
    ]


def test_a_command_names_the_servers_without_their_secrets() -> None:
    uri = "mongodb://me:hunter2@host:27017/?replicaSet=rs0&tls=true"
    settings = at("/data/x", uri=uri, database="mine", broker="a:9092,b:9092")
    public = "mongodb://host:27017/?replicaSet=rs0&tls=true"
    told = run_command(settings, "stage=train")
    assert "hunter2" not in told
    assert typed(told) == {
        "stage": "train",
        "home": "/data/x",
        "registry.uri": public,
        "registry.database": "mine",
        "stream.bootstrap_servers": "a:9092,b:9092",
    }
    options = ["--uri", public, "--database", "mine"]
    assert words_of(command(settings, "models show m1"))[4:] == options
    assert words_of(topic_command(settings, "t"))[4:] == [
        *(*options, "--bootstrap-servers", "a:9092,b:9092")
    ]
    broker_of_home = at("/data/x", uri=uri, database="mine")
    assert words_of(topic_command(broker_of_home, "t"))[4:] == [*options, "--home", "/data/x"]


def test_a_run_is_told_to_be_tracked_where_the_others_are_without_secrets() -> None:
    settings = at(tracking="http://me:hunter2@host:5000", experiment="my runs")
    for told in (of_model(settings, "m1")[-1], run_command(settings, "stage=train")):
        assert "hunter2" not in told
        given = typed(told)
        assert given["tracking.uri"] == "http://host:5000"
        assert given["tracking.experiment"] == "my runs"
    assert "tracking" not in command(settings, "models show m1")
