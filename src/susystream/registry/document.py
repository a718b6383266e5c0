"""The documents of the model store.

In: arrays and facts of one training. Out: `ModelDocument` and `DatasetRecord`, JSON both ways,
with digests that prove them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from susystream.errors import DocumentInvalid

SCHEMA_VERSION = 1
_M = TypeVar("_M", bound="_Document")


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def parsed(cls: type[_M], value: Mapping[str, Any]) -> _M:
        """A stored document, checked.

        Raises:
            DocumentInvalid: Naming the first field that is not as it should be.
        """
        try:
            return cls.model_validate({k: v for k, v in value.items() if k != "_id"})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise DocumentInvalid(
                f"expected a {cls.__name__} of schema {SCHEMA_VERSION}, received one whose "
                f"{place} is wrong ({first['msg']}); train or publish again"
            ) from None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return self.model_dump(mode="json")


class Architecture(_Document):
    """The Keras configuration and its digest."""

    config: dict[str, Any]
    sha256: str


class Weight(_Document):
    """One array: little-endian float32, base64 in `data`, or a GridFS file."""

    name: str
    shape: tuple[int, ...]
    dtype: Literal["float32"] = "float32"
    encoding: Literal["base64"] = "base64"
    data: str | None = None
    gridfs_id: str | None = None


class Training(_Document):
    """What the network was trained on, and how."""

    dataset_id: str
    slice: dict[str, Any]
    train_slice: dict[str, Any]
    seed: int
    epochs: int
    config: dict[str, Any]


class MlflowLink(_Document):
    """The run that trained the model; its address without secrets."""

    experiment: str
    run_id: str
    tracking_uri: str


class Code(_Document):
    """The commit that trained the model."""

    commit: str
    dirty: bool


class Probe(_Document):
    """A few raw events and the logits the trained network gave them, as base64 float32."""

    features: str
    logits: str
    rows: int


class ModelDocument(_Document):
    """A stored model. The same canonical JSON is the artifact `model.json` of its run."""

    schema_version: Literal[1] = 1
    model_id: str
    created_at: str
    name: str
    status: Literal["stored", "promoted", "retired"] = "stored"
    architecture: Architecture
    weights: tuple[Weight, ...]
    weights_sha256: str
    preprocessing: dict[str, Any]
    features: tuple[str, ...]
    training: Training
    mlflow: MlflowLink
    metrics: dict[str, float] = Field(default_factory=dict)
    code: Code
    versions: dict[str, str]
    probe: Probe

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(int(np.prod(weight.shape)) for weight in self.weights)

    def to_canonical_json(self) -> str:
        """The one text of this document."""
        return canonical_json(self.to_json())


class DatasetRecord(_Document):
    """A published slice."""

    schema_version: Literal[1] = 1
    dataset_id: str
    created_at: str
    name: str
    slice: dict[str, Any]
    codec: str
    events_per_message: int
    rows: int
    digest: str
    cluster_id: str
    source: dict[str, Any]
    split: dict[str, Any]
    scaler: dict[str, Any]
    run_id: str


def new_id(letter: str) -> str:
    """An identity that sorts by time: `m20261124-101530-4f2a9c`."""
    return f"{letter}{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"


def canonical_json(value: object) -> str:
    """Sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest_of(value: object) -> str:
    """SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def encode_array(array: NDArray[Any]) -> str:
    """base64 of little-endian float32 in C order."""
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode("ascii")


def decode_array(text: str, shape: Sequence[int]) -> NDArray[np.float32]:
    """The array of `encode_array`.

    Raises:
        DocumentInvalid: The text is damaged or of another length.
    """
    try:
        raw = base64.b64decode(text, validate=True)
        return np.frombuffer(raw, "<f4").reshape(tuple(shape)).astype(np.float32)
    except (binascii.Error, ValueError) as error:
        raise DocumentInvalid(
            f"expected base64 float32 of shape {tuple(shape)}, received another: {error}"
        ) from error


def encode_weights(names: Sequence[str], arrays: Sequence[NDArray[Any]]) -> tuple[Weight, ...]:
    """The weights as JSON.

    Raises:
        DocumentInvalid: One is not float32.
    """
    wrong = [str(a.dtype) for a in arrays if a.dtype != np.float32]
    if wrong:
        raise DocumentInvalid(f"expected float32 weights, received {wrong[0]}")
    return tuple(
        Weight(name=name, shape=array.shape, data=encode_array(array))
        for name, array in zip(names, arrays, strict=True)
    )


def decode_weights(weights: Sequence[Weight]) -> list[NDArray[np.float32]]:
    """The arrays, bit for bit."""
    return [decode_array(weight.data or "", weight.shape) for weight in weights]


def weights_digest(weights: Sequence[Weight]) -> str:
    """SHA-256 over names, shapes and bytes."""
    total = hashlib.sha256()
    for weight in weights:
        total.update(canonical_json([weight.name, list(weight.shape), weight.dtype]).encode())
        total.update(decode_array(weight.data or "", weight.shape).astype("<f4").tobytes())
    return total.hexdigest()


def check_digests(document: ModelDocument) -> ModelDocument:
    """The document, proven.

    Raises:
        DocumentInvalid: Architecture or weights are not those that were stored.
    """
    for what, expected, received in (
        ("architecture", document.architecture.sha256, digest_of(document.architecture.config)),
        ("weights", document.weights_sha256, weights_digest(document.weights)),
    ):
        if expected != received:
            raise DocumentInvalid(
                f"expected {what} of model {document.model_id} with SHA-256 {expected}, "
                f"received {received}; the stored document is damaged: train again"
            )
    return document
