"""One composed system for all its tests, and what is told of them at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from composed.containers import REAL, Composed, build_ours, chosen_ports, engine, image_of

SEEN = pytest.StashKey[list[str]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without an engine they are skipped, with the reason."""
    reason = engine()
    for item in items:
        if reason and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=f"no Docker engine: {reason}"))


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SEEN] = []


@pytest.fixture(scope="session")
def seen(request: pytest.FixtureRequest) -> list[str]:
    """Lines for the person who reads the tests' output."""
    return request.config.stash[SEEN]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = terminalreporter.config.stash[SEEN]
    if lines:
        terminalreporter.section("the composed system")
        table = [line for line in lines if line.startswith("|")]
        head = ["| killed | when | kills | afterwards |", "|---|---|---|---|"] if table else []
        told = [line for line in lines if line not in table]
        terminalreporter.write_line("\n".join([*told, *head, *table]))


@pytest.fixture(scope="session")
def images(seen: list[str]) -> dict[str, str]:
    """Ours, built; those of others, or their stand-ins."""
    began = time.monotonic()
    build_ours()
    seen.append(f"image susystream: built in {time.monotonic() - began:.0f} s")
    found = {service: image_of(service) for service in REAL}
    for service, real in REAL.items():
        stood_in = found[service] != real
        seen.append(f"{service}: {f'STAND-IN for {real}' if stood_in else real}")
    seen.append("mlflow, spark: our own image, as everywhere")
    return found


@pytest.fixture(scope="session")
def variables(images: dict[str, str]) -> dict[str, str]:
    """As they would stand in docker/.env; a small chain."""
    chosen = {f"{service.upper()}_IMAGE": image for service, image in images.items()}
    small = "data.rows=60000 train.epochs=8 evaluate.sets.toy_large.rows=200000"
    return {**chosen, **chosen_ports(), "OVERRIDES": small, "PARTITIONS": "6"}


@pytest.fixture(scope="session")
def composed(variables: dict[str, str]) -> Iterator[Composed]:
    """Not started yet."""
    with Composed(f"susytest{os.getpid()}", variables) as project:
        yield project
