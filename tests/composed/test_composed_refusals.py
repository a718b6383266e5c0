"""What is wrong with a composed system is told in a line that names the service and the cure."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from composed.containers import FILE, OURS, ROOT, Composed, chosen_ports, docker

pytestmark = [pytest.mark.timeout(900)]
SECONDS = 400.0  # after which it counts as a hang


@pytest.fixture
def fresh(variables: dict[str, str]) -> Iterator[Composed]:
    """A project of a test's own; three servers that nobody needs are left out where they can be."""
    with Composed(f"susyrefused{os.getpid()}", {**variables, **chosen_ports()}) as project:
        yield project


def refusal(project: Composed, *words: str, **variables: str) -> str:
    """The last line of `docker/up.sh`, which fails in time."""
    project.variables = {**project.variables, **variables}
    done = project.up(*words, seconds=SECONDS)
    assert done.returncode != 0, done.stdout
    line = done.stderr.strip().splitlines()[-1]
    assert project.secret not in done.stderr
    assert line.startswith("docker/up.sh: ")
    return line.removeprefix("docker/up.sh: ")


@pytest.mark.parametrize("service", ["kafka", "mongo", "mlflow", "notebook"])
def test_a_port_in_use_is_told_with_its_service_and_variable(fresh: Composed, service: str) -> None:
    name = f"{service.upper()}_PORT"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = refusal(fresh, **{name: port})
    assert line.startswith(f"{service}: expected port {port} of 127.0.0.1 to be free")
    assert f"set another {name} in the environment" in line


def test_a_port_in_use_is_told_of_services_without_what_they_need(fresh: Composed) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = refusal(fresh, "--no-deps", "mongo", "kafka", KAFKA_PORT=port)
    assert line.startswith(f"kafka: expected port {port} of 127.0.0.1 to be free")


def test_what_is_no_port_is_told(fresh: Composed) -> None:
    assert "kafka: expected a port from 1 to 65535" in refusal(fresh, KAFKA_PORT="70000")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "expected a file of settings at .*settings.env"),
        ("two words here\n", "expected lines of NAME=value in .*settings.env"),
        ("START_SECONDS=abc\n", "a number of seconds in START_SECONDS, received 'abc'.*in .*env$"),
        ("OVERRIDES='a=\"b'\n", "expected settings that Compose takes, .*invalid command line"),
        ("OVERRIDES='seed=1 stage=train'\n", "of stages in OVERRIDES, received stage=train, which"),
        ("OVERRIDES='+stage=train'\n", r"of stages in OVERRIDES, received \+stage=train, which"),
        ("OVERRIDES='-m seed=1,2'\n", "of stages in OVERRIDES, received -m, which"),
        ("PARTITIONS=zero\n", "expected a number in PARTITIONS, received 'zero'"),
        ("MEMORY=lots\n", "expected a size as 4g in MEMORY, received 'lots'"),
    ],
    ids=[
        "absent",
        "no settings",
        "seconds",
        "quote",
        "stage",
        "stage added",
        "sweep",
        "partitions",
        "memory",
    ],
)
def test_a_file_of_settings_that_is_none_is_told(
    fresh: Composed, tmp_path: Path, text: str | None, words: str
) -> None:
    file = tmp_path / "settings.env"
    if text is not None:
        file.write_text(text)
        for name in ("OVERRIDES", "PARTITIONS"):  # the environment would win
            del fresh.variables[name]
    assert re.search(words, refusal(fresh, SUSYSTREAM_ENV_FILE=str(file)))


def test_a_project_that_cannot_be_is_told(fresh: Composed) -> None:
    own = fresh.variables
    line = refusal(fresh, COMPOSE_PROJECT_NAME="My Project")
    fresh.variables = own
    assert "in COMPOSE_PROJECT_NAME, received 'My Project'" in line


def test_a_file_is_read_as_compose_reads_it(fresh: Composed, tmp_path: Path) -> None:
    file = tmp_path / "settings.env"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file.write_text(f"export MLFLOW_PORT = '{port}' # mine\n")
        fresh.variables = {**fresh.variables, "SUSYSTREAM_ENV_FILE": str(file)}
        fresh.variables.pop("MLFLOW_PORT")  # the environment would win
        line = refusal(fresh)
    assert f"mlflow: expected port {port} " in line


