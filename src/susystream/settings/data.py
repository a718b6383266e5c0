"""Events to train on and to test on, as settings.

In: the group `data`, and the entries of `evaluate.sets`. Out: one class for each kind.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator

from susystream.settings.base import Count, Fraction, Group, Name, OptionalPath, OptionalText


class ToySet(Group):
    """Events of the toy Monte Carlo, numbered from `offset`."""

    kind: Literal["toy"] = "toy"
    rows: Count = 100_000
    offset: int = Field(0, ge=0)


class RealSampleSet(Group):
    """The 500 real rows shipped in the package."""

    kind: Literal["real_sample"] = "real_sample"


class RealLowLevelSet(Group):
    """The 10,499 shipped real rows whose high-level columns are computed."""

    kind: Literal["real_low_level"] = "real_low_level"


class FileSet(Group):
    """The events of a CSV, CSV.GZ or Parquet file, or of all files that match a glob."""

    kind: Literal["file"] = "file"
    path: Path
    expected_rows: Count | None = None
    limit: Count | None = None


_OFFSETS = r"\d{1,18}:\d{1,18}-\d{1,18}"  # partition, first offset, offset after the last
_SLICE = re.compile(
    rf"dataset:\S+|slice:[A-Za-z0-9._-]{{1,249}}/{_OFFSETS}([,/]{_OFFSETS})*", re.ASCII
)


class SliceSet(Group):
    """Events in Kafka: of a registered data set, or exact offsets of a topic.

    Attributes:
        events: `dataset:<id, beginning, latest, …>`, or `slice:<topic>/<partition>:<start>-<end>`
            with more partitions behind `/` or `,`; the end is exclusive.
    """

    kind: Literal["slice"] = "slice"
    events: str

    @field_validator("events")
    @classmethod
    def _of_known_form(cls, value: str) -> str:
        if not _SLICE.fullmatch(value):
            raise ValueError(
                "expected dataset:<id or latest> or slice:<topic>/<partition>:<start>-<end>"
                "[/<partition>:…]"
            )
        if value.startswith("slice:"):
            _check_spans(value)
        return value


def _check_spans(value: str) -> None:
    """Whether every partition comes once and has offsets."""
    seen = set()
    for partition, start, end in re.findall(r"(\d+):(\d+)-(\d+)", value.partition("/")[2]):
        if int(start) > int(end):
            raise ValueError(
                f"expected start <= end in partition {partition}, received {start}-{end}"
            )
        if int(partition) in seen:
            raise ValueError(f"expected partition {partition} once, received it again")
        seen.add(int(partition))


class HoldoutSet(Group):
    """The test part of the data that the model was trained on."""

    kind: Literal["holdout"] = "holdout"


class ToyData(ToySet):
    """A toy set to train on; its last part is the holdout."""

    name: Name = "toy"
    test_fraction: Fraction = 0.1


class RealSampleData(RealSampleSet):
    """The real rows to train on."""

    name: Name = "real_sample"
    test_fraction: Fraction = 0.1


class RealLowLevelData(RealLowLevelSet):
    """The real low-level rows to train on."""

    name: Name = "real_low_level"
    test_fraction: Fraction = 0.1


class SusyData(Group):
    """The UCI file at `path`, or fetched into the home folder when there is none."""

    kind: Literal["susy"] = "susy"
    name: Name = "susy"
    path: OptionalPath = None
    url: OptionalText = Field(None, repr=False)
    expected_rows: Count | None = None
    limit: Count | None = None
    test_fraction: Fraction = 0.1

    @field_validator("url")
    @classmethod
    def _no_login(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        if "@" in parts.netloc:
            raise ValueError("expected an address without user name and password")
        if not re.fullmatch(r"(\[[^]]*\]|[^:]*)(:\d*)?", parts.netloc):
            raise ValueError("expected an address http(s)://host[:port]/file")
        return value


DataSettings = Annotated[
    ToyData | RealSampleData | RealLowLevelData | SusyData, Field(discriminator="kind")
]
TestSet = Annotated[
    ToySet | RealSampleSet | RealLowLevelSet | FileSet | SliceSet | HoldoutSet,
    Field(discriminator="kind"),
]


def given_set(text: str) -> FileSet | SliceSet:
    """What `evaluate.input` names: events in Kafka, or files.

    Raises:
        ValidationError: It begins like a slice and is none.
    """
    if text.startswith(("dataset:", "slice:")):
        return SliceSet(events=text)
    return FileSet(path=Path(text))


def checked_input(value: str | None) -> str | None:
    """A text that names files or a slice, as typed.

    Raises:
        ValueError: It begins like a slice and is none.
    """
    try:
        if value is not None:
            given_set(value)
    except ValidationError as error:  # which would name a field that no one set
        message = error.errors(include_url=False)[0]["msg"]
        raise ValueError(message.removeprefix("Value error, ")) from None
    return value
