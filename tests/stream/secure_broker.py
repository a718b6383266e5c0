"""A real Kafka with TLS and SASL listeners, and what a client needs to be let in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from certificates import Authority
from own_broker import OwnBroker

from susystream.stream.connection import KafkaConnection

USER = "me"
PASSWORD = "Sesame4Kafka-%/&:@ x"  # what a password may hold and a setting must survive
KEY_PASSWORD = "Sesame4Key-%/&:@ x"
MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN")
# name: protocol; the certificate of the last two is of another name, and out of date
LISTENERS = {
    "LOGIN": "SASL_SSL",
    "MUTUAL": "SSL",  # asks for a client's certificate
    "BOTH": "SASL_SSL",  # asks for both
    "OPEN": "SASL_PLAINTEXT",
    "FOREIGN": "SSL",
    "EXPIRED": "SSL",
}
_MODULES = "org.apache.kafka.common.security"


@dataclass(frozen=True, slots=True)
class SecureBroker:
    """Where its listeners are, and the files of its clients."""

    addresses: Mapping[str, str]
    authority: Authority
    stranger: Authority

    def login(self, mechanism: str, **changed: str) -> dict[str, str]:
        """Settings of one who has a password."""
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": mechanism,
            "sasl.username": USER,
            "sasl.password": PASSWORD,
            "ssl.ca.location": str(self.authority.path),
            **_settings(changed),
        }

    def certificate(self, **changed: str) -> dict[str, str]:
        """Settings of one who has a certificate, its key locked."""
        return {
            "security.protocol": "SSL",
            "ssl.ca.location": str(self.authority.path),
            "ssl.certificate.location": str(self.authority.folder / "client.pem"),
            "ssl.key.location": str(self.authority.folder / "client.key"),
            "ssl.key.password": KEY_PASSWORD,
            **_settings(changed),
        }

    def connection(self, listener: str, security: Mapping[str, str]) -> KafkaConnection:
        """To one of the listeners."""
        return KafkaConnection(self.addresses[listener], 10.0, security)


def _settings(changed: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "."): value for name, value in changed.items()}


@contextmanager
def secure_broker(folder: Path) -> Iterator[SecureBroker]:
    """Started for the time of the `with`."""
    (folder / "tls").mkdir()
    authority, stranger = (Authority(folder / "tls", name) for name in ("authority", "stranger"))
    authority.issue("client", password=KEY_PASSWORD)
    stranger.issue("strange_client", password=KEY_PASSWORD)
    users = [
        word
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        for word in ("--add-scram", f"{mechanism}=[name={USER},password={PASSWORD}]")
    ]
    with OwnBroker(folder, tuple(_server(authority)), users, LISTENERS) as own:
        yield SecureBroker(own.addresses, authority, stranger)


def _server(authority: Authority) -> Iterator[str]:
    yield "ssl.truststore.type=PEM"
    yield f"ssl.truststore.location={authority.path}"
    yield "ssl.keystore.type=PEM"
    hosts = {"FOREIGN": "localhost"}
    for listener, protocol in LISTENERS.items():
        start = f"listener.name.{listener.lower()}"
        if protocol.endswith("SSL"):
            days = -1 if listener == "EXPIRED" else 1
            files = authority.issue(listener, hosts.get(listener, "127.0.0.1"), days=days)
            store = authority.folder / f"{listener}.store"
            store.write_bytes(b"".join(path.read_bytes() for path in reversed(files)))
            yield f"{start}.ssl.keystore.location={store}"
        if listener in ("MUTUAL", "BOTH"):
            yield f"{start}.ssl.client.auth=required"
        if protocol.startswith("SASL"):
            offered = ("PLAIN",) if listener == "OPEN" else MECHANISMS
            yield f"{start}.sasl.enabled.mechanisms={','.join(offered)}"
            yield from (f"{start}.{_accounts(mechanism)}" for mechanism in offered)


def _accounts(mechanism: str) -> str:
    name = f"{mechanism.lower()}.sasl.jaas.config"
    if mechanism == "PLAIN":
        return f'{name}={_MODULES}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
    return f"{name}={_MODULES}.scram.ScramLoginModule required;"
