"""What all stored documents share: canonical JSON, ids, checked types, one-line errors.

In: plain data. Out: texts, digests, and the bases of documents.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from susystream.errors import DocumentInvalid
from susystream.evaluate.ensemble import NAME as ENSEMBLE

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: nothing looks like 1 or 0
_D = TypeVar("_D", bound="Document")


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


def _free(text: str) -> str:
    if text == ENSEMBLE:
        raise ValueError(f"expected an id other than {ENSEMBLE}, which names no single model")
    return text


Json = Annotated[dict[str, JsonValue], AfterValidator(_finite)]
Moment = Annotated[str, AfterValidator(_utc)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Id = Annotated[str, Field(pattern=r"^[a-z][0-9a-z-]{7,63}$"), AfterValidator(_free)]
Metrics = dict[str, float]


class Part(BaseModel):
    """A section of a document: immutable, no unknown keys, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Document(Part):
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


def prove(name: str, expected: str, received: str) -> None:
    """Raises `DocumentInvalid` unless both digests are equal."""
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
