"""The process of the embedded Kafka: one node that is broker and controller (KRaft).

In: a service's files. Out: a running `kafka.Kafka` that answers on 127.0.0.1 only.
Paths are given to Java relative to the service's folder: Kafka splits `log.dirs` at commas and
reads its settings as Latin-1, so an absolute path might not survive.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import struct
import subprocess
import uuid
from pathlib import Path

from susystream.errors import ServiceError
from susystream.java import find_java
from susystream.services.kafka_jars import KAFKA_VERSION, kafka_jars
from susystream.services.launch import Launched, ServerCommand, last_line, run_server
from susystream.services.ports import HOST, free_ports
from susystream.services.state import ServiceFiles

_DATA = "data"
_DRAFT = "data.part"
_LOGGER = "-Dorg.slf4j.simpleLogger"


def launch_kafka(files: ServiceFiles, *, inherit: int) -> Launched:
    """Starts Kafka on free ports and waits until it knows itself as a broker.

    Raises:
        ServiceError: It cannot be started; PortTaken if another attempt may do.
    """
    port, controller = free_ports(2)
    java = _java()
    _format_once(java, files, port=port, controller=controller)
    _write_properties(files, "server.properties", _DATA, port=port, controller=controller)
    arguments = [*java, "-Xms256m", "-Xmx512m", "kafka.Kafka", "server.properties"]
    command = ServerCommand("Kafka", arguments, port, _knows_a_broker)
    process = run_server(command, files=files, inherit=inherit)
    return Launched(process, f"{HOST}:{port}", f"Apache Kafka {KAFKA_VERSION}")


def _java() -> list[str]:
    return [
        str(find_java()),
        "-XX:+UseG1GC",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        f"{_LOGGER}.defaultLogLevel=warn",
        f"{_LOGGER}.log.kafka.server.KafkaRaftServer=info",
        f"{_LOGGER}.showDateTime=true",
        f"{_LOGGER}.dateTimeFormat=yyyy-MM-dd HH:mm:ss",
        "-cp",
        os.pathsep.join(str(jar) for jar in kafka_jars()),
    ]


def kafka_properties(data: str, *, port: int, controller: int) -> str:
    """The settings of a single node that is broker and controller, on 127.0.0.1 only."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": data,
        "auto.create.topics.enable": "false",  # a typo in a topic is an error, not a new topic
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.min.isr": 1,
        "min.insync.replicas": 1,
        "group.initial.rebalance.delay.ms": 0,
        "controller.quorum.election.timeout.ms": 100,  # there is nobody to elect but itself
        "controller.quorum.election.backoff.max.ms": 100,
        "broker.heartbeat.interval.ms": 500,  # how often it asks whether it may serve
        "broker.session.timeout.ms": 3000,  # after kill -9 a start waits for this long
        "log.retention.ms": -1,  # a recorded slice must stay readable
        "log.cleaner.dedupe.buffer.size": 8_388_608,  # the default is a quarter of the heap
        "message.max.bytes": 10_485_760,
        "replica.fetch.max.bytes": 10_485_760,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _write_properties(
    files: ServiceFiles, name: str, data: str, *, port: int, controller: int
) -> None:
    (files.folder / name).write_text(kafka_properties(data, port=port, controller=controller))


def _format_once(java: list[str], files: ServiceFiles, *, port: int, controller: int) -> None:
    """Formats a draft and renames it, so that a killed format leaves nothing half done."""
    if (files.data / "meta.properties").exists():
        return
    draft = files.folder / _DRAFT
    shutil.rmtree(draft, ignore_errors=True)
    _write_properties(files, "format.properties", _DRAFT, port=port, controller=controller)
    tool = [*java, "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format"]
    done = subprocess.run(
        [*tool, "-t", _new_cluster_id(), "-c", "format.properties"],
        cwd=files.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise ServiceError(
            f"expected Kafka to format {files.data}, received: "
            f"{last_line(done.stdout + done.stderr)}; check that the disk has room"
        )
    _put_in_place(draft, files.data)


def _put_in_place(draft: Path, data: Path) -> None:
    try:
        if data.exists():
            data.rmdir()
    except OSError as error:
        raise ServiceError(
            f"expected {data} to hold Kafka's data or nothing, received files without "
            "meta.properties; move the folder away"
        ) from error
    draft.rename(data)


def _new_cluster_id() -> str:
    """Kafka's own form of an id: 16 random bytes in base64url, without a leading dash."""
    text = "-"
    while text.startswith("-"):
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    return text


def _knows_a_broker(port: int) -> bool:
    """Asks for metadata of no topic (Kafka protocol, API 3, version 1).

    The port opens a moment before the node is allowed to serve; until then no broker is listed.
    """
    request = struct.pack(">hhihi", 3, 1, 1, -1, 0)
    try:
        with socket.create_connection((HOST, port), timeout=2.0) as one:
            one.sendall(struct.pack(">i", len(request)) + request)
            head = one.makefile("rb").read(12)  # length, correlation id, number of brokers
    except OSError:
        return False
    return len(head) == 12 and struct.unpack(">iii", head)[2] >= 1
