"""Security settings of the Kafka clients, checked before a client is made.

In: settings by Kafka's own names. Out: kafka-python's keyword arguments, or one line that names
the wrong setting. The client itself finds these faults inside its retry loop and would say after
its time-out that no broker answers.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from susystream.disclosure import is_secret
from susystream.errors import SettingsError

# kafka-python logs at level DEBUG its configuration, and the very bytes of a login
for _name in ("kafka.admin.client", "kafka.net.connection", "kafka.protocol.parser"):
    logging.getLogger(_name).addFilter(lambda record: record.levelno > logging.DEBUG)

HOST_CHECK = "ssl.endpoint.identification.algorithm"
# Kafka's own names of the settings (those of librdkafka, for Java knows no such files), and
# kafka-python's
SECURITY_NAMES = {
    "security.protocol": "security_protocol",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.username": "sasl_plain_username",
    "sasl.password": "sasl_plain_password",
    "ssl.ca.location": "ssl_cafile",
    "ssl.certificate.location": "ssl_certfile",
    "ssl.key.location": "ssl_keyfile",
    "ssl.key.password": "ssl_password",
    HOST_CHECK: "ssl_check_hostname",
}
_HOST_CHECKS = {"https": True, "none": False}
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
BY_PASSWORD = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_BY_PACKAGE = {"GSSAPI": "gssapi", "AWS_MSK_IAM": "botocore"}  # they hold the login themselves
# kafka-python knows OAUTHBEARER too, but by a Python object that no setting can hold
MECHANISMS = (*BY_PASSWORD, *_BY_PACKAGE)


def client_security(security: Mapping[str, str]) -> dict[str, Any]:
    """The keyword arguments of a kafka-python client.

    Raises:
        SettingsError: A setting is not known, or cannot be right; no value of a secret is shown.
    """
    unknown = sorted(set(security) - set(SECURITY_NAMES))
    if unknown:
        raise _wrong(f"stream.security settings out of {sorted(SECURITY_NAMES)}", str(unknown))
    _check_values(security)
    _check_protocol(security)
    if uses_tls(security):
        tls_context(security)
    if uses_login(security):
        _check_login(security)
    stated: dict[str, Any] = {SECURITY_NAMES[name]: value for name, value in security.items()}
    if HOST_CHECK in security:
        stated[SECURITY_NAMES[HOST_CHECK]] = _HOST_CHECKS[security[HOST_CHECK]]
    return stated


def uses_tls(security: Mapping[str, str]) -> bool:
    """Whether the broker is spoken to through TLS."""
    return security.get("security.protocol", "").endswith("SSL")


def uses_login(security: Mapping[str, str]) -> bool:
    """Whether the broker is logged in to."""
    return security.get("security.protocol", "").startswith("SASL_")


def without_secrets(text: str, security: Mapping[str, str]) -> str:
    """What others said, on one line and without what only we should know."""
    for secret in secrets_of(security):
        text = text.replace(secret, "***")
    return " ".join(text.split())[:200]


def secrets_of(security: Mapping[str, str]) -> list[str]:
    """What only we should know, the longest first: one may be part of another."""
    known = {value for name, value in security.items() if is_secret(name) and value}
    return sorted(known, key=len, reverse=True)


def _check_values(security: Mapping[str, str]) -> None:
    for name, value in security.items():
        if name.endswith(".location") and not Path(value).is_file():
            raise _wrong(f"a file as {name}", repr(value))
    if security.get(HOST_CHECK, "https") not in _HOST_CHECKS:
        raise _wrong(f"{HOST_CHECK} out of {', '.join(_HOST_CHECKS)}", repr(security[HOST_CHECK]))


def _check_protocol(security: Mapping[str, str]) -> None:
    """A login or a certificate that the protocol leaves unused would be a false safety."""
    protocol = security.get("security.protocol", "PLAINTEXT")
    if protocol not in PROTOCOLS:
        raise _wrong(f"security.protocol out of {', '.join(PROTOCOLS)}", repr(protocol))
    for kind, mark in (("sasl.", "SASL_"), ("ssl.", "SSL")):
        unused = sorted(name for name in security if name.startswith(kind))
        if unused and mark not in protocol:
            fitting = [one for one in PROTOCOLS if mark in one]
            raise _wrong(f"security.protocol {' or '.join(fitting)} with {unused[0]}", protocol)


def _check_login(security: Mapping[str, str]) -> None:
    mechanism = security.get("sasl.mechanism")
    if mechanism not in MECHANISMS:
        raise _wrong(f"sasl.mechanism out of {', '.join(MECHANISMS)}", repr(mechanism))
    if mechanism in BY_PASSWORD:
        for name in ("sasl.username", "sasl.password"):
            if not security.get(name):
                raise _wrong(f"{name} for sasl.mechanism {mechanism}", "none")
    elif find_spec(_BY_PACKAGE[mechanism]) is None:
        raise _wrong(f"the package {_BY_PACKAGE[mechanism]} for sasl.mechanism {mechanism}", "none")


def tls_context(security: Mapping[str, str]) -> ssl.SSLContext:
    """What kafka-python will make of the files.

    Raises:
        SettingsError: OpenSSL cannot use one of them.
    """
    authorities, certificate = (security.get(f"ssl.{i}.location") for i in ("ca", "certificate"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = _HOST_CHECKS[security.get(HOST_CHECK, "https")]
    if authorities:
        with _read_as("certificates (PEM) in the file ssl.ca.location"):
            context.load_verify_locations(authorities)
    else:
        context.load_default_certs()
    key = security.get("ssl.key.location")
    if key and not certificate:
        raise _wrong("ssl.certificate.location beside ssl.key.location", "none")
    if certificate:
        # never None: OpenSSL would ask for the password on the terminal
        password = security.get("ssl.key.password", "")
        with _read_as(
            "ssl.certificate.location and ssl.key.location to be of one pair, and "
            "ssl.key.password to open the key"
        ):
            context.load_cert_chain(certificate, key, password)
    return context


@contextmanager
def _read_as(expected: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise _wrong(expected, " ".join(str(error).split())[:160]) from None


def _wrong(expected: str, received: str) -> SettingsError:
    return SettingsError(f"expected {expected}, received {received}; correct it")
