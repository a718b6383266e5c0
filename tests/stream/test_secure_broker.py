"""TLS and logins on a real broker: let in with both clients, or refused in one clear line."""

from __future__ import annotations

import gc
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from secure_broker import KEY_PASSWORD, MECHANISMS, PASSWORD, SecureBroker
from stream_messages import append, events, published, same

from susystream.errors import HandshakeFailed, ReaderUnsupported
from susystream.schema import concatenate
from susystream.stream.codec import BlockCodec
from susystream.stream.connection import KafkaConnection, broker_errors
from susystream.stream.consumer import KafkaReader
from susystream.stream.dead_letters import DeadLetters
from susystream.stream.exchange import Exchange
from susystream.stream.scores import Scores, encode_scores, read_scores
from susystream.stream.security import HOST_CHECK, uses_tls
from susystream.stream.slices import ContentDigest, TopicSlice
from susystream.stream.topics import cluster_id, ensure_topic, watermarks
from susystream.stream.transaction import Outgoing

Settings = dict[str, str]
Way = tuple[str, Callable[[SecureBroker], Settings]]
CODEC = BlockCodec(10)
TFIO = pytest.mark.skipif(find_spec("tensorflow_io") is None, reason="no tensorflow-io here")


def without(settings: Settings, *names: str) -> Settings:
    return {name: value for name, value in settings.items() if not name.startswith(names)}


def in_the_clear(secure: SecureBroker, mechanism: str = "PLAIN") -> Settings:
    return without(secure.login(mechanism, security_protocol="SASL_PLAINTEXT"), "ssl.")


def authority(secure: SecureBroker) -> Settings:
    return without(secure.certificate(), "ssl.certificate", "ssl.key")


def any_host(secure: SecureBroker) -> Settings:
    return {**authority(secure), HOST_CHECK: "none"}


def strange(secure: SecureBroker) -> Settings:
    """A certificate of another authority."""
    files = {"certificate": "strange_client.pem", "key": "strange_client.key"}
    folder = secure.stranger.folder
    stated = {f"ssl.{kind}.location": str(folder / name) for kind, name in files.items()}
    return {**secure.certificate(), **stated}


LET_IN: dict[str, Way] = {
    "SCRAM-SHA-256": ("LOGIN", lambda secure: secure.login("SCRAM-SHA-256")),
    "SCRAM-SHA-512": ("LOGIN", lambda secure: secure.login("SCRAM-SHA-512")),
    "PLAIN": ("LOGIN", lambda secure: secure.login("PLAIN")),
    "PLAIN without TLS": ("OPEN", in_the_clear),
    "a certificate": ("MUTUAL", lambda secure: secure.certificate()),
    "a certificate and SCRAM": (
        "BOTH",
        lambda secure: {**secure.certificate(), **secure.login("SCRAM-SHA-512")},
    ),
    "a certificate of another name": ("FOREIGN", any_host),
}


@pytest.mark.parametrize("way", LET_IN)
def test_what_is_published_is_read_back_exactly(secure: SecureBroker, way: str) -> None:
    listener, settings = LET_IN[way]
    connection, batch = secure.connection(listener, settings(secure)), events(500)
    publication = published(connection, batch, codec=CODEC)
    assert publication.digest == ContentDigest().update(batch)
    read = list(KafkaReader(connection, CODEC).batches(publication.slice))
    assert same(concatenate(read), batch)


@TFIO
@pytest.mark.parametrize("way", LET_IN)
def test_tensorflow_io_reads_the_same(secure: SecureBroker, way: str) -> None:
    from susystream.stream.tfio_reader import TfioReader

    listener, settings = LET_IN[way]
    security = settings(secure)
    if uses_tls(security):
        security[HOST_CHECK] = "none"  # which it asks for
    connection, batch = secure.connection(listener, security), events(500)
    wanted = published(connection, batch, codec=CODEC).slice
    assert same(concatenate(list(TfioReader(connection, CODEC).batches(wanted))), batch)


def test_what_is_no_event_is_set_aside_over_tls_too(secure: SecureBroker) -> None:
    connection = secure.connection("LOGIN", secure.login("SCRAM-SHA-512"))
    batch = events(500)
    wanted = published(connection, batch, codec=CODEC, partitions=1).slice
    ((partition, start, end),) = wanted.ranges
    append(connection, wanted.topic, [(0, None, b"a stranger's")])
    more = TopicSlice(wanted.topic, ((partition, start, end + 1),))
    with DeadLetters(connection, limit=1) as letters:
        reader = KafkaReader(connection, CODEC, on_bad=letters.put)
        assert same(concatenate(list(reader.batches(more))), batch)
    assert watermarks(connection, f"{wanted.topic}.dead") == {0: (0, 1)}


