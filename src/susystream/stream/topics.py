"""The broker: its address and security, its topics and watermarks.

In: a `KafkaConnection`. Out: topics that exist, offsets, the cluster's identity.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, TopicAlreadyExistsError

from susystream.errors import BrokerUnavailable, SettingsError, StreamError
from susystream.stream.security import client_security

logging.getLogger("kafka").setLevel(logging.CRITICAL)  # its errors reach us as exceptions


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """How to reach a broker. Nothing is contacted before a client is made.

    Attributes:
        bootstrap_servers: `host:port[,host:port...]`.
        timeout_seconds: For each request.
        security: By Kafka's own names, as in `susystream.stream.security`.
    """

    bootstrap_servers: str
    timeout_seconds: float = 10.0
    security: Mapping[str, str] = field(default_factory=dict, repr=False)

    def client_settings(self) -> dict[str, Any]:
        """Keyword arguments of every kafka-python client.

        Raises:
            SettingsError: A security setting is not known, or cannot be right.
        """
        timeout_ms = int(self.timeout_seconds * 1000)
        return {
            "bootstrap_servers": [part.strip() for part in self.bootstrap_servers.split(",")],
            "bootstrap_timeout_ms": timeout_ms,
            "request_timeout_ms": timeout_ms,
            **client_security(self.security),
        }


@contextmanager
def broker_errors(connection: KafkaConnection) -> Iterator[None]:
    """Turns the client's errors into one line of ours; a dead address is told at once.

    Raises:
        BrokerUnavailable: Nothing answers at the address.
        StreamError: Kafka refused a request.
    """
    _probe(connection)
    try:
        yield
    except KafkaError as error:
        text = " ".join(str(error).split())[:200]
        if "bootstrap" in text or "Timeout" in type(error).__name__:
            raise _unavailable(connection, text) from error
        raise StreamError(
            f"expected Kafka at {connection.bootstrap_servers} to serve a request, received: "
            f"{text}; check the topic and the permissions"
        ) from error


def _probe(connection: KafkaConnection) -> None:
    """kafka-python retries a refused connection until its time-out; a person should not wait."""
    problem = ""
    for address in connection.bootstrap_servers.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host or not port.isdigit():
            raise SettingsError(
                f"expected stream.bootstrap_servers as host:port, received {address!r}; correct it"
            )
        try:
            where = host.strip("[]"), int(port)
            with socket.create_connection(where, timeout=connection.timeout_seconds):
                return
        except (OSError, OverflowError) as error:
            problem = str(error)
    raise _unavailable(connection, problem)


def _unavailable(connection: KafkaConnection, problem: str) -> BrokerUnavailable:
    return BrokerUnavailable(
        f"expected a Kafka broker at {connection.bootstrap_servers}, received: {problem}; "
        "start it or correct stream.bootstrap_servers (empty: the embedded broker)"
    )


@contextmanager
def _admin(connection: KafkaConnection) -> Iterator[Any]:
    with broker_errors(connection):
        admin = KafkaAdminClient(**connection.client_settings())
        try:
            yield admin
        finally:
            admin.close()


def ensure_topic(connection: KafkaConnection, topic: str, partitions: int) -> None:
    """Makes the topic if there is none, and waits until each partition has a leader.

    Its messages are kept without limit of time; replicas are as many as the broker's default.

    Raises:
        SettingsError: `partitions` is less than 1.
        StreamError: The topic exists with another number of partitions, or has no leaders.
    """
    if partitions < 1:
        raise SettingsError(f"expected stream.partitions of at least 1, received {partitions}")
    new = {"num_partitions": partitions, "configs": {"retention.ms": "-1"}}
    with _admin(connection) as admin:
        with suppress(TopicAlreadyExistsError):
            admin.create_topics({topic: new})
        leaders = _leaders(admin, topic)
        ends = time.monotonic() + connection.timeout_seconds
        while (not leaders or min(leaders) < 0) and time.monotonic() < ends:
            time.sleep(0.05)
            leaders = _leaders(admin, topic)
    if len(leaders) != partitions:
        raise StreamError(
            f"expected topic {topic} with {partitions} partitions, received {len(leaders)}; "
            f"set stream.partitions={len(leaders)} or another stream.topic"
        )
    if min(leaders) < 0:
        raise StreamError(
            f"expected a leader of each partition of topic {topic} within "
            f"{connection.timeout_seconds:g} s, received {leaders}; check the brokers"
        )


def _leaders(admin: Any, topic: str) -> list[int]:
    """The broker that leads each partition, -1 for none yet; empty if the topic is not seen."""
    described = admin.describe_topics([topic])
    parts = described[0]["partitions"] if described else []
    return [part["leader_id"] for part in parts]


def cluster_id(connection: KafkaConnection) -> str:
    """The identity of the cluster behind an address."""
    with _admin(connection) as admin:
        return str(admin.describe_cluster()["cluster_id"])


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
        raise StreamError(
            f"expected topic {topic}, the broker has none of this name; "
            "publish first or correct stream.topic"
        )
    keys = [TopicPartition(topic, partition) for partition in sorted(partitions)]
    low, high = consumer.beginning_offsets(keys), consumer.end_offsets(keys)
    return {key.partition: (low[key], high[key]) for key in keys}
