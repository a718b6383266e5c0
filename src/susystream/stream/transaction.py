"""One transaction: messages, and how far a group has read.

In: two clients of kafka-python, made here for each other. Out: both written, or neither.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.structs import OffsetAndMetadata

from susystream.stream.connection import LARGEST_REQUEST, KafkaConnection

_BETWEEN_POLLS_MS = 60_000
_RETRY_MS = 5  # a new transaction waits for the markers of the last; 100 ms would be its latency


class Outgoing(NamedTuple):
    """A message to write."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def transactional_producer(
    connection: KafkaConnection, transactional_id: str, *, session_seconds: float
) -> Any:
    """A producer whose open transaction is given up when it is silent for so long."""
    milliseconds = int(connection.timeout_seconds * 1000)
    return KafkaProducer(
        **(connection.client_settings() | {"retry_backoff_ms": _RETRY_MS}),
        transactional_id=transactional_id,
        transaction_timeout_ms=int(1000 * session_seconds),
        acks="all",
        linger_ms=0,
        batch_size=1_000_000,
        max_request_size=LARGEST_REQUEST,
        max_block_ms=milliseconds,
        delivery_timeout_ms=2 * milliseconds + 1000,
        allow_auto_create_topics=False,
    )


def group_consumer(
    connection: KafkaConnection, topic: str, group: str, *, session_seconds: float
) -> Any:
    """A member of a group, which others do without when it is silent for so long."""
    session_ms = int(1000 * session_seconds)
    return KafkaConsumer(
        topic,
        **connection.client_settings(),
        group_id=group,
        session_timeout_ms=session_ms,
        heartbeat_interval_ms=session_ms // 5,
        max_poll_interval_ms=_BETWEEN_POLLS_MS,
        enable_auto_commit=False,
        auto_offset_reset="none",  # a client that chooses a place may pass over some
        isolation_level="read_committed",
        allow_auto_create_topics=False,
        fetch_max_wait_ms=200,
        max_partition_fetch_bytes=8_388_608,
    )


def transact(
    producer: Any,
    outgoing: Iterable[Outgoing],
    *,
    moved: Mapping[TopicPartition, int],
    membership: Any,
    deadline_seconds: float,
) -> None:
    """Writes messages and the group's offsets.

    Args:
        producer: By `transactional_producer`; no transaction is open.
        outgoing: The messages.
        moved: The next offset of each partition that was read.
        membership: The consumer's `group_metadata()` when it read.
        deadline_seconds: For the end of the transaction.

    Raises:
        CommitFailedError: The membership is over; the transaction is open, and this producer must
            not be used again.
        KafkaError: Something else; what became of the transaction is not known.
    """
    producer.begin_transaction()
    sent = [
        producer.send(
            one.topic,
            partition=one.partition,
            key=one.key,
            value=one.value,
            headers=list(one.headers),
        )
        for one in outgoing
    ]
    offsets = {key: OffsetAndMetadata(offset, "", -1) for key, offset in moved.items()}

    def finish() -> None:
        producer.send_offsets_to_transaction(offsets, membership)
        # kafka-python 3.0.12 may commit without a batch that timed out, or end a transaction
        # silently whose epoch it had to change: both only while a batch is under way
        for one in sent:
            one.get(timeout=deadline_seconds)
        producer.commit_transaction()

    within(deadline_seconds, finish)


def within(deadline_seconds: float, call: Callable[[], Any]) -> None:
    """kafka-python 3.0.12 waits for the end of a transaction without a deadline.

    Raises:
        KafkaTimeoutError: The call took longer; its thread is left to itself, and a producer of the
            same transactional id makes what it still does void.
    """
    raised: list[BaseException] = []

    def work() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work, name="transaction", daemon=True)
    thread.start()
    thread.join(deadline_seconds)
    if thread.is_alive():
        raise KafkaTimeoutError(f"a transaction took {deadline_seconds:g} s")
    if raised:
        if type(raised[0]) is RuntimeError:  # of the client's own book of transactions
            raise KafkaError(str(raised[0])) from raised[0]
        raise raised[0]