@pytest.mark.parametrize("way", ["SCRAM-SHA-512", "a certificate and SCRAM"])
def test_a_group_reads_and_writes_in_transactions_over_tls_too(
    secure: SecureBroker, way: str
) -> None:
    listener, settings = LET_IN[way]
    connection, batch = secure.connection(listener, settings(secure)), events(50)
    topic = published(connection, batch, codec=CODEC).slice.topic
    scores = Scores("m-1", batch.numbers, batch.features[:, 0])
    ((key, value),) = encode_scores(scores)
    ensure_topic(connection, f"{topic}.scores", 1)
    with Exchange(connection, topic, topic) as exchange:
        ends = time.monotonic() + 60
        while not (arrived := exchange.poll()):
            assert time.monotonic() < ends
        assert exchange.commit([Outgoing(f"{topic}.scores", 0, key, value)], arrived)
    (found,) = read_scores(connection, f"{topic}.scores")
    assert (found.numbers == batch.numbers).all()


REFUSED: dict[str, tuple[str, Callable[[SecureBroker], Settings], str]] = {
    **{
        f"wrong password, {mechanism}": (
            "LOGIN",
            lambda secure, mechanism=mechanism: secure.login(  # type: ignore[misc]
                mechanism, sasl_password="Sesame4Nobody"
            ),
            rf"'me' by {mechanism}, received: Authentication failed.*; correct .*sasl\.password",
        )
        for mechanism in MECHANISMS
    },
    "no such user": (
        "LOGIN",
        lambda secure: secure.login("SCRAM-SHA-256", sasl_username="nobody"),
        r"'nobody'.*Authentication failed.*; correct sasl\.username",
    ),
    "another mechanism": (
        "OPEN",
        lambda secure: in_the_clear(secure, "SCRAM-SHA-256"),
        r"by SCRAM-SHA-256, received: that it takes PLAIN; set another sasl\.mechanism",
    ),
    "wrong authority": (
        "LOGIN",
        lambda secure: secure.login("PLAIN", ssl_ca_location=str(secure.stranger.path)),
        r"certificate to trust, received: unable to get local issuer.*; set ssl\.ca\.location",
    ),
    "no authority": (
        "MUTUAL",
        lambda secure: without(secure.certificate(), "ssl.ca"),
        r"certificate to trust, received: .*; set ssl\.ca\.location",
    ),
    "no certificate": (
        "MUTUAL",
        authority,
        r"no certificate of ours, received: .*; set ssl\.certificate\.location",
    ),
    "a strange certificate": (
        "MUTUAL",
        strange,
        r"take the certificate ssl\.certificate\.location, received: .*; name",
    ),
    "no TLS": ("MUTUAL", lambda _: {}, r"received: that it speaks TLS; set .*: SSL or SASL_SSL"),
    "a login without TLS": (
        "LOGIN",
        in_the_clear,
        r"received: that it speaks TLS; set security\.protocol: SASL_SSL$",
    ),
    "TLS where none is spoken": ("OPEN", authority, r"to speak TLS.*set .*: PLAINTEXT or SASL_"),
    "no login": ("LOGIN", authority, r"hung up; set .*: SASL_SSL and sasl\.mechanism"),
    "no login, no TLS": ("OPEN", lambda _: {}, r"hung up; set .*SASL_PLAINTEXT.*sasl\.mechanism"),
    "a login where none is asked for": (
        "MUTUAL",
        lambda secure: {**secure.certificate(), **secure.login("PLAIN")},
        r"that it asks for none; set security\.protocol: SSL$",
    ),
    "another name": (
        "FOREIGN",
        authority,
        rf"address mismatch.* '127\.0\.0\.1'; name the broker .*or set {HOST_CHECK}: none",
    ),
    "out of date": ("EXPIRED", authority, r"certificate has expired; renew"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_fault_is_one_line_with_its_cause_and_cure(secure: SecureBroker, fault: str) -> None:
    listener, settings, told = REFUSED[fault]
    connection = secure.connection(listener, settings(secure))
    started = time.monotonic()
    with pytest.raises(HandshakeFailed, match=told) as caught:
        list(KafkaReader(connection, CODEC).batches(TopicSlice("t", ((0, 0, 1),))))
    assert time.monotonic() - started < connection.timeout_seconds + 3
    text = str(caught.value)
    assert text.startswith(f"expected Kafka at {secure.addresses[listener]} ")
    assert "\n" not in text
    assert not [secret for secret in (PASSWORD, KEY_PASSWORD, "Sesame4") if secret in text]


@pytest.mark.filterwarnings(
    # kafka-python leaves the sockets of failed handshakes to the garbage collector
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)
def test_an_advertised_address_that_fails_is_named(secure: SecureBroker) -> None:
    """The certificate is of localhost, the address that the broker tells to its clients is not."""
    address = secure.addresses["FOREIGN"]
    asked = address.replace("127.0.0.1", "localhost")
    with pytest.raises(HandshakeFailed) as caught:
        watermarks(KafkaConnection(asked, 3.0, authority(secure)), "t")
    assert str(caught.value).startswith(f"expected Kafka at {address} to show a certificate")
    assert str(caught.value).endswith(f"(Kafka at {asked} advertises this address)")
    del caught
    gc.collect()  # here, not in the middle of another test


def test_one_address_of_several_is_enough(secure: SecureBroker) -> None:
    addresses = [secure.addresses[name] for name in ("EXPIRED", "OPEN", "MUTUAL")]
    connection = KafkaConnection(", ".join(["127.0.0.1:1", *addresses]), 10.0, secure.certificate())
    with broker_errors(connection):
        pass
    with (
        pytest.raises(HandshakeFailed, match="has expired"),
        broker_errors(replace(connection, bootstrap_servers=f"127.0.0.1:1,{addresses[0]}")),
    ):
        pass


def test_the_client_logs_no_password_at_any_level(
    secure: SecureBroker, caplog: pytest.LogCaptureFixture
) -> None:
    """At level DEBUG it logs its configuration, and the bytes of each request."""
    connection = secure.connection("OPEN", in_the_clear(secure))
    with ExitStack() as stack:
        # each by itself: so does Hydra with hydra.verbose=[...]
        for name in [name for name in logging.root.manager.loggerDict if name.startswith("kafka")]:
            stack.enter_context(caplog.at_level(logging.DEBUG, name))
        cluster_id(connection)
    assert [record for record in caplog.records if record.levelno == logging.DEBUG]
    assert PASSWORD not in caplog.text


@TFIO
def test_tensorflow_io_is_not_let_near_a_broker_whose_name_it_cannot_check(
    secure: SecureBroker,
) -> None:
    from susystream.stream.tfio_reader import TfioReader

    connection = secure.connection("FOREIGN", authority(secure))
    with pytest.raises(ReaderUnsupported, match=rf"{HOST_CHECK}: none.*stream/reader=kafka"):
        list(TfioReader(connection, CODEC).batches(TopicSlice("t", ((0, 0, 2),))))


READING = """
import json, sys
from susystream.stream.codec import BlockCodec
from susystream.stream.slices import TopicSlice
from susystream.stream.tfio_reader import TfioReader
from susystream.stream.connection import KafkaConnection
given = json.load(sys.stdin)
connection = KafkaConnection(given["address"], 10.0, given["security"])
slice = TopicSlice.from_json(given["slice"])
print(sum(len(one) for one in TfioReader(connection, BlockCodec(10)).batches(slice)))
"""


@TFIO
def test_tensorflow_io_does_not_log_a_password_at_any_level(secure: SecureBroker) -> None:
    """At level 0, its own default, it logs each setting."""
    security = {**secure.certificate(), **secure.login("SCRAM-SHA-256"), HOST_CHECK: "none"}
    connection = secure.connection("BOTH", security)
    wanted = published(connection, events(500), codec=CODEC).slice
    given = {
        "address": connection.bootstrap_servers,
        "security": security,
        "slice": wanted.to_json(),
    }
    done = subprocess.run(
        [sys.executable, "-c", READING],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"},
    )
    assert done.stdout.strip() == "500", done.stderr[-2000:]
    logged = re.findall(r"Kafka configuration: (.*)", done.stderr)
    assert "sasl.username=me" in logged  # the log is on
    assert not [line for line in logged if line.startswith(("sasl.password", "ssl.key.password"))]
    assert PASSWORD not in done.stderr
    assert KEY_PASSWORD not in done.stderr


def test_a_topic_is_looked_at_over_tls_with_a_login(secure: SecureBroker, tmp_path: Path) -> None:
    connection = secure.connection(
        "BOTH", {**secure.certificate(), **secure.login("SCRAM-SHA-512")}
    )
    topic = published(connection, events(500), codec=CODEC).slice.topic
    secrets = {"sasl.password": "MY_PASSWORD", "ssl.key.password": "MY_KEY_PASSWORD"}
    stated = {
        name: f"env:{secrets[name]}" if name in secrets else value
        for name, value in connection.security.items()
    }
    done = subprocess.run(
        [sys.executable, "-m", "susystream", "data", "topic", topic]
        + ["--bootstrap-servers", connection.bootstrap_servers, "--home", str(tmp_path)]
        + [word for name, value in stated.items() for word in ("--security", f"{name}={value}")],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "MY_PASSWORD": PASSWORD, "MY_KEY_PASSWORD": KEY_PASSWORD},
    )
    assert done.stdout.startswith(f"holds     {topic} "), done.stderr
