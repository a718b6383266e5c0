"""Wrong security settings are named at once, before a broker is asked and without a secret."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from stream_messages import new_topic

from susystream.errors import SettingsError
from susystream.stream.security import client_security
from susystream.stream.topics import KafkaConnection, ensure_topic

LOGIN = {"sasl.username": "me", "sasl.password": "hush"}
PLAIN = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", **LOGIN}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate, its key locked with the password `hush`, and what is no PEM file."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    ).sign(key, hashes.SHA256())
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    locked = BestAvailableEncryption(b"hush")
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    (folder / "nonsense.pem").write_text("nonsense")
    return folder


def tls(folder: Path, **names: str) -> dict[str, str]:
    return {f"ssl.{kind}.location": str(folder / name) for kind, name in names.items()} | {
        "security.protocol": "SSL"
    }


def test_right_settings_reach_the_client_under_its_own_names(files: Path) -> None:
    named = tls(files, ca="certificate.pem", certificate="certificate.pem", key="key.pem")
    connection = KafkaConnection("a:1, b:2", security={**named, "ssl.key.password": "hush"})
    settings = connection.client_settings()
    assert settings["bootstrap_servers"] == ["a:1", "b:2"]
    assert settings["security_protocol"] == "SSL"
    assert settings["ssl_cafile"] == settings["ssl_certfile"] == str(files / "certificate.pem")
    assert settings["ssl_keyfile"] == str(files / "key.pem")
    assert settings["ssl_password"] == "hush"
    assert client_security(PLAIN)["sasl_plain_username"] == "me"
    assert client_security({}) == {}


@pytest.mark.parametrize(
    ("security", "named"),
    [
        ({"sasl.pasword": "x"}, r"'sasl\.password'.*received \['sasl\.pasword'\]"),
        ({"security.protocol": "TLS"}, "PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        ({"ssl.ca.location": "/nowhere/ca.pem"}, r"a file as ssl\.ca\.location"),
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
        ({"certificate": "certificate.pem", "key": "key.pem"}, "", r"ssl\.key\.password"),
        ({"certificate": "certificate.pem", "key": "key.pem"}, "hush2", r"ssl\.key\.password"),
        ({"certificate": "certificate.pem", "key": "key.pem"}, "x" * 5000, r"ssl\.key\.password"),
        ({"key": "key.pem"}, "hush", r"ssl\.certificate\.location beside ssl\.key\.location"),
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
    security = tls(files, ca="certificate.pem") | {"security.protocol": "SASL_PLAINTEXT"}
    with pytest.raises(SettingsError, match=r"SSL or SASL_SSL with ssl\.ca\.location"):
        client_security(security)


def test_a_real_broker_is_not_waited_for(broker: str) -> None:
    security = {"security.protocol": "SASL_PLAINTEXT"}
    started = time.monotonic()
    with pytest.raises(SettingsError, match=r"sasl\.mechanism"):
        ensure_topic(KafkaConnection(broker, 10.0, security), new_topic(), 1)
    assert time.monotonic() - started < 2
