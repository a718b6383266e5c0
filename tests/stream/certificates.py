"""Certificates made at run time, so that none is kept that would expire."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

_new_key = partial(generate_private_key, SECP256R1())


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates.

    Attributes:
        folder: Where its files go; `<name>.pem` is its own certificate.
        name: What it is called.
    """

    folder: Path
    name: str = "authority"
    _key: EllipticCurvePrivateKey = field(default_factory=_new_key, repr=False)

    def __post_init__(self) -> None:
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        made = self._signed(self.name, self._key).add_extension(constraints, critical=True)
        signed = made.sign(self._key, hashes.SHA256())
        self.path.write_bytes(signed.public_bytes(Encoding.PEM))

    @property
    def path(self) -> Path:
        """Its own certificate."""
        return self.folder / f"{self.name}.pem"

    def issue(
        self, name: str, host: str = "127.0.0.1", *, password: str = "", days: int = 1
    ) -> tuple[Path, Path]:
        """The files of a certificate and its key; valid from two days ago to `days` from now."""
        key = _new_key()
        made = self._signed(name, key, days).add_extension(
            x509.SubjectAlternativeName([_host(host)]), critical=False
        )
        signed = made.sign(self._key, hashes.SHA256())
        locked = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        files = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        files[0].write_bytes(signed.public_bytes(Encoding.PEM))
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
        return files

    def _signed(
        self, name: str, key: EllipticCurvePrivateKey, days: int = 1
    ) -> x509.CertificateBuilder:
        now = datetime.now(timezone.utc)
        return x509.CertificateBuilder(
            issuer_name=_named(self.name),
            subject_name=_named(name),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - timedelta(days=2),
            not_valid_after=now + timedelta(days=days),
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
