"""The stored forms: a model with its weights and origin, and a registered data set.

In: plain data, arrays. Out: checked, immutable documents and their canonical JSON. A document
that exists is whole: digests are proven when it is made, wherever its parts came from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from susystream.errors import DocumentInvalid
from susystream.registry.document.form import (
    Document,
    Id,
    Json,
    Metrics,
    Moment,
    Part,
    Sha256,
    canonical_json,
    digest_of,
    new_id,
    now_iso,
    prove,
)
from susystream.registry.document.preprocessing import prove_preprocessing
from susystream.registry.document.weights import (
    Weight,
    decode_weights,
    encode_weights,
    from_base64,
    to_base64,
    weights_digest,
)
from susystream.schema import FEATURES, Float32Array
from susystream.stream.slices import TopicSlice

__all__ = [
    "PROMOTED",
    "STATUSES",
    "UNPROVEN",
    "Architecture",
    "Code",
    "DatasetRecord",
    "MlflowLink",
    "ModelDocument",
    "ModelSummary",
    "Probe",
    "Training",
    "Weight",
    "canonical_json",
    "check_test_set",
    "decode_weights",
    "digest_of",
    "encode_weights",
    "new_id",
    "now_iso",
    "weights_digest",
]


Status = Literal["unproven", "trained", "promoted"]
STATUSES: tuple[str, ...] = get_args(Status)
PROMOTED: Status = "promoted"  # what live scoring takes
UNPROVEN: Status = "unproven"  # stored; that a load predicts the same is not yet shown


def check_test_set(value: Mapping[str, Any]) -> dict[str, JsonValue]:
    """The identity of a test set as plain JSON: at least `digest`, `rows` and `source`.

    Raises:
        DocumentInvalid: It is none.
    """
    kinds = {"digest": str, "rows": int, "source": Mapping}
    if not all(isinstance(value.get(name), kind) for name, kind in kinds.items()):
        raise DocumentInvalid(
            f"expected a test set as digest, rows and source, received {str(value)[:100]}"
        )
    return dict(json.loads(canonical_json(value)))


def _a_slice(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    TopicSlice.from_json(value)
    return value


Slice = Annotated[dict[str, JsonValue], AfterValidator(_a_slice)]
TestSet = Annotated[dict[str, JsonValue], AfterValidator(check_test_set)]


class Architecture(Part):
    """Layers and their settings as `susystream.model.network` reads them, and their digest."""

    config: Json
    digest: Sha256

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Architecture:
        """With its digest."""
        return cls(config=dict(config), digest=digest_of(config))

    @model_validator(mode="after")
    def _proven(self) -> Architecture:
        prove("architecture digest", self.digest, digest_of(self.config))
        return self


class Training(Part):
    """What the model was made from.

    Attributes:
        parent_model_id: The model whose weights it started from; None: it started afresh.
        chain: The chain of models it is a step of, each the parent of the next; None: of none.
    """

    dataset_id: str
    slice: Slice
    seed: int
    epochs: Annotated[int, Field(ge=0)]
    config: Json
    parent_model_id: Id | None = None
    chain: Annotated[str, Field(min_length=1, max_length=120)] | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what is None: a document from before there were chains keeps its text."""
        found: dict[str, Any] = write(self)
        return {
            name: value
            for name, value in found.items()
            if value is not None or name not in ("parent_model_id", "chain")
        }


class MlflowLink(Part):
    """The run that made the model; the run carries the tag `model_id`."""

    experiment: str
    run_id: str
    tracking_uri: str


class Code(Part):
    """The commit that ran, and whether files were changed since."""

    commit: str | None
    dirty: bool | None


class Probe(Part):
    """Some events and the logits the model gave them when stored: a load must give the same.

    Both are base64 of little-endian float32; features have shape (rows, 18).
    """

    rows: Annotated[int, Field(ge=0, le=10_000)]
    features: str = Field(repr=False)
    logits: str = Field(repr=False)

    @classmethod
    def of(cls, features: Float32Array, logits: Float32Array) -> Probe:
        """Records a batch of shape (n, 18) and its logits (n,)."""
        return cls(rows=len(logits), features=to_base64(features), logits=to_base64(logits))

    def arrays(self) -> tuple[Float32Array, Float32Array]:
        """Features (n, 18) and logits (n,)."""
        features = np.frombuffer(from_base64(self.features, "probe features"), "<f4")
        logits = np.frombuffer(from_base64(self.logits, "probe logits"), "<f4")
        return (
            features.reshape(self.rows, len(FEATURES)).astype(np.float32),
            logits.astype(np.float32),
        )

    @model_validator(mode="after")
    def _whole(self) -> Probe:
        sizes = [len(from_base64(text, "probe")) for text in (self.features, self.logits)]
        if sizes != [4 * self.rows * len(FEATURES), 4 * self.rows]:
            raise ValueError(f"expected {self.rows} rows, received {sizes} bytes")
        return self


class ModelSummary(Document):
    """A model document without what makes it large: weights, architecture, probe."""

    schema_version: Literal[1] = 1
    model_id: Id
    created_at: Moment
    name: str
    status: Status = "trained"
    promoted_at: Moment | None = None
    weights_sha256: Sha256
    preprocessing: Json
    features: tuple[str, ...]
    training: Training
    mlflow: MlflowLink
    metrics: Metrics
    test_sets: dict[str, TestSet] = Field(default_factory=dict)
    code: Code
    versions: dict[str, str]


class ModelDocument(ModelSummary):
    """A whole model: enough to predict, to verify, and to make it again."""

    architecture: Architecture
    weights: tuple[Weight, ...] = Field(repr=False)
    probe: Probe

    @property
    def parameters(self) -> int:
        """How many numbers the weights hold."""
        return sum(int(np.prod(weight.shape, dtype=object)) for weight in self.weights)

    @model_validator(mode="after")
    def _proven(self) -> ModelDocument:
        prove("weights_sha256", self.weights_sha256, weights_digest(self.weights))
        prove_preprocessing(self.architecture.config, self.preprocessing, self.features)
        return self


class DatasetRecord(Document):
    """A registered data set: exactly recorded offsets and what lies there."""

    schema_version: Literal[1] = 1
    dataset_id: Id
    created_at: Moment
    name: str
    slice: Slice
    codec: str
    events_per_message: Annotated[int, Field(gt=0)]
    rows: Annotated[int, Field(ge=0)]
    digest: Annotated[str, Field(pattern=r"^m[12]:[0-9a-f]{32}$")]
    cluster_id: str
    topic_id: str | None = None
    source: Json
    split: Json
    scaler: Json
    run_id: str
