"""Topics of a broker, and their watermarks.

In: a `KafkaConnection`. Out: topics that exist, offsets, the cluster's identity.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import TopicAlreadyExistsError

from susystream.errors import SettingsError, StreamError
from susystream.stream.connection import KafkaConnection, broker_errors

_LARGEST, _DEFAULT_LARGEST = "max.message.bytes", 1_048_588
_RETENTION = ("retention.ms", "retention.bytes")
# a recorded slice must stay readable
_KEPT = {"cleanup.policy": "delete", **dict.fromkeys(_RETENTION, "-1")}


@contextmanager
def _admin(connection: KafkaConnection) -> Iterator[Any]:
    with broker_errors(connection):
        admin = KafkaAdminClient(**connection.client_settings())
        try:
            yield admin
        finally:
            admin.close()


def ensure_topic(
    connection: KafkaConnection,
    topic: str,
    partitions: int | None,
    *,
    any_number: bool = False,
    largest: int | None = None,
) -> str:
    """Makes the topic if there is none, and waits until each partition has a leader.

    A topic made here keeps its messages without any limit, whatever the cluster's own defaults
    are; replicas are as many as the broker's default. One that others made stays as it is.

    Args:
        connection: The broker.
        topic: Its name.
        partitions: Of a new one, and those an old one must have; None: 1 and any.
        any_number: An old one may have any number.
        largest: Bytes of a message that a new one takes; None: the broker's default.

    Returns:
        What will remove messages from a topic that others made, in one line; empty if nothing.

    Raises:
        SettingsError: `partitions` is less than 1.
        StreamError: The topic exists with another number of partitions, compacts its messages,
            or has no leaders.
    """
    if partitions is not None and partitions < 1:
        raise SettingsError(f"expected stream.partitions of at least 1, received {partitions}")
    with _admin(connection) as admin:
        # a client that may not make topics may use one that is there
        made = not _leaders(admin, topic) and _make(admin, topic, partitions or 1, largest)
        leaders = _leaders_within(admin, topic, connection.timeout_seconds)
        if not (any_number or partitions in (None, len(leaders))):
            raise StreamError(
                f"expected topic {topic} with {partitions} partitions, received {len(leaders)}; "
                f"set stream.partitions={len(leaders)} or another stream.topic"
            )
        if min(leaders) < 0:
            raise StreamError(
                f"expected a leader of each partition of topic {topic} within "
                f"{connection.timeout_seconds:g} s, received {leaders}; check the brokers"
            )
        return "" if made else _limits(admin, topic)


def _make(admin: Any, topic: str, partitions: int, largest: int | None) -> bool:
    """False if the topic was there."""
    limit = {} if largest is None else {_LARGEST: str(largest)}
    try:
        admin.create_topics({topic: {"num_partitions": partitions, "configs": _KEPT | limit}})
    except TopicAlreadyExistsError:
        return False
    return True


def _limits(admin: Any, topic: str) -> str:
    """What will remove messages from a topic, by its effective configuration.

    Raises:
        StreamError: It compacts: of messages with equal keys only the last would stay.
    """
    held = _effective(admin, topic, _KEPT)
    if "compact" in held["cleanup.policy"]:
        raise StreamError(
            f"expected topic {topic} with cleanup.policy=delete, received "
            f"{held['cleanup.policy']}: it removes messages of a recorded slice; set another "
            "stream.topic or change the topic's policy"
        )
    limits = [f"{name}={held[name]}" for name in _RETENTION if held[name] != "-1"]
    if not limits:
        return ""
    return (
        f"topic {topic} may remove the messages of this data set later ({', '.join(limits)}); "
        "set -1 to keep them, or another stream.topic"
    )


def _effective(admin: Any, topic: str, names: Iterable[str]) -> dict[str, str]:
    """Settings of a topic; a client without the right to read them is shown "unknown"."""
    asked = ConfigResource(ConfigResourceType.TOPIC, topic, dict.fromkeys(names))
    found = admin.describe_configs([asked], config_filter="all")["topic"].get(topic, {})
    return {name: str(found[name]["value"]) if name in found else "unknown" for name in names}


def message_limit(connection: KafkaConnection, topic: str) -> int:
    """Bytes of a message that a topic takes; Kafka's own default if that is not shown."""
    with _admin(connection) as admin:
        found = _effective(admin, topic, [_LARGEST])[_LARGEST]
    return int(found) if found.isdigit() else _DEFAULT_LARGEST


def _leaders_within(admin: Any, topic: str, seconds: float) -> list[int]:
    """As `_leaders`, once all are elected or the time is over."""
    ends = time.monotonic() + seconds
    leaders = _leaders(admin, topic)
    while (not leaders or min(leaders) < 0) and time.monotonic() < ends:
        time.sleep(0.05)
        leaders = _leaders(admin, topic)
    return leaders


def _leaders(admin: Any, topic: str) -> list[int]:
    """The broker that leads each partition, -1 for none yet; empty if the topic is not seen."""
    described = admin.describe_topics([topic])
    parts = described[0]["partitions"] if described else []
    return [part["leader_id"] for part in parts]


def cluster_id(connection: KafkaConnection) -> str:
    """The identity of the cluster behind an address."""
    with _admin(connection) as admin:
        return str(admin.describe_cluster()["cluster_id"])


def is_there(connection: KafkaConnection, topic: str) -> bool:
    """Whether the broker shows us a topic of this name."""
    with _admin(connection) as admin:
        return bool(_leaders(admin, topic))


def topic_id(connection: KafkaConnection, topic: str) -> str | None:
    """What tells a topic from one that was made anew under its name; brokers before 2.8 have none.

    Raises:
        StreamError: There is no such topic.
    """
    with _admin(connection) as admin:
        (found,) = admin.describe_topics([topic])
    if not found["partitions"]:
        raise _no_topic(topic)
    known = found.get("topic_id")
    return None if known is None else str(known)


def _no_topic(topic: str) -> StreamError:
    return StreamError(
        f"expected topic {topic}, the broker has none of this name; "
        "publish first, or correct the name (stream.topic, or in evaluate.input)"
    )


def watermarks(connection: KafkaConnection, topic: str) -> dict[int, tuple[int, int]]:
    """{partition: (first offset the log holds, offset after its last)}.

    Raises:
        StreamError: There is no such topic.
    """
    with broker_errors(connection):
        consumer = KafkaConsumer(
            **connection.client_settings(), group_id=None, allow_auto_create_topics=False
        )
        try:
            return watermarks_of(consumer, topic)
        finally:
            consumer.close()


def watermarks_of(consumer: Any, topic: str) -> dict[int, tuple[int, int]]:
    """As `watermarks`, by a consumer that is already there."""
    partitions = consumer.partitions_for_topic(topic)
    if not partitions:
        raise _no_topic(topic)
    keys = [TopicPartition(topic, partition) for partition in sorted(partitions)]
    low, high = consumer.beginning_offsets(keys), consumer.end_offsets(keys)
    return {key.partition: (low[key], high[key]) for key in keys}
