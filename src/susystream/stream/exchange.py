"""Reading a topic as one of a group, and writing what comes of it: exactly once.

In: a topic's messages, dealt by Kafka to the members of a group. Out: messages on other topics.
These and the group's offsets are committed in one transaction, so that either both are there or
the messages are read again, whatever dies in between.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

from kafka.errors import (
    AuthorizationError,
    CommitFailedError,
    KafkaError,
    LogTruncationError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
)

from susystream.errors import BrokerUnavailable, SliceTruncated, StreamError
from susystream.stream.connection import KafkaConnection
from susystream.stream.member import Arrived, Member
from susystream.stream.patience import Patience
from susystream.stream.positions import Start
from susystream.stream.topics import watermarks
from susystream.stream.transaction import Outgoing

__all__ = ["Arrived", "Exchange", "Outgoing", "Start"]

_FINAL = (AuthorizationError, MessageSizeTooLargeError)  # trying again does not help
_AGAIN_SECONDS = 0.5


def _silent(text: str) -> None:
    return None


@dataclass(slots=True)
class Exchange:
    """A member of a consumer group with a transactional producer; `with` joins and leaves.

    Attributes:
        connection: The broker.
        topic: What is read.
        group: The consumer group; its members share the partitions.
        start: Where a group begins that never read the topic.
        at_most: Messages of one `poll`.
        patience_seconds: For so long the broker may be away, or refuse.
        session_seconds: After so long a member that died is noticed, and its transaction given up.
        say: Tells a person when the broker was away.
        reopened: How often the clients were made anew.
        given_up: How many transactions were given up; their messages were read again.
    """

    connection: KafkaConnection
    topic: str
    group: str
    start: Start = "earliest"
    at_most: int = 500
    patience_seconds: float = 20.0
    session_seconds: float = 10.0
    say: Callable[[str], None] = _silent
    reopened: int = field(default=0, init=False)
    given_up: int = field(default=0, init=False)
    _member: Member = field(init=False)
    _patience: Patience = field(init=False)
    _failing: dict[str, tuple[float, float]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._member = Member(
            self.connection, self.topic, self.group, self.start, self.session_seconds
        )
        self._patience = Patience(self.connection, self.patience_seconds, self.say)

    def __enter__(self) -> Exchange:
        watermarks(self.connection, self.topic)  # a topic that is not there is told now
        try:
            self._member.open()
        except BaseException:
            self._member.close(0.0)
            raise
        self._patience.heard()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._member.close(0.0 if kind else self.connection.timeout_seconds)

    def poll(self, seconds: float = 0.2) -> list[Arrived]:
        """Messages of the partitions that are this member's, each partition's in order.

        Raises:
            BrokerUnavailable: It was away for longer than the patience.
            SliceTruncated: Retention removed messages that the group had not read, or the topic
                was made anew.
            StreamError: Kafka refused.
        """
        try:
            found = self._member.poll(seconds, self.at_most)
        except CommitFailedError:  # of a beginning: a rebalance came in between
            return []
        except (OffsetOutOfRangeError, LogTruncationError) as error:
            raise SliceTruncated(
                f"expected topic {self.topic} to keep what group {self.group} has not read, "
                "received: retention removed some of it, or the broker lost its end; use another "
                "group, which begins anew"
            ) from error
        except KafkaError as error:
            self._recover("read", error)
            return []
        self._failing.pop("read", None)
        if found:
            self._patience.heard()
        else:
            self._patience.check()
        return found

    def commit(self, outgoing: Iterable[Outgoing], read: Sequence[Arrived]) -> bool:
        """Writes, and moves the group behind what was read: both or neither.

        Returns:
            False for neither: what was read, `poll` brings again, here or to another member.

        Raises:
            BrokerUnavailable: It was away for longer than the patience.
            StreamError: Kafka refused, for good or for longer than the patience.
        """
        try:
            self._member.transact(outgoing, read)
        except CommitFailedError as error:  # the partitions may be another's by now
            self.given_up += 1
            self._check_patience("write", error)
            self._give_up()
            return False
        except KafkaError as error:  # what became of it, the next opening settles
            self.given_up += 1
            self._recover("write", error)
            return False
        self._failing.clear()
        self._patience.heard()
        return True

    def rewind(self) -> None:
        """Gives up what was read since the last commit: `poll` brings it again."""
        self._member.seek_committed()

    def lag(self) -> int:
        """How many messages of this member's partitions it has still to read, as last heard."""
        return self._member.lag()

    def partitions(self) -> tuple[int, ...]:
        """Those that are this member's now."""
        return self._member.partitions()

    def has_read(self, ends: Mapping[int, int]) -> bool:
        """Whether the group has read up to these offsets in each partition."""
        try:
            return self._member.has_read(ends)
        except KafkaError:
            return False

    def pass_markers(self) -> None:
        """Moves the group behind what was passed without a message, now and then.

        To be called only when all that was read is committed, as while nothing comes.
        """
        with suppress(KafkaError):  # asked again
            self._member.pass_markers()

    def _give_up(self) -> None:
        try:
            self._member.give_up()
        except (KafkaError, StreamError) as error:
            self._recover("go back", error)

    def _recover(self, step: str, error: KafkaError | StreamError) -> None:
        """New clients; what was not committed is read again.

        Raises:
            StreamError: The broker stayed away, or still refuses.
        """
        if isinstance(error, _FINAL):
            raise self._refused(error) from error
        again = self._check_patience(step, error)
        if again:
            time.sleep(_AGAIN_SECONDS)
        else:
            self.say(f"Kafka failed, its clients are made anew: {_line(error)}")
        self.reopened += 1
        ends = time.monotonic() + self.patience_seconds
        while not self._opened(ends):
            time.sleep(_AGAIN_SECONDS)

    def _opened(self, ends: float) -> bool:
        self._member.close(0.0)
        try:
            self._member.open()
        except BrokerUnavailable:
            if time.monotonic() > ends:
                raise
        except (KafkaError, StreamError) as error:
            if time.monotonic() > ends:
                raise self._refused(error) from error
        else:
            self._patience.heard()
            return True
        return False

    def _check_patience(self, step: str, error: KafkaError | StreamError) -> bool:
        """Whether the step failed before, not long ago, and never succeeded since.

        Raises:
            StreamError: It goes on to fail for longer than the patience.
        """
        now = time.monotonic()
        first, last = self._failing.get(step, (now, -math.inf))
        longest = 3 * self.connection.timeout_seconds  # of an attempt: sending, opening anew
        again = now - last <= self.patience_seconds + longest
        self._failing[step] = (first if again else now, now)
        if again and now - first > self.patience_seconds:
            raise self._refused(error) from error
        return again

    def _refused(self, error: KafkaError | StreamError) -> StreamError:
        return StreamError(
            f"expected to read topic {self.topic} as group {self.group} and to write in "
            f"transactions, received: {_line(error)}; check the topics, their limits and the "
            "permissions"
        )


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
