"""Messages with events to messages with their scores.

In: what was read, a model. Out: what is to be written, and how much of the reading it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from susystream.errors import BadMessage
from susystream.schema import EventBatch, Float32Array, Int64Array, concatenate
from susystream.stages.live_model import Chosen
from susystream.stream.dead_letters import letter_of
from susystream.stream.either import LINES, decode_either, is_block
from susystream.stream.exchange import Arrived, Outgoing
from susystream.stream.scores import Form, Scores, encode_scores

_EVENTS = 16_384  # of a message of scores: 200 kB, far below a broker's limit


@dataclass(slots=True)
class Batch:
    """What one transaction holds.

    Attributes:
        model_id: Whose scores they are.
        read: The messages that are done with.
        events: How many each of them held; 0 for a bad one.
        outgoing: Scores, and bad messages set aside.
        bad: Of those read.
        refused: The bad message that is one too many; nothing behind it was read.
    """

    model_id: str
    read: list[Arrived] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    bad: int = 0
    refused: BadMessage | None = None


@dataclass(slots=True)
class _Decoded:
    """Messages of one partition: how many events each holds, and what is wrong with some."""

    messages: list[Arrived]
    counts: Int64Array
    events: EventBatch
    errors: dict[int, BadMessage]

    @property
    def owners(self) -> Int64Array:
        """The place in `messages` of each event's message."""
        return np.repeat(np.arange(len(self.messages)), self.counts)


@dataclass(frozen=True, slots=True)
class Scoring:
    """How messages are scored.

    Attributes:
        output: The topic of the scores.
        partitions: Of that topic.
        letter_bytes: Of a bad message that is set aside; what is beyond is cut.
        form: Of the scores.
    """

    output: str
    partitions: int
    letter_bytes: int
    form: Form = "block"

    def batch(self, arrived: Sequence[Arrived], model: Chosen, *, bad_left: int) -> Batch:
        """Scores all messages, or those up to one bad message too many.

        Args:
            arrived: Each partition's in order.
            model: Whose scores they are.
            bad_left: So many bad messages are passed over.
        """
        found = Batch(model.model_id)
        for partition, messages in groupby(arrived, lambda one: one.place.partition):
            self._add(found, partition, _decoded(list(messages)), model, bad_left)
            if found.refused:
                break
        return found

    def _add(
        self, found: Batch, partition: int, decoded: _Decoded, model: Chosen, bad_left: int
    ) -> None:
        logits, owners = model.scorer.logits(decoded.events.features), decoded.owners
        _refuse_what_has_no_score(decoded, logits, owners, model.model_id)
        bad = sorted(decoded.errors)
        cut = len(decoded.messages)
        if found.bad + len(bad) > bad_left:
            last = bad[bad_left - found.bad]
            found.refused, cut = decoded.errors[last], last + 1
        kept = (owners < cut) & ~np.isin(owners, bad)
        scores = Scores(model.model_id, decoded.events.numbers[kept], _probabilities(logits[kept]))
        found.outgoing += self._messages(partition, scores)
        found.outgoing += [
            _letter(decoded.messages[i], decoded.errors[i], self.letter_bytes)
            for i in bad
            if i < cut
        ]
        found.bad += sum(i < cut for i in bad)
        found.read += decoded.messages[:cut]
        decoded.counts[bad] = 0
        found.events += decoded.counts[:cut].tolist()

    def _messages(self, partition: int, scores: Scores) -> Iterator[Outgoing]:
        for start in range(0, len(scores), _EVENTS):
            piece = slice(start, start + _EVENTS)
            part = Scores(scores.model_id, scores.numbers[piece], scores.scores[piece])
            for key, value in encode_scores(part, self.form):
                yield Outgoing(self.output, partition % self.partitions, key, value)


def _decoded(messages: list[Arrived]) -> _Decoded:
    batches, counts = list[EventBatch](), list[int]()
    errors = dict[int, BadMessage]()
    for many, found in _pieces(messages):
        if isinstance(found, BadMessage):
            errors[len(counts)] = found
            counts.append(0)
        else:
            batches.append(found)
            counts += [1] * many if many > 1 else [len(found)]
    return _Decoded(messages, np.array(counts, np.int64), concatenate(batches), errors)


_Piece = tuple[int, EventBatch | BadMessage]


def _pieces(messages: list[Arrived]) -> Iterator[_Piece]:
    """How many messages, and the events of them, in order: lines of text many at once."""
    for lines, run in groupby(messages, lambda one: not (one.tombstone or is_block(one.message))):
        if lines:
            yield from _of_lines(list(run))
        else:
            yield from ((1, _read(one)) for one in run)


def _of_lines(messages: list[Arrived]) -> Iterator[_Piece]:
    """A bad line is looked for by halves: line by line would take a hundred times as long."""
    if len(messages) == 1:
        yield 1, _read(messages[0])
        return
    try:
        yield len(messages), LINES.decode_many([one.message for one in messages])
    except BadMessage:
        middle = len(messages) // 2
        yield from _of_lines(messages[:middle])
        yield from _of_lines(messages[middle:])


def _read(one: Arrived) -> EventBatch | BadMessage:
    try:
        return _events_of(one)
    except BadMessage as error:
        return BadMessage(f"{one.place}: {error}")


def _events_of(one: Arrived) -> EventBatch:
    if one.tombstone:
        raise BadMessage("expected events, received a message without a value")
    return decode_either(one.message)


def _refuse_what_has_no_score(
    decoded: _Decoded, logits: Float32Array, owners: Int64Array, model_id: str
) -> None:
    """A model that was proven gives a number; what overflows in it is no event of this kind."""
    for row in np.flatnonzero(~np.isfinite(logits)):
        place = int(owners[row])
        if place not in decoded.errors:
            decoded.errors[place] = BadMessage(
                f"{decoded.messages[place].place}: expected an event with a finite logit of model "
                f"{model_id}, received {logits[row]} of event number {decoded.events.numbers[row]}"
            )


def _letter(one: Arrived, error: BadMessage, at_most: int) -> Outgoing:
    topic, key, value, headers = letter_of(one.place, one.message, str(error), at_most=at_most)
    return Outgoing(topic, 0, key, None if one.tombstone else value, headers)


def _probabilities(logits: Float32Array) -> Float32Array:
    """The logistic function, in double precision so that no exponential overflows."""
    found: Float32Array = (1 / (1 + np.exp(-logits.astype(np.float64)))).astype(np.float32)
    return found
