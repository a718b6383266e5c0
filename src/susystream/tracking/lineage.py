"""A published slice as an MLflow data set.

In: the record of a data set. Out: a data set input, whose source names the exact offsets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from susystream.schema import COLUMNS, LABEL

SOURCE_TYPE = "kafka_slice"
_LONGEST_NAME = 500  # MLflow refuses more
_LONGEST_DIGEST = 36


def dataset_input(name: str, facts: Mapping[str, Any], *, context: str) -> Any:
    """The input, as MLflow's client takes it.

    Args:
        name: As shown in the UI.
        facts: `DatasetRecord` as plain data: `dataset_id`, `cluster_id`, `slice`, `codec`,
            `digest` and `rows` are used. A digest of more than 36 characters is cut: it stays the
            beginning of the one in the model store.
        context: `training`, `evaluation`, `published`.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = {key: facts[key] for key in ("dataset_id", "cluster_id", "slice", "codec")}
    dataset = Dataset(
        name=name[:_LONGEST_NAME],
        digest=str(facts["digest"])[:_LONGEST_DIGEST],
        source_type=SOURCE_TYPE,
        source=json.dumps(source, sort_keys=True),
        schema=json.dumps({"mlflow_colspec": [_column(column) for column in COLUMNS]}),
        profile=json.dumps({"num_rows": facts["rows"]}),
    )
    return DatasetInput(dataset, tags=[InputTag("mlflow.data.context", context)])


def _column(name: str) -> dict[str, Any]:
    return {"name": name, "type": "integer" if name == LABEL else "float", "required": True}
