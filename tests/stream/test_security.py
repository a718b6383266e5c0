"""Wrong security settings are named at once, before a broker is asked and without a secret."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from certificates import Authority
from stream_messages import new_topic

from susystream.errors import SettingsError
from susystream.stream.connection import KafkaConnection
from susystream.stream.security import HOST_CHECK, client_security, without_secrets
from susystream.stream.topics import ensure_topic

LOGIN = {"sasl.username": "me", "sasl.password": "hush"}
PLAIN = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", **LOGIN}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate, its key locked with the password `hush`, and what is no PEM file."""
    folder = tmp_path_factory.mktemp("tls")
    Authority(folder).issue("client", password="hush")
    (folder / "nonsense.pem").write_text("nonsense")
    return folder


def tls(folder: Path, **names: str) -> dict[str, str]:
    return {f"ssl.{kind}.location": str(folder / name) for kind, name in names.items()} | {
        "security.protocol": "SSL"
    }


def test_right_settings_reach_the_client_under_its_own_names(files: Path) -> None:
    named = tls(files, ca="authority.pem", certificate="client.pem", key="client.key")
    named["ssl.key.password"] = "hush"
    connection = KafkaConnection("a:1, b:2", security=named)
    settings = connection.client_settings()
    assert settings["bootstrap_servers"] == ["a:1", "b:2"]
    assert settings["security_protocol"] == "SSL"
    assert settings["ssl_cafile"] == str(files / "authority.pem")
    assert settings["ssl_certfile"] == str(files / "client.pem")
    assert settings["ssl_keyfile"] == str(files / "client.key")
    assert settings["ssl_password"] == "hush"
    assert "ssl_check_hostname" not in settings  # the client's own is to check
    assert client_security({**named, HOST_CHECK: "none"})["ssl_check_hostname"] is False
    assert client_security({**named, HOST_CHECK: "https"})["ssl_check_hostname"] is True
    assert client_security(PLAIN)["sasl_plain_username"] == "me"
    assert client_security({}) == {}


@pytest.mark.parametrize(
    ("security", "named"),
    [
        ({"sasl.pasword": "x"}, r"'sasl\.password'.*received \['sasl\.pasword'\]"),
        ({"security.protocol": "TLS"}, "PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        ({"ssl.ca.location": "/nowhere/ca.pem"}, r"a file as ssl\.ca\.location"),
        ({"security.protocol": "SSL", HOST_CHECK: ""}, rf"{HOST_CHECK} out of https, none, .* ''"),
        ({HOST_CHECK: "none"}, rf"SSL or SASL_SSL with {HOST_CHECK}, received PLAINTEXT"),
        ({**LOGIN}, r"SASL_PLAINTEXT or SASL_SSL with sasl\.password, received PLAINTEXT"),
        ({"security.protocol": "SASL_SSL"}, r"sasl\.mechanism out of PLAIN, SCRAM.*received None"),
        ({**PLAIN, "sasl.mechanism": "SCRAM"}, r"sasl\.mechanism out of .* received 'SCRAM'"),
        ({**PLAIN, "sasl.mechanism": "OAUTHBEARER"}, r"sasl\.mechanism out of"),
        ({**PLAIN, "sasl.mechanism": "GSSAPI"}, "the package gssapi"),
        ({**PLAIN, "sasl.password": ""}, r"sasl\.password for sasl\.mechanism PLAIN"),
        (
            {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-256"},
            r"sasl\.username for sasl\.mechanism SCRAM-SHA-256",
        ),
    ],
)
def test_a_wrong_setting_is_named(security: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        client_security(security)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "password", "named"),
    [
        ({"ca": "nonsense.pem"}, "", r"ssl\.ca\.location"),
        ({"certificate": "nonsense.pem"}, "", r"ssl\.certificate\.location"),
        ({"certificate": "client.pem", "key": "client.key"}, "", r"ssl\.key\.password"),
        ({"certificate": "client.pem", "key": "client.key"}, "hush2", r"ssl\.key\.password"),
        ({"certificate": "client.pem", "key": "client.key"}, "x" * 5000, r"ssl\.key\.password"),
        ({"key": "client.key"}, "hush", r"ssl\.certificate\.location beside ssl\.key\.location"),
    ],
)
def test_a_file_that_openssl_cannot_use_is_named_and_no_password_is_asked_for(
    files: Path, names: dict[str, str], password: str, named: str
) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        client_security({**tls(files, **names), "ssl.key.password": password})
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_without_a_protocol_that_uses_them_are_refused(files: Path) -> None:
    security = tls(files, ca="authority.pem") | {"security.protocol": "SASL_PLAINTEXT"}
    with pytest.raises(SettingsError, match=r"SSL or SASL_SSL with ssl\.ca\.location"):
        client_security(security)


def test_a_real_broker_is_not_waited_for(broker: str) -> None:
    security = {"security.protocol": "SASL_PLAINTEXT"}
    started = time.monotonic()
    with pytest.raises(SettingsError, match=r"sasl\.mechanism"):
        ensure_topic(KafkaConnection(broker, 10.0, security), new_topic(), 1)
    assert time.monotonic() - started < 2


def test_what_others_say_is_shown_on_one_line_without_our_secrets() -> None:
    security = {"sasl.username": "me", "sasl.password": "hush", "ssl.key.password": "hush hush"}
    assert without_secrets("me:\n hush hush, hush", security) == "me: ***, ***"
    assert without_secrets("none of ours", {"sasl.password": ""}) == "none of ours"
