"""Reaching a real broker, and saying so when there is none."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from stream_messages import append, new_topic

from susystream.errors import BrokerUnavailable, SettingsError, StreamError
from susystream.stream.connection import KafkaConnection
from susystream.stream.topics import cluster_id, ensure_topic, topic_id, watermarks


def test_a_topic_is_made_once_and_its_watermarks_start_at_zero(broker: str) -> None:
    connection, topic = KafkaConnection(broker), new_topic()
    for _ in range(2):
        ensure_topic(connection, topic, 3)
        assert watermarks(connection, topic) == {0: (0, 0), 1: (0, 0), 2: (0, 0)}
    append(connection, topic, [(1, None, b"x")])
    assert watermarks(connection, topic)[1] == (0, 1)


def test_another_number_of_partitions_is_refused_with_the_cure(broker: str) -> None:
    connection, topic = KafkaConnection(broker), new_topic()
    ensure_topic(connection, topic, 2)
    with pytest.raises(StreamError, match=r"3 partitions, received 2; set stream\.partitions=2"):
        ensure_topic(connection, topic, 3)
    with pytest.raises(SettingsError, match="at least 1"):
        ensure_topic(connection, topic, 0)


def configured(broker: str, topic: str) -> dict[str, str]:
    """What was set for the topic itself; the cluster's defaults are not in it."""
    admin = KafkaAdminClient(bootstrap_servers=broker)
    try:
        asked = ConfigResource(ConfigResourceType.TOPIC, topic)
        found = admin.describe_configs([asked])["topic"][topic]
        return {name: one["value"] for name, one in found.items()}
    finally:
        admin.close()


def made_by_others(broker: str, configs: dict[str, str]) -> str:
    admin, topic = KafkaAdminClient(bootstrap_servers=broker), new_topic()
    try:
        admin.create_topics({topic: {"num_partitions": 1, "configs": configs}})
    finally:
        admin.close()
    return topic


def test_a_new_topic_keeps_its_messages_whatever_the_clusters_defaults_are(broker: str) -> None:
    connection, topic = KafkaConnection(broker), new_topic()
    assert [ensure_topic(connection, topic, 1) for _ in range(2)] == ["", ""]
    kept = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    assert kept.items() <= configured(broker, topic).items()


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
def test_a_topic_that_compacts_is_refused_with_the_cure(broker: str, policy: str) -> None:
    topic = made_by_others(broker, {"cleanup.policy": policy})
    with pytest.raises(StreamError, match=f"received {policy}: .*stream.topic") as caught:
        ensure_topic(KafkaConnection(broker), topic, 1)
    assert "\n" not in str(caught.value)


def test_a_topic_with_finite_retention_stays_as_it_is_and_the_limits_are_told(broker: str) -> None:
    configs = {"retention.ms": "604800000", "retention.bytes": "1000000"}
    topic = made_by_others(broker, configs)
    told = ensure_topic(KafkaConnection(broker), topic, 1)
    assert f"topic {topic} may remove" in told
    assert "retention.ms=604800000, retention.bytes=1000000" in told
    assert configs.items() <= configured(broker, topic).items()


def test_an_unknown_topic_is_named_and_not_made_by_asking(broker: str) -> None:
    connection, topic = KafkaConnection(broker), new_topic()
    for _ in range(2):
        with pytest.raises(StreamError, match=f"expected topic {topic}"):
            watermarks(connection, topic)


def test_cluster_id_is_the_same_for_every_client(broker: str) -> None:
    assert cluster_id(KafkaConnection(broker)) == cluster_id(KafkaConnection(broker)) != ""


def test_a_topic_made_anew_under_its_name_is_another(broker: str) -> None:
    connection, topic = KafkaConnection(broker), new_topic()
    with pytest.raises(StreamError, match=f"expected topic {topic}, the broker has none"):
        topic_id(connection, topic)
    ensure_topic(connection, topic, 1)
    first = topic_id(connection, topic)
    assert first == topic_id(connection, topic)
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.delete_topics([topic])
    admin.close()
    ensure_topic(connection, topic, 1)
    assert topic_id(connection, topic) != first


def fails_in(seconds: float, connection: KafkaConnection) -> str:
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable) as caught:
        ensure_topic(connection, "t", 1)
    assert time.monotonic() - started < seconds
    assert "\n" not in str(caught.value)
    assert "correct stream.bootstrap_servers" in str(caught.value)
    return str(caught.value)


def test_a_closed_port_fails_within_seconds_in_one_line() -> None:
    with socket.socket() as taken:  # bound but not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        fails_in(3, KafkaConnection(f"127.0.0.1:{taken.getsockname()[1]}"))


def test_a_port_that_says_nothing_fails_within_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fails_in(8, KafkaConnection(f"127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=2.0))


def test_a_port_that_says_nothing_to_tls_fails_within_the_timeout() -> None:
    """kafka-python itself would wait for its answer for ever."""
    security = {"security.protocol": "SSL"}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert "silence" in fails_in(8, KafkaConnection(address, 2.0, security))


def relayed(server: socket.socket, address: str) -> None:
    """Hangs up on the first who calls; the second is connected with the broker."""
    server.accept()[0].close()
    host, port = address.split(":")
    caller, _ = server.accept()
    with caller, socket.create_connection((host, int(port))) as broker:
        while data := caller.recv(65_536):
            broker.sendall(data)
            caller.sendall(broker.recv(65_536))


def test_a_broker_that_hangs_up_once_is_called_again(broker: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(relayed, server, broker)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert KafkaConnection(address).meet(address) == [broker]


def test_a_port_that_is_no_kafka_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, ThreadPoolExecutor(1) as pool:

        def answer() -> None:
            one, _ = other.accept()
            with one:
                one.recv(4096)
                one.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        pool.submit(answer)
        address = f"127.0.0.1:{other.getsockname()[1]}"
        assert "no answer of Kafka's" in fails_in(8, KafkaConnection(address))


@pytest.mark.parametrize("address", ["", "localhost", "host:port", ":9092"])
def test_an_address_without_host_and_port_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="host:port"):
        watermarks(KafkaConnection(address), "t")


def test_repr_shows_no_secret() -> None:
    assert "hush" not in repr(KafkaConnection("a:1", security={"sasl.password": "hush"}))
