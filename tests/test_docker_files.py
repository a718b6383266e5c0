"""What the files in docker/ promise, as far as it can be read without an engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from susystream.composition import composed_settings
from susystream.services.kafka_jars import KAFKA_VERSION

FOLDER = Path(__file__).parents[1] / "docker"
COMPOSE = (FOLDER / "compose.yaml").read_text()
SERVICES = yaml.safe_load(COMPOSE)["services"]
EXAMPLE = (FOLDER / "env.example").read_text()
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
SET_BY_UP = {"SUSYSTREAM_COMMIT"}
SERVERS = ("kafka", "mongo", "mlflow")


def test_every_variable_of_the_composition_is_in_the_example() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE)) - SET_BY_UP
    assert used == set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.M))


def test_the_example_shows_the_defaults() -> None:
    for name, value in re.findall(
        r"^#?([A-Z_]+_(?:PORT|IMAGE)|MEMORY|PARTITIONS)=(.+)$", EXAMPLE, re.M
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


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_is_asked_whether_it_is_well(name: str) -> None:
    asked = SERVICES[name]["healthcheck"]
    assert asked["test"][0] in ("CMD", "CMD-SHELL")
    assert {"interval", "timeout", "retries", "start_period"} <= asked.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_limits_starts_again_and_listens_on_this_machine_only(name: str) -> None:
    service = SERVICES[name]
    assert service["mem_limit"]
    assert service["restart"].startswith(("on-failure:", "unless-stopped"))
    assert service["init"] is True
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:"), port


@pytest.mark.parametrize("name", ["publish", "train", "evaluate", "score", "evaluate-spark"])
def test_a_stage_waits_for_what_it_needs_and_its_command_composes(name: str) -> None:
    service = SERVICES[name]
    waited = {one: how["condition"] for one, how in service["depends_on"].items()}
    assert all(waited[server] == "service_healthy" for server in SERVERS)
    words = [*service["entrypoint"], *service["command"].split()]
    assert words[:2] == ["susystream", "run"]
    composed_settings([default(word) for word in words[2:] if default(word)])


def default(word: str) -> str:
    """With what a variable is unless it is set."""
    return re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", word)
