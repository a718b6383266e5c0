"""The way to a broker: its address and security, a first contact, its errors in one line.

In: settings. Out: a `KafkaConnection`, from which every client here is made.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kafka.errors import KafkaConnectionError, KafkaError

from susystream.errors import BrokerUnavailable, HandshakeFailed, StreamError
from susystream.stream.first_contact import meet, unavailable
from susystream.stream.security import client_security

logging.getLogger("kafka").setLevel(logging.CRITICAL)  # its errors reach us as exceptions

LARGEST_REQUEST = 10_485_760  # bytes that our clients send at once, before they are compressed


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

    @property
    def addresses(self) -> list[str]:
        """One or more `host:port`."""
        return [part.strip() for part in self.bootstrap_servers.split(",")]

    def meet(self, address: str) -> list[str]:
        """A first contact, as in `susystream.stream.first_contact`."""
        return meet(address, security=self.security, seconds=self.timeout_seconds)

    def client_settings(self) -> dict[str, Any]:
        """Keyword arguments of every kafka-python client.

        Raises:
            SettingsError: A security setting is not known, or cannot be right.
        """
        timeout_ms = int(self.timeout_seconds * 1000)
        return {
            "bootstrap_servers": self.addresses,
            "bootstrap_timeout_ms": timeout_ms,
            "request_timeout_ms": timeout_ms,
            # every client waits so long between its first two questions, at each start; Kafka's
            # own 100 ms is the half of a short read
            "retry_backoff_ms": 20,
            **client_security(self.security),
        }


@contextmanager
def broker_errors(connection: KafkaConnection) -> Iterator[None]:
    """Turns the client's errors into one line of ours; a failed first contact is told at once.

    Raises:
        BrokerUnavailable: Nothing answers at the address.
        HandshakeFailed: TLS or the login to the broker fails.
        StreamError: Kafka refused a request.
    """
    advertised = contact(connection)
    try:
        yield
    except KafkaError as error:
        text = " ".join(str(error).split())[:200]
        lost = isinstance(error, KafkaConnectionError)
        if lost or "bootstrap" in text or "Timeout" in type(error).__name__:
            _meet_others(connection, advertised)
            raise unavailable(connection.bootstrap_servers, text) from error
        raise StreamError(
            f"expected Kafka at {connection.bootstrap_servers} to serve a request, received: "
            f"{text}; check the topic and the permissions"
        ) from error


def contact(connection: KafkaConnection) -> list[str]:
    """Where the cluster's brokers say they are, by the first of the addresses that lets us in.

    Raises:
        BrokerUnavailable: Nothing answers at any of them.
        HandshakeFailed: TLS or the login fails.
    """
    client_security(connection.security)
    problem: StreamError | None = None
    for address in connection.addresses:
        try:
            return connection.meet(address)
        except HandshakeFailed as error:
            problem = error
        except BrokerUnavailable as error:
            problem = problem or error
    assert problem
    raise problem


def why_silent(connection: KafkaConnection) -> str:
    """What is wrong with a broker that says nothing, in brackets; empty if it answers."""
    try:
        contact(connection)
    except StreamError as error:
        return f" ({str(error).partition(';')[0]})"
    return ""


def _meet_others(connection: KafkaConnection, advertised: Sequence[str]) -> None:
    """The client goes on to the addresses that the brokers advertise, and is silent on them.

    Raises:
        StreamError: One of them cannot be used.
    """
    for address in advertised:
        try:
            if address not in connection.addresses:
                connection.meet(address)
        except StreamError as error:
            shown = connection.bootstrap_servers
            raise type(error)(f"{error} (Kafka at {shown} advertises this address)") from error
