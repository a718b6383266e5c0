"""Settings of live scoring.

In: the group `score` of `conf/`. Out: `ScoreSettings`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from susystream.settings.base import UNSET, Group, Name, Seconds


class ScoreSettings(Group):
    """Live scoring of `stream.topic` by a stored model.

    Attributes:
        model: A selector; asked again every `refresh_seconds`.
        output: The topic of the scores; none: `<stream.topic>.scores`.
        group: The consumer group: its members share the partitions and one place in the topic.
        start: Where a new group begins.
        until: `forever`, or the `end` the topic has when the stage begins.
        form: Of the scores: many events a message, or one JSON an event.
        batch_events: At most about so many in a transaction.
        report_seconds: Between two figures on the screen and in MLflow.
        scorer: As in `evaluate`.
        precision: As in `evaluate`.
    """

    model: Annotated[str, Field(min_length=1)] = "promoted"
    output: Annotated[Name | None, UNSET] = None
    group: Name = "susystream-score"
    start: Literal["earliest", "latest"] = "earliest"
    until: Literal["forever", "end"] = "forever"
    form: Literal["block", "json"] = "block"
    batch_events: Annotated[int, Field(ge=1, le=1_000_000)] = 65_536
    refresh_seconds: Seconds = 2.0
    report_seconds: Seconds = 10.0
    scorer: Literal["auto", "openvino", "tensorflow"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