@pytest.mark.parametrize("name", ["MONGO_PASSWORD", "NOTEBOOK_TOKEN"])
def test_a_missing_or_unusable_secret_is_told_and_not_shown(fresh: Composed, name: str) -> None:
    assert refusal(fresh, **{name: ""}) == (
        f"expected a secret in {name}, received none; set it in the environment"
    )
    line = refusal(fresh, **{name: "sesame@open"})
    assert f"{name}, received others (not shown)" in line
    assert "sesame" not in line


def test_before_any_settings_the_first_step_is_told(fresh: Composed, tmp_path: Path) -> None:
    files = ["docker/up.sh", "docker/checks.sh", "docker/waits.sh", "docker/compose.yaml"]
    (tmp_path / "docker").mkdir()
    for one in files:
        shutil.copy(ROOT / one, tmp_path / one)
    own = ("MONGO_PASSWORD", "SUSYSTREAM_ENV_FILE")
    surroundings = {k: v for k, v in fresh.environment.items() if k not in own}
    done = subprocess.run(
        ["docker/up.sh"],
        cwd=tmp_path,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr.splitlines() == [
        "docker/up.sh: expected a secret in MONGO_PASSWORD, received none; set it in docker/.env "
        "(cp docker/env.example docker/.env)"
    ]


def test_another_password_than_that_of_the_first_start_is_told(fresh: Composed) -> None:
    done = fresh.up("mongo")
    assert done.returncode == 0, done.stderr
    line = refusal(fresh, "publish", MONGO_PASSWORD="another")
    assert line.startswith(
        "mongo: expected the MONGO_PASSWORD of its first start, received another"
    )
    assert "docker/up.sh --down --volumes" in line


def test_plain_compose_tells_of_a_missing_secret_too(fresh: Composed) -> None:
    environment = {**fresh.environment, "MONGO_PASSWORD": ""}
    done = subprocess.run(
        ["docker", "compose", "--file", FILE, "--env-file", os.devnull, "up", "--detach"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert "MONGO_PASSWORD" in done.stderr
    assert "docker/env.example" in done.stderr


@pytest.mark.parametrize("service", ["kafka", "mongo", "mlflow"])
def test_an_image_that_is_nowhere_is_told_with_its_variable(fresh: Composed, service: str) -> None:
    name = f"{service.upper()}_IMAGE"
    line = refusal(fresh, **{name: "susystream-nowhere:0"})
    assert line.startswith(f"{service}: expected the image susystream-nowhere:0")
    assert f"correct {name} in the environment" in line


def test_an_image_of_something_else_is_told(fresh: Composed) -> None:
    line = refusal(fresh, "mongo", "mlflow", MONGO_IMAGE="python:3.11-slim-bookworm")
    assert line.startswith("mongo: expected it to")
    assert "MONGO_IMAGE" in line


def test_a_server_that_never_becomes_well_is_told(fresh: Composed) -> None:
    sleeping = "susystream-test-sleeping:0"
    text = f'FROM {fresh.variables["MONGO_IMAGE"]}\nENTRYPOINT ["sleep", "1000"]\nCMD []\n'
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", sleeping, "-"],
        input=text,
        text=True,
        check=True,
        capture_output=True,
    )
    try:
        line = refusal(fresh, "publish", MONGO_IMAGE=sleeping, START_SECONDS="1")
    finally:
        fresh.down()
        docker("image", "rm", sleeping)
    assert line.startswith("mongo: expected it to be well after 1 s, it is not")
    assert "MONGO_IMAGE" in line
    assert "START_SECONDS" in line


BROKEN = f"""FROM {OURS}
USER root
RUN printf '#!/bin/sh\\necho cannot begin\\nexit 3\\n' >/opt/susystream/bin/susystream && \\
    cp /opt/susystream/bin/susystream /opt/susystream/bin/jupyter
USER susystream
"""


@pytest.fixture
def broken() -> Iterator[str]:
    """An image of ours in which nothing can begin."""
    tag = f"susystream-test-broken:{os.getpid()}"
    build = ["docker", "build", "--quiet", "--tag", tag, "-"]
    subprocess.run(build, input=BROKEN, text=True, check=True, capture_output=True)
    yield tag
    docker("image", "rm", "--force", tag)


@pytest.mark.parametrize(("service", "many"), [("notebook", 1), ("score", 2)])
def test_a_notebook_or_scorers_that_end_are_told_with_the_lines_of_each(
    fresh: Composed, broken: str, service: str, many: int
) -> None:
    fresh.variables = {**fresh.variables, "SUSYSTREAM_IMAGE": broken}
    done = fresh.up("--no-deps", "--scale", f"{service}={many}", service, seconds=SECONDS)
    told = done.stderr.strip().splitlines()
    assert done.returncode != 0
    assert told[-1].startswith(f"docker/up.sh: {service}: expected it to run, received state ")
    for number in range(1, many + 1):
        heading = told.index(f"the last lines of {fresh.project}-{service}-{number}:")
        assert "cannot begin" in told[heading + 1]
    restarts = [fresh.state(one)["RestartCount"] for one in fresh.ids(service)]
    assert max(int(str(one)) for one in restarts) == 5, "it ended for good, after five more tries"


def test_a_recipe_of_many_runs_is_refused_before_anything_starts(fresh: Composed) -> None:
    line = refusal(fresh, EXPERIMENT="ensemble")
    assert line.startswith("expected in EXPERIMENT one of quickstart, seed_report, ")
    assert fresh.compose("ps", "--all", "--quiet") == ""


def test_services_that_are_named_are_asked_for_the_ports_of_what_they_need(fresh: Composed) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = refusal(fresh, "train", MONGO_PORT=port, NOTEBOOK_PORT=port)
    assert line.startswith(f"mongo: expected port {port} of 127.0.0.1 to be free")


def test_a_spark_worker_that_ends_is_told_with_what_it_was_started_with(fresh: Composed) -> None:
    words = ["--profile", "spark", "--no-deps", "spark-master", "spark-worker"]
    line = refusal(fresh, *words, SPARK_MEMORY="1k")
    assert line.startswith("spark-worker: expected it to run")
    assert "SPARK_CORES, SPARK_MEMORY or SUSYSTREAM_IMAGE in the environment" in line


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("kafka --wait", "expected what docker/up.sh can do, received --wait; leave it out"),
        ("kafka --scale kafka=2", "expected score or spark-worker.* after --scale.*kafka=2"),
        ("publsh", "expected a service out of .*publish.*, received publsh"),
        ("kafka --scale scorer=3", "after --scale, as in score=3, received scorer=3"),
        ("--scale=score=x", "after --scale, as in score=3, received score=x"),
        ("--pull never --scale", "after --scale, as in score=3, received nothing"),
        ("--profile sparc", "expected --profile spark, received sparc"),
        ("--profile", "expected --profile spark, received none"),
        ("--bulid", "expected what docker compose up takes, it says: unknown flag: --bulid"),
        ("--down --volmes", "expected what docker compose down takes, it says: unknown flag"),
    ],
)
def test_a_mistyped_word_is_told_before_anything_starts(
    fresh: Composed, words: str, told: str
) -> None:
    assert re.search(told, refusal(fresh, *words.split()))


