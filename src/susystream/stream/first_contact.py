"""The first contact with a broker: what is wrong is told at once, and as what it is.

In: an address, and checked security settings. Out: where the brokers of the cluster are, or one
line: nothing answers, TLS fails, the login is refused. A Kafka client tries all of that again and
again until its time-out, and then knows only that it could not connect.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from susystream.errors import BrokerUnavailable, HandshakeFailed, SettingsError
from susystream.stream import wire
from susystream.stream.security import (
    BY_PASSWORD,
    HOST_CHECK,
    client_security,
    tls_context,
    uses_login,
    uses_tls,
    without_secrets,
)

_AGAIN_SECONDS = 0.5
_OUT_OF_DATE, _OTHER_HOST = (9, 10), (62, 64)  # OpenSSL's numbers: X509_V_ERR_…


class _HungUp(Exception):
    """The broker closed the connection; the first argument is what that means."""


@dataclass(frozen=True, slots=True)
class _Call:
    """Who is called, how, and until when."""

    address: str
    security: Mapping[str, str]
    ends: float

    @property
    def place(self) -> tuple[str, int]:
        host, _, port = self.address.rpartition(":")
        if not host or not port.isdigit():
            raise SettingsError(
                f"expected stream.bootstrap_servers as host:port, received {self.address!r}; "
                "correct it"
            )
        return host.strip("[]"), int(port)

    @property
    def seconds(self) -> float:
        return max(self.ends - time.monotonic(), 0.001)

    def refused(self, wanted: str, received: str, cure: str) -> HandshakeFailed:
        told = without_secrets(received, self.security)
        return HandshakeFailed(
            f"expected Kafka at {self.address} {wanted}, received: {told}; {cure}"
        )


def meet(address: str, *, security: Mapping[str, str], seconds: float) -> list[str]:
    """Connects, logs in and asks who is there.

    A broker that hangs up is called twice: it may just be going down.

    Args:
        address: `host:port`.
        security: By Kafka's own names, checked.
        seconds: For all of it.

    Returns:
        The addresses that the brokers of the cluster advertise, if the broker tells them so early.

    Raises:
        SettingsError: The address is none.
        BrokerUnavailable: Nothing answers, or not in time, or not as Kafka does.
        HandshakeFailed: TLS or the login fails.
    """
    call = _Call(address, security, time.monotonic() + seconds)
    try:
        return _met(call)
    except _HungUp:
        time.sleep(min(_AGAIN_SECONDS, call.seconds))
    try:
        return _met(call)
    except _HungUp as error:
        raise error.args[0] from None


def unavailable(address: str, problem: str) -> BrokerUnavailable:
    """Nothing answers there."""
    return BrokerUnavailable(
        f"expected a Kafka broker at {address}, received: {problem}; "
        "start it or correct stream.bootstrap_servers (empty: the embedded broker)"
    )


def _met(call: _Call) -> list[str]:
    with _opened(call) as plain, _secured(call, plain) as stream:
        with _asking(call, stream, "to answer", _cure_of_silence(call)):
            versions = wire.versions(stream)
        if uses_login(call.security):
            if wire.SASL_AUTHENTICATE not in versions:
                return []  # before Kafka 1.0 a login was something else
            _log_in(call, stream)
            if call.security["sasl.mechanism"] not in BY_PASSWORD:
                return []  # the client will say
        low, high = versions.get(wire.METADATA, (0, 0))
        if not low <= wire.METADATA_VERSION <= high:
            return []
        with _asking(call, stream, "to serve a request", _cure_of_refusal(call)):
            return [f"{host}:{port}" for host, port in wire.brokers(stream)]


@contextmanager
def _opened(call: _Call) -> Iterator[socket.socket]:
    try:
        stream = socket.create_connection(call.place, timeout=call.seconds)
    except (OSError, OverflowError) as error:
        raise unavailable(call.address, str(error)) from error
    with stream:
        yield stream


@contextmanager
def _secured(call: _Call, plain: socket.socket) -> Iterator[socket.socket]:
    if not uses_tls(call.security):
        yield plain
        return
    host = call.place[0].rstrip(".")
    with _asking(call, plain, "to speak TLS", _cure_of_tls(call)):
        stream = tls_context(call.security).wrap_socket(plain, server_hostname=host)
    with stream:
        yield stream


@contextmanager
def _asking(call: _Call, stream: socket.socket, wanted: str, cure: str) -> Iterator[None]:
    """Tells of every way in which a request can fail."""
    stream.settimeout(call.seconds)
    try:
        yield
    except TimeoutError as error:
        raise unavailable(call.address, "silence") from error
    except ssl.SSLCertVerificationError as error:
        raise _distrusted(call, error) from error
    except (wire.Closed, ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError) as error:
        raise _HungUp(call.refused(wanted, "it hung up", cure)) from error
    except ssl.SSLError as error:
        raise _alert(call, error) from error
    except wire.SpeaksTls:
        kind = "SASL_SSL" if uses_login(call.security) else "SSL or SASL_SSL"
        raise call.refused(wanted, "that it speaks TLS", f"set security.protocol: {kind}") from None
    except wire.NotKafka as error:
        raise unavailable(call.address, "what is no answer of Kafka's") from error


def _log_in(call: _Call, stream: socket.socket) -> None:
    mechanism = call.security["sasl.mechanism"]
    with _asking(call, stream, f"to log in by {mechanism}", "see the broker's log"):
        offer = wire.offered(stream, mechanism)
        if offer.error == wire.ILLEGAL_SASL_STATE:
            kind = "SSL" if uses_tls(call.security) else "PLAINTEXT"
            raise call.refused(
                "to ask for a login", "that it asks for none", f"set security.protocol: {kind}"
            )
        if offer.error:
            told = f"that it takes {offer.text or 'none'}"
            raise call.refused(f"to log in by {mechanism}", told, "set another sasl.mechanism")
        if mechanism in BY_PASSWORD:
            _give_password(call, stream)


def _give_password(call: _Call, stream: socket.socket) -> None:
    wanted = f"to log in {call.security['sasl.username']!r} by {call.security['sasl.mechanism']}"
    try:
        told = wire.logged_in(stream, client_security(call.security))
    except (ValueError, KeyError) as error:
        # in SCRAM the broker, too, has to prove that it knows the password
        cure = "check that stream.bootstrap_servers is your broker"
        raise call.refused(wanted, f"a wrong answer ({error})", cure) from error
    if told.error:
        received = told.text or f"error {told.error}"
        raise call.refused(wanted, received, "correct sasl.username or sasl.password")


def _distrusted(call: _Call, error: ssl.SSLCertVerificationError) -> HandshakeFailed:
    if error.verify_code in _OUT_OF_DATE:
        cure = "renew the broker's certificate, or correct this machine's clock"
    elif error.verify_code in _OTHER_HOST:
        cure = f"name the broker as its certificate does, or set {HOST_CHECK}: none"
    else:
        cure = "set ssl.ca.location to the authority that signed the broker's certificate"
    return call.refused("to show a certificate to trust", error.verify_message.rstrip("."), cure)


def _alert(call: _Call, error: ssl.SSLError) -> HandshakeFailed:
    """What OpenSSL says of TLS; alerts come from the broker."""
    reason = (error.reason or str(error)).lower().replace("_", " ")
    reason = reason.rpartition("alert ")[2]  # behind a version of TLS, which is not the one spoken
    if "certificate" not in reason and "unknown ca" not in reason:
        return call.refused("to speak TLS as we do", reason, _cure_of_tls(call))
    if "ssl.certificate.location" in call.security:
        cure = "name one that an authority of the broker signed, and that is not out of date"
        return call.refused("to take the certificate ssl.certificate.location", reason, cure)
    cure = "set ssl.certificate.location and ssl.key.location"
    return call.refused("to ask for no certificate of ours", reason, cure)


def _cure_of_tls(call: _Call) -> str:
    kind = "SASL_PLAINTEXT" if uses_login(call.security) else "PLAINTEXT or SASL_PLAINTEXT"
    return f"correct the port, or set security.protocol: {kind} where it speaks no TLS"


def _cure_of_silence(call: _Call) -> str:
    if not uses_tls(call.security):
        kind = "SASL_SSL" if uses_login(call.security) else "SSL or SASL_SSL"
        return f"correct the port, or set security.protocol: {kind} where it speaks TLS"
    if "ssl.certificate.location" in call.security:
        return "see the broker's log"
    return "set ssl.certificate.location and ssl.key.location where it asks for a certificate"


def _cure_of_refusal(call: _Call) -> str:
    if uses_login(call.security):
        return "see the broker's log"
    kind = "SASL_SSL" if uses_tls(call.security) else "SASL_PLAINTEXT or SASL_SSL"
    return f"set security.protocol: {kind} and sasl.mechanism where it asks for a login"
