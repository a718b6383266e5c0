"""Without the extra `tfio`: the newest TensorFlow, and all else unlocked, on a Kafka 4 broker.

The environment is a separate one, of some 3 GB, as `pip install susystream` makes it; it needs a
package index and a Maven repository, or the caches of uv and jgo.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from package.building import BUILDING_SECONDS, ROOT, Built, Environment
from package.environments import installed, unreachable
from package.kafka4 import KAFKA_4, Kafka4, kafka4_jars
from packaging.version import Version

UNTESTED = f"the newest TensorFlow and Kafka {KAFKA_4}"
VERSIONS = """
import importlib.metadata, json
names = [one.metadata["Name"].lower() for one in importlib.metadata.distributions()]
print(json.dumps({name: importlib.metadata.version(name) for name in names}))
"""
TESTED = ("~evaluate.sets.toy_large", "tracking.system_metrics=false")


@pytest.fixture(scope="module")
def newest(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """The wheel and the newest of all it asks for; removed at the end."""
    folder = tmp_path_factory.mktemp("newest") / "venv"
    with installed(folder, [str(built.wheel)], untested=UNTESTED) as environment:
        yield environment


@pytest.fixture(scope="module")
def kafka4(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Kafka 4 broker."""
    try:
        jars = kafka4_jars()
    except Exception as error:  # jgo raises many kinds
        unreachable("the Maven repository", str(error), untested=UNTESTED)
    with Kafka4(tmp_path_factory.mktemp("kafka4"), jars=jars) as broker:
        yield broker.address


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    """Where the commands are typed, one after the other."""
    made = tmp_path_factory.mktemp("typed in")
    shutil.copy(empty_database, made)
    return made


@pytest.fixture(scope="module")
def versions(newest: Environment, folder: Path) -> dict[str, Version]:
    """What is installed, by name."""
    done = newest.run("python", "-c", VERSIONS, cwd=folder)
    return {name: Version(one) for name, one in json.loads(done.stdout).items()}


def ran(environment: Environment, folder: Path, *words: str) -> str:
    """What a command told; no line of ours did what a library will not take any more.

    TensorFlow's notices are not among what stands on standard error.
    """
    told = {"PYTHONWARNINGS": "default"}
    done = environment.run("susystream", *words, cwd=folder, seconds=600, variables=told)
    assert done.returncode == 0, done.stdout + done.stderr
    warned = [
        one for one in done.stderr.splitlines() if re.search(r"/susystream/\S+Warning: ", one)
    ]
    assert not warned
    assert not re.findall(r"^(?:WARNING: |[IWEF]\d{4} ).*", done.stderr, re.M)
    return done.stdout


def metrics_of(told: str, folder: Path) -> dict[str, float]:
    """The figures in the result that the last line names."""
    result = json.loads((folder / told.split()[-1]).read_text())
    return dict(result["metrics"])


@pytest.mark.timeout(BUILDING_SECONDS)
def test_the_environment_is_newer_than_the_lock_and_without_extras(
    versions: dict[str, Version],
) -> None:
    lock = (ROOT / "requirements.lock").read_text()
    locked = dict(re.findall(r"^([\w-]+)==([\w.]+)", lock, re.M))
    for name in ("tensorflow", "numpy"):
        assert versions[name] > Version(locked[name])
    assert not versions.keys() & {"tensorflow-io", "pyspark", "jupyterlab", "pytest"}


@pytest.mark.timeout(BUILDING_SECONDS)
def test_the_whole_chain_runs_on_the_newest_libraries_and_a_kafka_4_broker(
    newest: Environment, versions: dict[str, Version], kafka4: str, folder: Path
) -> None:
    words = (*TESTED, f"stream.bootstrap_servers={kafka4}")
    told = ran(newest, folder, "run", "data.rows=3000", "train.epochs=2", *words)
    assert metrics_of(told, folder)["test/real_10k/auc"] > 0.7
    told = ran(
        newest, folder, "run", "stage=score", "score.model=latest", "score.until=end", *words
    )
    assert metrics_of(told, folder)["score/events"] == 2700
    assert ran(newest, folder, "models", "verify", "latest").count(" ok\n") == 3
    model = json.loads(ran(newest, folder, "models", "show", "latest", "--json"))
    assert Version(model["versions"]["tensorflow"]) == versions["tensorflow"]


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("evaluate/engine=spark", "spark"),
        ("stream/reader=tfio", "tfio"),
        ("stage=publish stream/reader=tfio stream.read_back=true", "tfio"),
        ("stage=evaluate evaluate/engine=spark", "spark"),
        ("-m seed=1,2 stage=train stream/reader=tfio", "tfio"),
    ],
)
@pytest.mark.timeout(BUILDING_SECONDS)
def test_what_needs_an_extra_names_it_before_anything_is_made(
    newest: Environment, tmp_path: Path, words: str, extra: str
) -> None:
    done = newest.run(
        "susystream", "run", "data.rows=3000", *words.split(), cwd=tmp_path, seconds=600
    )
    told = done.stderr.splitlines()[-1]
    assert (done.returncode, done.stdout) == (1, "")
    assert told.startswith("susystream: expected the package ")
    assert f"; pip install '.[{extra}]' in the project's folder" in told
    assert not (tmp_path / ".susystream").exists()
