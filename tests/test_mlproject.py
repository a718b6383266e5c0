"""MLproject and conf/ agree."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from mlflow.projects._project_spec import EntryPoint, load_project
from omegaconf import OmegaConf

from susystream.commands import split_overrides
from susystream.composition import config_folder
from susystream.errors import SettingsError
from susystream.recipes import check_recipe, spans

ROOT = Path(__file__).parents[1]
PROJECT = yaml.safe_load((ROOT / "MLproject").read_text())
ENTRIES: dict[str, Any] = PROJECT["entry_points"]
SPACE = {"sweep": "seed=1,2,3"}  # what an entry point spans where nothing is given


def composed(*overrides: str) -> Any:
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return compose("config", overrides=list(overrides))


def passed(command: str) -> dict[str, str]:
    """{setting: MLproject parameter} of a command."""
    return dict(re.findall(r"(\S+)=\{(\w+)\}", command))


def test_there_is_an_entry_point_for_every_stage() -> None:
    stages = {path.stem for path in (config_folder() / "stage").glob("*.yaml")}
    assert set(ENTRIES) == stages - {"pipeline"} | {"main", "sweep"}


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_every_parameter_is_used_and_every_used_one_declared(name: str) -> None:
    used = set(re.findall(r"\{(\w+)\}", ENTRIES[name]["command"]))
    assert used == set(ENTRIES[name]["parameters"])


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_defaults_are_those_of_conf(name: str) -> None:
    entry = ENTRIES[name]
    stage = re.search(r"stage=(\w+)", entry["command"])
    config = composed(f"stage={stage.group(1)}") if stage else composed()
    for setting, parameter in passed(entry["command"]).items():
        default = entry["parameters"][parameter]["default"]
        if setting.startswith("hydra/"):  # a plugin's, or one of ours
            assert composed(f"{setting}={default}")
        elif setting in {"data", "experiment", "stage"}:  # a group: its choice must exist
            assert (config_folder() / setting / f"{default}.yaml").exists()
        else:
            assert OmegaConf.select(config, setting) == default


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_every_entry_point_takes_any_overrides_at_its_end(name: str) -> None:
    assert ENTRIES[name]["command"].endswith("--overrides {overrides}")
    assert ENTRIES[name]["parameters"]["overrides"]["default"] == SPACE.get(name, "")


def words_of(name: str, **parameters: str) -> tuple[list[str], list[str]]:
    """What `mlflow run -e name -P …` hands to the command line: parameters, and overrides."""
    defaults = {key: one["default"] for key, one in ENTRIES[name]["parameters"].items()}
    quoted = {key: shlex.quote(str(value)) for key, value in {**defaults, **parameters}.items()}
    words = shlex.split(ENTRIES[name]["command"].format(**quoted))
    at = words.index("--overrides")
    given = [word for word in words[words.index("run") + 1 : at] if word != "-m"]
    return given, split_overrides(words[at + 1])


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose `python` prints its arguments and where it would find the code."""
    folder = tmp_path_factory.mktemp("bin")
    code = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['PYTHONPATH']]))"
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -S -c "{code}" "$@"\n')
    program.chmod(0o755)
    return folder


def handed_over(name: str, overrides: str, *, shell: Path, path: str = "") -> tuple[list[str], str]:
    """What MLflow's own command line hands to `python`, by the shell that MLflow uses."""
    entry: EntryPoint = load_project(str(ROOT)).get_entry_point(name)  # type: ignore[no-untyped-call]
    command = entry.compute_command({"overrides": overrides}, None)  # type: ignore[no-untyped-call]
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=shell,
        env={"PATH": f"{shell}:/usr/bin:/bin", **({"PYTHONPATH": path} if path else {})},
    )
    words, found = json.loads(done.stdout)
    assert words[:3] == ["-m", "susystream", "run"]
    return words, found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("   ", []),
        ("seed=1\n data.rows=5", ["seed=1", "data.rows=5"]),
        (
            "model.hidden=[1,2] 'model.dropout=[0, 0]'",
            ["model.hidden=[1,2]", "model.dropout=[0, 0]"],
        ),
        ("-m seed=1,2", ["-m", "seed=1,2"]),
        ("'home=a b'", ["home=a b"]),
        (
            "\"stream.security={security.protocol: SSL, ssl.ca.location: 'a=b, c'}\"",
            ["stream.security={security.protocol: SSL, ssl.ca.location: 'a=b, c'}"],
        ),
        ("""'home="it'"'"'s"'""", ['home="it\'s"']),
        ("'home=\"$HOME `ls` ; & | > * ? {x} \\\\\"'", ['home="$HOME `ls` ; & | > * ? {x} \\\\"']),
        ("'registry.uri=\"mongodb://h/?a=b&c=d\"'", ['registry.uri="mongodb://h/?a=b&c=d"']),
        ("home=é ~evaluate.sets.real ++x=1", ["home=é", "~evaluate.sets.real", "++x=1"]),
    ],
)
def test_overrides_reach_hydra_as_typed(shell: Path, text: str, words: list[str]) -> None:
    handed, _ = handed_over("prepare", text, shell=shell)
    assert split_overrides(handed[handed.index("--overrides") + 1]) == words


