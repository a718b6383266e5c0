"""Kafka's protocol, as little of it as a first contact needs.

In: a socket. Out: answers to requests. The client's own connection is no help here: kafka-python
3.0.12 drops an answer that the broker sends just before it hangs up, which is how Kafka refuses a
login, and waits for ever for a TLS handshake.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kafka.net.sasl import get_sasl_mechanism

_LARGEST = 16_777_216  # bytes of an answer
_NO_TOPIC = struct.pack(">i", 0)
_TLS_ALERT = b"\x15\x03"
METADATA, METADATA_VERSION = 3, 1
_SASL_HANDSHAKE, _API_VERSIONS, SASL_AUTHENTICATE = 17, 18, 36
ILLEGAL_SASL_STATE = 34  # the error of a broker that asks for no login


class Closed(Exception):
    """The broker hung up where an answer was due."""


class NotKafka(Exception):
    """What came is no answer of Kafka's."""


class SpeaksTls(Exception):
    """The broker answered with a TLS alert."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a broker said of a login.

    Attributes:
        error: Kafka's number of the error; 0 for none.
        text: Its words, or the mechanisms it offers.
    """

    error: int
    text: str


def versions(stream: socket.socket) -> Mapping[int, tuple[int, int]]:
    """{request: (first, last version)} that the broker takes; asked before any login."""
    answer = _Answer(_asked(stream, _API_VERSIONS, 0, b""))
    error, count = answer.take(">hi")
    if error:
        raise NotKafka(f"error {error}")
    return {key: (low, high) for key, low, high in (answer.take(">hhh") for _ in range(count))}


def brokers(stream: socket.socket) -> list[tuple[str, int]]:
    """Where the brokers of the cluster say they are; the first request that needs a login."""
    answer = _Answer(
        _asked(stream, METADATA, METADATA_VERSION, struct.pack(">i", 0))
    )  # of no topic
    (count,) = answer.take(">i")
    return [answer.broker() for _ in range(count)]


def offered(stream: socket.socket, mechanism: str) -> Offer:
    """Whether the broker takes a mechanism; else the ones it does take."""
    answer = _Answer(_asked(stream, _SASL_HANDSHAKE, 1, _text(mechanism)))
    error, count = answer.take(">hi")
    return Offer(error, ", ".join(answer.text() for _ in range(count)))


def logged_in(stream: socket.socket, settings: Mapping[str, Any]) -> Offer:
    """The login by kafka-python's own mechanism, after `offered`.

    Raises:
        ValueError: The broker does not know the password itself.
    """
    mechanism = get_sasl_mechanism(settings["sasl_mechanism"])(**settings)
    while not mechanism.is_done():
        token = mechanism.auth_bytes()
        body = struct.pack(">i", len(token)) + token
        answer = _Answer(_asked(stream, SASL_AUTHENTICATE, 0, body))
        (error,) = answer.take(">h")
        if error:
            return Offer(error, answer.text())
        answer.text()
        mechanism.receive(answer.data())
    return Offer(0, "")


def _asked(stream: socket.socket, request: int, version: int, body: bytes) -> bytes:
    """The answer's body."""
    message = struct.pack(">hhi", request, version, 1) + _text("susystream") + body
    with suppress(ConnectionError, ssl.SSLError):  # a broker that hung up may have said why
        stream.sendall(struct.pack(">i", len(message)) + message)
    head = _received(stream, 4)
    if head.startswith(_TLS_ALERT):
        raise SpeaksTls
    (size,) = struct.unpack(">i", head)
    if not 4 <= size <= _LARGEST:
        raise NotKafka(repr(head))
    return _received(stream, size)[4:]  # after the number of the request


def _received(stream: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = stream.recv(size - len(parts))
        if not part:
            raise Closed
        parts += part
    return bytes(parts)


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">h", len(data)) + data


@dataclass(slots=True)
class _Answer:
    """Reads an answer from its begin to its end."""

    body: bytes
    at: int = 0

    def take(self, form: str) -> Any:
        try:
            values = struct.unpack_from(form, self.body, self.at)
        except struct.error as error:
            raise NotKafka(str(error)) from error
        self.at += struct.calcsize(form)
        return values

    def text(self) -> str:
        """Of a length in two bytes; nothing for none."""
        return self._of(">h").decode(errors="replace")

    def data(self) -> bytes:
        """Of a length in four bytes."""
        return self._of(">i")

    def broker(self) -> tuple[str, int]:
        self.take(">i")
        host, (port,) = self.text(), self.take(">i")
        self.text()  # its rack
        return host, port

    def _of(self, form: str) -> bytes:
        (size,) = self.take(form)
        if size < 0:
            return b""
        (value,) = self.take(f"{size}s")
        return bytes(value)
