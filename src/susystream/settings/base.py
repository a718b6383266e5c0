"""What all groups of settings share.

In: nothing. Out: the base of groups, and types with their bounds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=120)]
# an empty text, as of an unset variable in a compose file, means that none is given
UNSET = BeforeValidator(lambda value: None if value == "" else value)
OptionalText = Annotated[str | None, UNSET]
OptionalPath = Annotated[Path | None, UNSET]


class Group(BaseModel):
    """One group of `conf/`: immutable, no unknown keys, no NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
