"""`susystream models compare`, as typed, against a real store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pymongo
import pytest
from test_listing import dataset_record, one_line, trained

from susystream.errors import SettingsError
from susystream.model_comparison import compare as compare_command
from susystream.registry.document import MlflowLink, ModelDocument, new_id
from susystream.registry.store import ModelStore

LINK = MlflowLink(experiment="tests", run_id="0" * 32, tracking_uri="sqlite:///mlflow.db")
TESTED = {"rows": 9, "source": {"kind": "toy"}}


@dataclass(frozen=True)
class Stored:
    """A store with three models: the second is another, the third the first once more."""

    uri: str
    database: str
    models: tuple[ModelDocument, ...]

    @property
    def ids(self) -> list[str]:
        return [one.model_id for one in self.models]


def documents() -> tuple[ModelDocument, ...]:
    first = trained(dataset_record(), LINK)
    config: dict[str, Any] = dict(first.training.config)
    train = {**config["train"], "epochs": 9, "dataset": "d0"}
    training = {**config, "train": train, "home": "/elsewhere", "seed": 7}
    other = first.model_copy(
        update={
            "model_id": new_id("m"),
            "training": first.training.model_copy(update={"config": training}),
            "metrics": {"validation/auc": 0.8, "test/a/auc": 0.7, "train/rows_per_second": 5.0},
            "code": first.code.model_copy(update={"commit": "f" * 40}),
            "versions": {**first.versions, "keras": "1.0"},
            "test_sets": {"a": {**TESTED, "digest": "m2:" + "1" * 32}},
        }
    )
    twin = first.model_copy(
        update={
            "model_id": new_id("m"),
            "test_sets": {"a": {**TESTED, "digest": "m2:" + "2" * 32}},
            "metrics": {**first.metrics, "test/a/auc": 0.6},
        }
    )
    return first, other, twin


@pytest.fixture(scope="module")
def stored(store_uri: str) -> Iterator[Stored]:
    database, made = f"t{uuid4().hex[:12]}", documents()
    with ModelStore(store_uri, database) as store:
        for one in made:
            store.save_model(one)
    yield Stored(store_uri, database, made)
    with pymongo.MongoClient[dict[str, Any]](store_uri) as client:
        client.drop_database(database)


Compare = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def compare(stored: Stored, tmp_path: Path) -> Compare:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        place = ["--uri", stored.uri, "--database", stored.database]
        return subprocess.run(
            [sys.executable, "-m", "susystream", "models", "compare", *words, *place],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "80"},
        )

    return run


def test_what_differs_stands_side_by_side(compare: Compare, stored: Stored) -> None:
    first, other, twin = stored.ids
    done = compare(first, other, twin)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[:3] == [["A", first], ["B", other], ["C", twin]]
    assert ["train.epochs", "5", "9", "5"] in lines
    assert ["seed", "42", "7", "42"] in lines
    assert ["validation/auc", "0.75", "0.8", "0.75"] in lines
    assert ["test/a/auc", "0.7", "0.6"] in lines
    assert ["test", "set", "a", "111111111…", "222222222…"] in [
        [word.removeprefix("m2:") for word in line] for line in lines
    ]
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    for same in ("train.dataset", "home", "model.hidden", "rows_per_second", "numpy"):
        assert same not in done.stdout


def test_equal_models_are_told_to_be_equal(compare: Compare, stored: Stored) -> None:
    first, _, twin = stored.ids
    said = compare(first, twin).stdout
    assert "settings: none differ" in said
    assert "weights: equal, bit for bit" in said


def test_all_of_it_is_there_as_json(compare: Compare, stored: Stored) -> None:
    first, other, twin = stored.ids
    found = json.loads(compare(first, other, twin, "--json").stdout)
    assert found["models"] == [first, other, twin]
    assert found["settings"] == {"seed": [42, 7, 42], "train.epochs": [5, 9, 5]}
    assert found["data"] == {"test set a": [None, "m2:" + "1" * 32, "m2:" + "2" * 32]}
    assert set(found["code"]) == {"commit", "keras"}
    assert found["figures"] == {
        "validation/auc": [0.75, 0.8, 0.75],
        "test/a/auc": [None, 0.7, 0.6],
        "train/rows_per_second": [None, 5.0, None],
    }


@pytest.mark.parametrize(
    ("words", "status"), [("latest nonsense", 1), ("latest latest", 2), ("latest", 2)]
)
def test_what_cannot_be_compared_is_one_line(
    compare: Compare, stored: Stored, words: str, status: int
) -> None:
    line = one_line(compare(*words.split()), status=status)
    assert any(one in line for one in stored.ids)
    assert "; name another" in line or "nonsense" in line


def test_more_models_than_letters_are_one_line_or_json(
    stored: Stored, store_uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    database = f"t{uuid4().hex[:12]}"
    many = [stored.models[0].model_copy(update={"model_id": new_id("m")}) for _ in range(27)]
    ids = [one.model_id for one in many]
    with ModelStore(store_uri, database) as store:
        for one in many:
            store.save_model(one)
    words = [*ids, "--uri", store_uri, "--database", database]
    with pytest.raises(SettingsError, match="at most 26 models in a table, received 27; name few"):
        compare_command.main(words, standalone_mode=False)
    compare_command.main([*words, "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["models"] == ids
    with pymongo.MongoClient[dict[str, Any]](store_uri) as client:
        client.drop_database(database)
