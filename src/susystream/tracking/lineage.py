"""Data sets as MLflow knows them.

In: the record of a published slice, or what identifies other events. Out: a data set input, whose
source names the exact offsets, or the file or generator, with count and digest: all that
`susystream.mlflow_plugin` needs to read the events back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from susystream.schema import COLUMNS, LABEL

SOURCE_TYPE = "kafka_slice"
EVENTS_TYPE = "events"
_OF_SLICE = ("dataset_id", "cluster_id", "slice", "codec")
_LONGEST_NAME = 500  # MLflow refuses more
_LONGEST_DIGEST = 36


def dataset_input(name: str, facts: Mapping[str, Any], *, context: str) -> Any:
    """The input, as MLflow's client takes it.

    Args:
        name: As shown in the UI.
        facts: `digest` and `rows`; then of a slice (`DatasetRecord` as plain data) `dataset_id`,
            `cluster_id`, `slice` and `codec`, of other events `source`, which may be a slice too.
            A digest of more than 36 characters is cut: it stays the beginning of the one in the
            source and in the model store.
        context: `training`, `evaluation`, `published`.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    stated = {key: facts[key] for key in _OF_SLICE} if "slice" in facts else dict(facts["source"])
    stated |= {"rows": facts["rows"], "digest": str(facts["digest"])}
    dataset = Dataset(
        name=name[:_LONGEST_NAME],
        digest=str(facts["digest"])[:_LONGEST_DIGEST],
        source_type=SOURCE_TYPE if "slice" in stated else EVENTS_TYPE,
        source=json.dumps(stated, sort_keys=True),
        schema=json.dumps({"mlflow_colspec": [_column(column) for column in COLUMNS]}),
        profile=json.dumps({"num_rows": facts["rows"]}),
    )
    return DatasetInput(dataset, tags=[InputTag("mlflow.data.context", context)])


def _column(name: str) -> dict[str, Any]:
    return {"name": name, "type": "integer" if name == LABEL else "float", "required": True}
