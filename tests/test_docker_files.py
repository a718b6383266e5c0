"""What the files in docker/ promise, as far as it can be read without an engine."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir

from susystream.composition import composed_settings, config_folder
from susystream.services.kafka_jars import KAFKA_VERSION
from susystream.services.ports import free_ports

FOLDER = Path(__file__).parents[1] / "docker"
COMPOSE = (FOLDER / "compose.yaml").read_text()
SERVICES = yaml.safe_load(COMPOSE)["services"]
EXAMPLE = (FOLDER / "env.example").read_text()
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
SET_BY_UP = {"SUSYSTREAM_COMMIT"}
SERVERS = ("kafka", "mongo", "mlflow")
STAGES = ("publish", "train", "evaluate", "evaluate-spark")  # each ends
RECIPES = sorted(path.stem for path in (config_folder() / "experiment").glob("*.yaml"))


def test_every_variable_of_the_composition_is_in_the_example() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE)) - SET_BY_UP
    assert used == set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.M))


def test_the_example_shows_the_defaults() -> None:
    for name, value in re.findall(
        r"^#?([A-Z_]+_(?:PORT|IMAGE)|[A-Z_]*MEMORY|PARTITIONS|SPARK_CORES|START_SECONDS|EXPERIMENT)=(.+)$",
        EXAMPLE,
        re.M,
    ):
        assert f"${{{name}:-{value}}}" in COMPOSE or name == "MLFLOW_IMAGE", name


def test_no_image_is_whatever_is_the_latest() -> None:
    images = re.findall(r"image: \$\{[A-Z_]+:-([^}]+)\}", COMPOSE)
    images += re.findall(r"PYTHON_IMAGE[=:-]+([^}\s]+)", COMPOSE + DOCKERFILE)
    assert len(images) >= 4
    for image in images:
        assert re.search(r":\d", image), image


def test_the_broker_is_the_one_that_the_tests_know() -> None:
    assert f"apache/kafka:{KAFKA_VERSION}" in COMPOSE


@pytest.mark.parametrize("name", [*SERVERS, "notebook", "spark-master", "spark-worker"])
def test_a_server_is_asked_whether_it_is_well(name: str) -> None:
    asked = SERVICES[name]["healthcheck"]
    assert asked["test"][0] in ("CMD", "CMD-SHELL")
    assert {"interval", "timeout", "retries", "start_period"} <= asked.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_limits_starts_again_and_listens_on_this_machine_only(name: str) -> None:
    service = SERVICES[name]
    assert service["mem_limit"]
    assert service["restart"] == f"on-failure:{3 if name in STAGES else 5}"
    assert service["init"] is True
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:"), port


@pytest.mark.parametrize("name", [one for one in SERVICES if one not in ("kafka", "mongo")])
def test_a_service_of_ours_has_no_privileges(name: str) -> None:
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


def test_only_who_opens_the_store_is_given_its_password() -> None:
    given = {name for name in SERVICES if "MONGO_PASSWORD" in str(SERVICES[name])}
    assert given == {"mongo", *STAGES, "score", "notebook"}


@pytest.mark.parametrize("name", ["publish", "train", "evaluate", "score", "evaluate-spark"])
def test_a_stage_waits_for_what_it_needs_and_its_command_composes(name: str) -> None:
    service = SERVICES[name]
    waited = {one: how["condition"] for one, how in service["depends_on"].items()}
    assert all(waited[server] == "service_healthy" for server in SERVERS)
    before = {"train": "publish", "evaluate": "train", "score": "train", "evaluate-spark": "train"}
    if name in before:
        assert waited[before[name]] == "service_completed_successfully"
    words = [*service["entrypoint"], *service["command"].split()]
    assert words[:2] == ["susystream", "run"]
    composed_settings([default(word) for word in words[2:] if default(word)])


def default(word: str, **values: str) -> str:
    """With what a variable is unless it is set."""
    return re.sub(r"\$\{([A-Z_]+):-([^}]*)\}", lambda found: values.get(found[1], found[2]), word)


def checked(function: str, *services: str, **values: str) -> subprocess.CompletedProcess[str]:
    """One check of `docker/up.sh`, as if these services were to be started with these settings."""
    settings = "".join(f"  {name}: ={value}\n" for name, value in values.items())
    script = 'set -euo pipefail; . docker/checks.sh; values=$1 wanted=$2 project=none; "$3"'
    return subprocess.run(
        ["bash", "-c", script, "bash", settings, "\n".join(services), function],
        cwd=FOLDER.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )


def single(name: str) -> bool:
    """Whether a recipe's stage is one run."""
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        overrides = [f"experiment={name}", "stage=train"]
        composed = compose("config", overrides=overrides, return_hydra_config=True)
    return composed.hydra.mode is None or composed.hydra.mode.name == "RUN"


