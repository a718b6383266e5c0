"""Messages with events to messages with their scores.

In: what was read, a model. Out: what is to be written, and how much of the reading it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from susystream.errors import BadMessage, EvaluationError
from susystream.schema import EventBatch, Float32Array, concatenate
from susystream.stages.live_model import Chosen
from susystream.stream.dead_letters import letter_of
from susystream.stream.either import LINES, decode_either, is_block
from susystream.stream.exchange import Arrived
from susystream.stream.scores import Form, Scores, encode_scores
from susystream.stream.transaction import Outgoing

_EVENTS = 16_384  # of a message of scores: 200 kB, far below a broker's limit


@dataclass(slots=True)
class Batch:
    """What one transaction holds.

    Attributes:
        read: The messages that are done with.
        events: How many each of them held; 0 for a bad one.
        outgoing: Scores, and bad messages set aside.
        bad: Of those read.
        refused: The bad message that is one too many; nothing behind it was read.
    """

    read: list[Arrived] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    bad: int = 0
    refused: BadMessage | None = None


@dataclass(frozen=True, slots=True)
class Scoring:
    """How messages are scored.

    Attributes:
        output: The topic of the scores.
        partitions: Of that topic.
        form: Of the scores.
    """

    output: str
    partitions: int
    form: Form = "block"

    def batch(self, arrived: Sequence[Arrived], model: Chosen, *, bad_left: int) -> Batch:
        """Scores all messages, or those up to one bad message too many.

        Args:
            arrived: Each partition's in order.
            model: Whose scores they are.
            bad_left: So many bad messages are passed over.

        Raises:
            EvaluationError: The model gives NaN or infinity.
        """
        found = Batch()
        for partition, messages in groupby(arrived, lambda one: one.place.partition):
            events = self._decoded(list(messages), found, bad_left)
            found.outgoing.extend(self._scores(partition, events, model))
            if found.refused:
                break
        return found

    def _decoded(self, messages: list[Arrived], found: Batch, bad_left: int) -> EventBatch:
        if not any(is_block(one.message) for one in messages):  # a line an event: many at once
            try:
                events = LINES.decode_many([one.message for one in messages])
            except BadMessage:
                pass
            else:
                found.read.extend(messages)
                found.events.extend([1] * len(messages))
                return events
        return concatenate(list(self._each(messages, found, bad_left)))

    def _each(self, messages: list[Arrived], found: Batch, bad_left: int) -> Iterator[EventBatch]:
        for one in messages:
            found.read.append(one)
            try:
                events = decode_either(one.message)
            except BadMessage as error:
                found.events.append(0)
                found.bad += 1
                found.outgoing.append(_letter(one, error))
                if found.bad > bad_left:
                    found.refused = BadMessage(f"{one.place}: {error}")
                    return
            else:
                found.events.append(len(events))
                yield events

    def _scores(self, partition: int, events: EventBatch, model: Chosen) -> Iterator[Outgoing]:
        if not len(events):
            return
        scores = _probabilities(model.scorer.logits(events.features), model.model_id)
        for start in range(0, len(events), _EVENTS):
            piece = slice(start, start + _EVENTS)
            part = Scores(model.model_id, events.numbers[piece], scores[piece])
            for key, value in encode_scores(part, self.form):
                yield Outgoing(self.output, partition % self.partitions, key, value)


def _letter(one: Arrived, error: BadMessage) -> Outgoing:
    topic, key, value, headers = letter_of(one.place, one.message, f"{one.place}: {error}")
    return Outgoing(topic, 0, key, value, headers)


def _probabilities(logits: Float32Array, model_id: str) -> Float32Array:
    """The logistic function, in double precision so that no exponential overflows."""
    if not np.isfinite(logits).all():
        raise EvaluationError(
            f"expected finite logits of model {model_id}, received NaN or infinity; "
            "train it again, or choose another model"
        )
    found: Float32Array = (1 / (1 + np.exp(-logits.astype(np.float64)))).astype(np.float32)
    return found