def test_one_port_of_two_services_is_told(fresh: Composed) -> None:
    line = refusal(fresh, MLFLOW_PORT=fresh.variables["MONGO_PORT"])
    assert line.startswith("mlflow: expected a port of its own in MLFLOW_PORT")
    assert "which MONGO_PORT has too" in line


FULL = [("kafka", "kafka", "2m"), ("mongo", "mongo", "400k"), ("mlflow", "mlflow", "900k")]
FULL += [("data", "publish", "2m")]


@contextmanager
def small_volume(name: str, size: str) -> Iterator[None]:
    """A file system of its own, which somebody holds: a restart must find what it held."""
    options = ("type=tmpfs", "device=tmpfs", f"o=size={size},mode=1777")
    docker("volume", "create", *(word for one in options for word in ("--opt", one)), name)
    words = ["--detach", "--volume", f"{name}:/held", "--entrypoint", "sleep", OURS, "3600"]
    holder = docker("run", *words).strip()
    try:
        yield
    finally:
        docker("rm", "--force", holder)


@pytest.mark.parametrize(("volume", "service", "size"), FULL, ids=[one[0] for one in FULL])
def test_a_full_volume_is_told_with_its_service(
    fresh: Composed, volume: str, service: str, size: str
) -> None:
    with small_volume(f"{fresh.project}_{volume}", size):
        line = refusal(fresh, "train")
    assert line.startswith(f"{service}: expected room on its disk, there is none left")
