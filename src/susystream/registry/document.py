"""The stored forms: a model with its weights and origin, and a registered data set.

In: plain data, arrays. Out: checked, immutable documents and their canonical JSON. A document
that exists is whole: digests are proven when it is made, wherever its parts came from.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from susystream.errors import DocumentInvalid
from susystream.schema import FEATURES, Float32Array
from susystream.stream.slices import TopicSlice

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: nothing looks like 1 or 0
_D = TypeVar("_D", bound="_Document")


def canonical_json(value: object) -> str:
    """One text for one value: keys sorted, no spaces, UTF-8, no NaN.

    Raises:
        DocumentInvalid: The value has no such text.
    """
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise DocumentInvalid(f"expected finite numbers, text and lists, {error}") from error
    return text


def new_id(kind: str) -> str:
    """A new id: kind, UTC time to the millisecond (so ids sort by age), five random characters."""
    now = datetime.now(timezone.utc)
    moment = now.strftime("%Y%m%d-%H%M%S") + f"{now.microsecond // 1000:03d}"
    return f"{kind}{moment}-" + "".join(secrets.choice(_ALPHABET) for _ in range(5))


def now_iso() -> str:
    """This moment in UTC to the microsecond, as in `created_at`."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


def digest_of(value: object) -> str:
    """SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode("utf-8")).hexdigest()


def _utc(text: str) -> str:
    if datetime.fromisoformat(text).utcoffset() != timedelta(0):
        raise ValueError("expected a time in UTC, as in 2026-01-31T12:00:00.000+00:00")
    return text


def _finite(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    canonical_json(value)
    return value


def _a_slice(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    TopicSlice.from_json(value)
    return value


Json = Annotated[dict[str, JsonValue], AfterValidator(_finite)]
Slice = Annotated[dict[str, JsonValue], AfterValidator(_a_slice)]
Moment = Annotated[str, AfterValidator(_utc)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Id = Annotated[str, Field(pattern=r"^[a-z][0-9a-z-]{7,63}$")]
Metrics = dict[str, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Document(_Part):
    """A top-level document; whichever way it is made, what is wrong is one line of ours."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise DocumentInvalid(_condensed(type(self).__name__, error)) from None

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return self.model_dump(mode="json")

    def to_canonical_json(self) -> str:
        """As text, always the same for an equal document."""
        return canonical_json(self.to_json())

    @classmethod
    def from_json(cls: type[_D], value: Mapping[str, Any] | str) -> _D:
        """The document of plain data or JSON text.

        Raises:
            DocumentInvalid: It is damaged or foreign.
        """
        try:
            parsed = json.loads(value) if isinstance(value, str) else value
        except (ValueError, RecursionError) as error:
            raise DocumentInvalid(f"expected JSON of a {cls.__name__}, {error}") from None
        if not isinstance(parsed, Mapping) or not all(isinstance(key, str) for key in parsed):
            raise DocumentInvalid(
                f"expected a {cls.__name__} object, received {type(parsed).__name__}"
            )
        return cls(**parsed)


class Architecture(_Part):
    """Layers and their settings as `susystream.model.network` reads them, and their digest."""

    config: Json
    digest: Sha256

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Architecture:
        """With its digest."""
        return cls(config=dict(config), digest=digest_of(config))

    @model_validator(mode="after")
    def _proven(self) -> Architecture:
        _prove("architecture digest", self.digest, digest_of(self.config))
        return self


class Weight(_Part):
    """One array; `data` is the base64 of its little-endian bytes in C order."""

    name: Annotated[str, Field(min_length=1, max_length=500)]
    shape: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...]
    dtype: Literal["float32"] = "float32"
    encoding: Literal["base64"] = "base64"
    data: str = Field(repr=False)

    def to_bytes(self) -> bytes:
        """The array's bytes.

        Raises:
            DocumentInvalid: They are damaged or do not fill the shape.
        """
        content = _unbase64(self.data, self.name)
        expected = 4 * int(np.prod(self.shape, dtype=object)) if self.shape else 4
        if len(content) != expected:
            raise DocumentInvalid(
                f"expected {expected} bytes for weight {self.name} of shape {self.shape}, "
                f"received {len(content)}; store the model again"
            )
        return content


def encode_weights(named: Iterable[tuple[str, NDArray[Any]]]) -> tuple[Weight, ...]:
    """Weights as stored.

    Raises:
        DocumentInvalid: An array is not float32.
    """
    return tuple(_encoded(name, array) for name, array in named)


