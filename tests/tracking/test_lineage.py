from __future__ import annotations

import json
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import DatasetInput

from susystream.schema import COLUMNS
from susystream.tracking.lineage import dataset_input
from susystream.tracking.tracker import Tracker

FACTS: dict[str, Any] = {
    "dataset_id": "d1",
    "cluster_id": "c1",
    "slice": {"topic": "susy", "partitions": {"0": [5, 50], "1": [0, 45]}},
    "codec": "block",
    "digest": "m2:" + "0f" * 16,
    "rows": 90_000,
    "source": {"seed": 42},
}


def inputs_of(tracker: Tracker, run_id: str) -> list[DatasetInput]:
    inputs = MlflowClient(tracking_uri=tracker.uri).get_run(run_id).inputs
    return list(inputs.dataset_inputs) if inputs else []


@pytest.mark.parametrize("context", ["training", "evaluation"])
def test_the_input_of_a_run_names_the_exact_offsets(tracker: Tracker, context: str) -> None:
    with tracker.run("train", name="n", params={}, tags={}) as run:
        run.log_dataset("toy d1", FACTS, context=context)
    (found,) = inputs_of(tracker, run.run_id)
    assert {tag.key: tag.value for tag in found.tags} == {"mlflow.data.context": context}
    dataset = found.dataset
    assert (dataset.name, dataset.digest) == ("toy d1", FACTS["digest"])
    assert dataset.source_type == "kafka_slice"
    source = json.loads(dataset.source)
    assert source["slice"] == FACTS["slice"]
    assert (source["dataset_id"], source["cluster_id"]) == ("d1", "c1")
    assert json.loads(str(dataset.profile)) == {"num_rows": 90_000}
    columns = json.loads(str(dataset.schema))["mlflow_colspec"]
    assert [column["name"] for column in columns] == list(COLUMNS)


def test_the_same_data_set_is_one_for_many_runs(tracker: Tracker) -> None:
    for _ in range(2):
        with tracker.run("train", name="n", params={}, tags={}) as run:
            run.log_dataset("toy d1", FACTS, context="training")
            run.log_dataset("toy d1", FACTS, context="training")
    assert len(inputs_of(tracker, run.run_id)) == 1


def test_a_longer_digest_is_cut_to_what_mlflow_takes() -> None:
    long = "m128:" + "0f" * 16
    assert dataset_input("n", {**FACTS, "digest": long}, context="x").dataset.digest == long[:36]


def test_the_schema_is_one_that_mlflow_reads() -> None:
    from mlflow.types import Schema

    text = dataset_input("n", FACTS, context="training").dataset.schema
    schema = Schema.from_json(json.dumps(json.loads(text)["mlflow_colspec"]))
    assert schema.input_names() == list(COLUMNS)