def test_the_recipes_that_the_chain_takes_are_those_of_single_runs_and_they_compose() -> None:
    taken = checked("recipes").stdout.split()
    assert taken == [name for name in RECIPES if single(name)]
    assert 0 < len(taken) < len(RECIPES)
    for name in taken:
        for stage in STAGES:
            words = SERVICES[stage]["command"].split()
            given = [default(word, EXPERIMENT=name) for word in words]
            composed_settings([word for word in given if word])


@pytest.mark.parametrize("name", [*(one for one in RECIPES if not single(one)), "quickstrat"])
def test_another_recipe_is_refused_with_those_that_work_and_how_to_run_it(name: str) -> None:
    done = checked("recipe", "mongo", "evaluate", EXPERIMENT=name)
    assert done.returncode != 0
    told = "expected in EXPERIMENT one of quickstart, seed_report, which single stages can do"
    assert done.stderr.startswith(f"docker/up.sh: {told}, received {name}; ")
    known = {name: f"susystream run experiment={name}" for name in RECIPES}
    known |= {name: f"experiments/{name}/run.sh" for name in ("continual", "ensemble")}
    cure = f", or run it outside: {known[name]}" if name in known else ""
    assert done.stderr.endswith(f"received {name}; correct it in docker/.env{cure}\n")


def test_servers_alone_start_whatever_the_recipe_is_and_the_default_is_one_that_works() -> None:
    assert checked("recipe", *SERVERS, EXPERIMENT="ensemble").returncode == 0
    assert checked("recipe", "train").returncode == 0


def test_a_port_is_asked_for_only_where_its_service_will_be_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        values = {"KAFKA_PORT": str(taken.getsockname()[1]), "MONGO_PORT": str(free_ports(1)[0])}
        assert checked("ports", "mongo", "publish", **values).returncode == 0
        refused = checked("ports", "mongo", "kafka", **values)
    assert refused.returncode != 0
    assert "kafka: expected port" in refused.stderr


def test_two_services_of_one_port_are_told_with_both_variables() -> None:
    (port,) = free_ports(1)
    values = {"MONGO_PORT": str(port), "NOTEBOOK_PORT": str(port)}
    assert checked("ports", "mongo", **values).returncode == 0
    refused = checked("ports", "mongo", "notebook", **values)
    assert refused.returncode != 0
    assert refused.stderr.splitlines()[-1] == (
        "docker/up.sh: notebook: expected a port of its own in NOTEBOOK_PORT, received "
        f"{port}, which MONGO_PORT has too; set another in docker/.env"
    )


def test_what_the_image_builds_from_source_is_built_by_what_is_locked() -> None:
    installing = re.findall(r"pip install([^&\n]*)", DOCKERFILE.replace("\\\n", ""))
    locks = [words for words in installing if ".lock" in words]
    assert len(locks) == 4
    for words in locks:
        assert "--require-hashes" in words
        assert "--no-build-isolation" in words or re.search("setuptools.lock|build.lock", words)


def test_an_engine_of_another_kind_is_told_before_anything_is_installed() -> None:
    one_line = DOCKERFILE.replace("\\\n", "")
    check = re.search(r"(if \[ .*?; fi) &&", one_line)
    assert check is not None
    assert check.end() < one_line.index("pip install")
    for machine, status in (("x86_64", 0), ("aarch64", 1)):
        script = f"uname() {{ echo {machine}; }}; {check[1]}"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
        assert done.returncode == status
        assert (f"expected an x86_64 engine, received {machine}" in done.stderr) == bool(status)