def decode_weights(weights: Sequence[Weight]) -> list[Float32Array]:
    """The arrays of stored weights, bit by bit.

    Raises:
        DocumentInvalid: One is damaged.
    """
    return [
        np.frombuffer(weight.to_bytes(), "<f4").reshape(weight.shape).astype(np.float32)
        for weight in weights
    ]


def weights_digest(weights: Sequence[Weight]) -> str:
    """SHA-256 over every weight's name, type, shape and bytes."""
    total = hashlib.sha256()
    for weight in weights:
        header = canonical_json([weight.name, weight.dtype, list(weight.shape)])
        total.update(header.encode("utf-8") + b"\n" + weight.to_bytes())
    return total.hexdigest()


class Training(_Part):
    """What the model was made from."""

    dataset_id: str
    slice: Slice
    seed: int
    epochs: Annotated[int, Field(ge=0)]
    config: Json


class MlflowLink(_Part):
    """The run that made the model; the run carries the tag `model_id`."""

    experiment: str
    run_id: str
    tracking_uri: str


class Code(_Part):
    """The commit that ran, and whether files were changed since."""

    commit: str | None
    dirty: bool | None


class Probe(_Part):
    """Some events and the logits the model gave them when stored: a load must give the same.

    Both are base64 of little-endian float32; features have shape (rows, 18).
    """

    rows: Annotated[int, Field(ge=0, le=10_000)]
    features: str = Field(repr=False)
    logits: str = Field(repr=False)

    @classmethod
    def of(cls, features: Float32Array, logits: Float32Array) -> Probe:
        """Records a batch of shape (n, 18) and its logits (n,)."""
        return cls(rows=len(logits), features=_base64(features), logits=_base64(logits))

    def arrays(self) -> tuple[Float32Array, Float32Array]:
        """Features (n, 18) and logits (n,)."""
        features = np.frombuffer(_unbase64(self.features, "probe features"), "<f4")
        logits = np.frombuffer(_unbase64(self.logits, "probe logits"), "<f4")
        return (
            features.reshape(self.rows, len(FEATURES)).astype(np.float32),
            logits.astype(np.float32),
        )

    @model_validator(mode="after")
    def _whole(self) -> Probe:
        sizes = [len(_unbase64(text, "probe")) for text in (self.features, self.logits)]
        if sizes != [4 * self.rows * len(FEATURES), 4 * self.rows]:
            raise ValueError(f"expected {self.rows} rows, received {sizes} bytes")
        return self


class ModelSummary(_Document):
    """A model document without what makes it large: weights, architecture, probe."""

    schema_version: Literal[1] = 1
    model_id: Id
    created_at: Moment
    name: str
    status: str = "trained"
    weights_sha256: Sha256
    preprocessing: Json
    features: tuple[str, ...]
    training: Training
    mlflow: MlflowLink
    metrics: Metrics
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
        _prove("weights_sha256", self.weights_sha256, weights_digest(self.weights))
        return self


class DatasetRecord(_Document):
    """A registered data set: exactly recorded offsets and what lies there."""

    schema_version: Literal[1] = 1
    dataset_id: Id
    created_at: Moment
    name: str
    slice: Slice
    codec: str
    events_per_message: Annotated[int, Field(gt=0)]
    rows: Annotated[int, Field(ge=0)]
    digest: Annotated[str, Field(pattern=r"^m1:[0-9a-f]{32}$")]
    cluster_id: str
    source: Json
    split: Json
    scaler: Json
    run_id: str


def _encoded(name: str, array: NDArray[Any]) -> Weight:
    if array.dtype != np.float32:
        raise DocumentInvalid(f"expected float32 in weight {name}, received {array.dtype}")
    return Weight(name=name, shape=tuple(array.shape), data=_base64(array))


def _base64(array: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode("ascii")


def _unbase64(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DocumentInvalid(
            f"expected base64 in {name}, {error}; store the model again"
        ) from error


def _prove(name: str, expected: str, received: str) -> None:
    if expected != received:
        raise DocumentInvalid(
            f"expected {name} {expected[:12]}…, its content has {received[:12]}…; "
            "the document is damaged: store the model again"
        )


def _condensed(name: str, error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    first = problems[0]
    place = ".".join(str(part) for part in first["loc"]) or "as a whole"
    more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
    received = " ".join(repr(first["input"]).split())[:100]
    return f"{name}, {place}: {first['msg']}, received {received}{more}; the document is not ours"
