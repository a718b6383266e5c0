"""Security settings of the Kafka clients, checked before a client is made.

In: settings by Kafka's own names. Out: kafka-python's keyword arguments, or one line that names
the wrong setting. The client itself finds these faults inside its retry loop and would say after
its time-out that no broker answers.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from susystream.errors import SettingsError

# Kafka's own names of the settings, and kafka-python's
SECURITY_NAMES = {
    "security.protocol": "security_protocol",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.username": "sasl_plain_username",
    "sasl.password": "sasl_plain_password",
    "ssl.ca.location": "ssl_cafile",
    "ssl.certificate.location": "ssl_certfile",
    "ssl.key.location": "ssl_keyfile",
    "ssl.key.password": "ssl_password",
}
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_BY_PASSWORD = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_BY_PACKAGE = {"GSSAPI": "gssapi", "AWS_MSK_IAM": "botocore"}  # they hold the login themselves
# kafka-python knows OAUTHBEARER too, but by a Python object that no setting can hold
MECHANISMS = (*_BY_PASSWORD, *_BY_PACKAGE)


def client_security(security: Mapping[str, str]) -> dict[str, str]:
    """The keyword arguments of a kafka-python client.

    Raises:
        SettingsError: A setting is not known, or cannot be right; no value of a secret is shown.
    """
    unknown = sorted(set(security) - set(SECURITY_NAMES))
    if unknown:
        raise _wrong(f"stream.security settings out of {sorted(SECURITY_NAMES)}", str(unknown))
    _check_files(security)
    _check_protocol(security)
    if security.get("security.protocol", "").startswith("SASL_"):
        _check_login(security)
    return {SECURITY_NAMES[name]: value for name, value in security.items()}


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
    if mechanism in _BY_PASSWORD:
        for name in ("sasl.username", "sasl.password"):
            if not security.get(name):
                raise _wrong(f"{name} for sasl.mechanism {mechanism}", "none")
    elif find_spec(_BY_PACKAGE[mechanism]) is None:
        raise _wrong(f"the package {_BY_PACKAGE[mechanism]} for sasl.mechanism {mechanism}", "none")


def _check_files(security: Mapping[str, str]) -> None:
    """Loads the files as the client will."""
    for name, value in security.items():
        if name.endswith(".location") and not Path(value).is_file():
            raise _wrong(f"a file as {name}", repr(value))
    authorities, certificate = (security.get(f"ssl.{i}.location") for i in ("ca", "certificate"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authorities:
        with _read_as("certificates (PEM) in the file ssl.ca.location"):
            context.load_verify_locations(authorities)
    key = security.get("ssl.key.location")
    if key and not certificate:
        raise _wrong("ssl.certificate.location beside ssl.key.location", "none")
    if certificate:
        # never None: OpenSSL would ask for the password on the terminal
        password = security.get("ssl.key.password", "")
        with _read_as("ssl.certificate.location, ssl.key.location and ssl.key.password to fit"):
            context.load_cert_chain(certificate, key, password)


@contextmanager
def _read_as(expected: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise _wrong(expected, " ".join(str(error).split())[:160]) from None


def _wrong(expected: str, received: str) -> SettingsError:
    return SettingsError(f"expected {expected}, received {received}; correct it")
