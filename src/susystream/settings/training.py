"""How a network is trained, as settings.

In: the group `train`. Out: one class for it, and one for following a topic.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from susystream.settings.base import Count, Fraction, Group, Name, OptionalText, Seconds
from susystream.settings.data import FileSet, SliceSet, checked_input, given_set


class FollowingSettings(Group):
    """How a topic's data sets are followed (`train.follow`), one model after the other.

    Attributes:
        chain: Names the models that follow each other; none: the model's name.
        since: Data sets registered before this one (its id), or before a time as selectors take it
            (of a date: its first moment), are left out; none: none is.
        test: The fixed test set, as `evaluate.input`; none: the holdout of the first data set.
        slices: After so many data sets the command ends.
        idle_seconds: After so long without a new data set the command ends; none: never.
        poll_seconds: How often the store is asked for a new one.
    """

    chain: Name | None = None
    since: OptionalText = None
    test: OptionalText = None
    slices: Count | None = None
    idle_seconds: Seconds | None = None
    poll_seconds: Seconds = 2.0

    @field_validator("since")
    @classmethod
    def _stays_the_same(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"d\d|\d{4}-", value):
            raise ValueError("expected a data set's id, or a time as 2026-01-31T12:00:00+01:00")
        return value

    @field_validator("test")
    @classmethod
    def _files_or_a_slice(cls, value: str | None) -> str | None:
        if value is not None and value.startswith("dataset:") and not value.startswith("dataset:d"):
            raise ValueError("expected dataset:<id>, for a fixed test set must stay the same")
        return checked_input(value)

    @property
    def given(self) -> FileSet | SliceSet | None:
        """The set that `test` names."""
        return None if self.test is None else given_set(self.test)


class TrainSettings(Group):
    """How the network is trained.

    Attributes:
        dataset: An id, an id's beginning, or `latest`.
        parent: The stored model whose weights to start from: a selector as in `evaluate.models`.
            With `follow`, the first model of a chain starts there.
        follow: Trains on every data set of the topic in turn, and waits for the next.
    """

    dataset: str = "latest"
    parent: OptionalText = None
    epochs: Count = 5
    batch_size: Count = 256
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    validation_fraction: Fraction = 0.1
    shuffle_window: int = Field(65_536, ge=0)
    jit: bool = False
    shuffle_labels: bool = False
    follow: bool = False
    following: FollowingSettings = FollowingSettings()

    @model_validator(mode="after")
    def _what_is_followed_is_not_chosen(self) -> TrainSettings:
        if self.follow and self.dataset != "latest":
            raise ValueError(
                f"expected no dataset with follow=true, received {self.dataset!r}; each data set "
                "of stream.topic is trained on in turn"
            )
        return self