@pytest.mark.parametrize("name", sorted(ENTRIES))
@pytest.mark.parametrize("path", ["", "/others"])
def test_the_code_is_the_projects_own_and_no_shell_stands_between(
    shell: Path, name: str, path: str
) -> None:
    """Of a git commit too, and without being installed; signals of MLflow reach the program."""
    assert " exec python -m susystream run " in ENTRIES[name]["command"]
    _, found = handed_over(name, "", shell=shell, path=path)
    assert found == f"{shell}/src" + (f":{path}" if path else "")


def test_environments_get_the_python_that_mlflow_runs_under() -> None:
    environment = yaml.safe_load((ROOT / PROJECT["python_env"]).read_text())
    assert "python" not in environment
    assert environment["dependencies"] == ["-r requirements.lock"]


def effect(parameters: list[str], overrides: list[str]) -> tuple[Any, dict[str, str]]:
    """What is composed, and what is swept: by the recipe, where nothing typed wins over it."""
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("config", overrides=[*parameters, *overrides], return_hydra_config=True)
    typed = {word.partition("=")[0] for word in parameters}
    swept = {key: one for key, one in spans(config).items() if key not in typed}
    return composed(*parameters, *overrides), swept


RECIPES = sorted(path.stem for path in (config_folder() / "experiment").glob("*.yaml"))


@pytest.mark.parametrize(("name", "recipe"), [*itertools.product(sorted(ENTRIES), RECIPES)])
def test_a_recipe_is_never_overruled_without_a_word(name: str, recipe: str) -> None:
    """The command composes what the recipe alone composes, or is refused."""
    parameters, overrides = words_of(name, overrides=f"experiment={recipe}")
    stage = next(word for word in parameters if word.startswith("stage="))
    alone = [] if stage == "stage=pipeline" else [stage]
    if effect(parameters, overrides) == effect(alone, overrides):
        check_recipe(parameters, overrides)
    else:
        with pytest.raises(SettingsError, match=f"as in the recipe {recipe}"):
            check_recipe(parameters, overrides)


@pytest.mark.parametrize(
    "given",
    [
        {"epochs": "1", "batch_size": "64", "overrides": "experiment=seed_report"},
        {"overrides": "experiment=seed_report train.epochs=5 train.batch_size=256"},
        {"overrides": "experiment=seed_report ++train.epochs=5 train.batch_size=64"},
        {"epochs": "9", "overrides": ""},
        {"epochs": "9", "overrides": "experiment=null"},
        {"epochs": "9", "overrides": "experiment=quickstart train.epochs=3"},
        {"overrides": "experiment=none_such"},
    ],
    ids=str,
)
def test_parameters_that_contradict_no_recipe_pass(given: dict[str, str]) -> None:
    check_recipe(*words_of("train", **given))


@pytest.mark.parametrize(
    "overrides", ["experiment=seed_report", "-m experiment=quickstart,seed_report seed=1,2"]
)
def test_a_refused_recipe_is_told_with_both_values(overrides: str) -> None:
    with pytest.raises(SettingsError, match=r"train\.epochs=5 and .*-P") as caught:
        check_recipe(*words_of("train", overrides=overrides))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [("main", ["seed=1,2,3,4,5", "stage=train", "seed=42"]), ("sweep", ["stage=train"])],
)
def test_a_recipe_whose_sweep_or_stage_would_be_overruled_is_refused(
    name: str, words: list[str]
) -> None:
    with pytest.raises(SettingsError, match="as in the recipe ensemble") as caught:
        check_recipe(*words_of(name, overrides="experiment=ensemble"))
    assert all(word in str(caught.value) for word in words)
    chosen = "experiment=ensemble stage=train seed=1,2,3,4,5"
    check_recipe(*words_of(name, overrides=chosen))


def test_the_project_has_the_products_name() -> None:
    assert PROJECT["name"] == "susystream"


@pytest.mark.parametrize("text", ["a={b: hunter2'}", "a='x' b='hunter2", 'c=hun"ter2'])
def test_a_quote_that_is_not_closed_repeats_nothing_that_may_be_secret(text: str) -> None:
    with pytest.raises(SettingsError, match="a quote that is not closed") as caught:
        split_overrides(text)
    assert "hun" not in str(caught.value)
