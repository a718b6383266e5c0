"""What may be shown: addresses, settings and texts without their secrets.

In: what a person set, or a message that may repeat it. Out: the same, fit for terminals, logs and
documents. Rather too much is hidden than a secret shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Security settings of Kafka's clients, by its own names. A name that is none of the first may be a
# misspelt one of the second.
SHOWN_SECURITY = (
    *("security.protocol", "sasl.mechanism", "sasl.username", "ssl.ca.location"),
    *("ssl.certificate.location", "ssl.key.location", "ssl.endpoint.identification.algorithm"),
)
SECRET_SECURITY = ("sasl.password", "ssl.key.password")
ADDRESSES = ("uri", "url")  # the last word of a setting that is one
_HIDDEN = r"""(?:
    passw(?:or)?d|passphrase|pwd|secret|token|credential|signature|private
  | sasl[._-]?jaas|auth[._-]?mechanism[._-]?properties|odbc_connect
  | key[._-]?pem|keystore[._-]?key
  | (?:access|account|api|auth|master|shared|signing|storage|subscription)[._-]?key
  | encryption[._-]?key(?![._-]?(?:size|gen))  # Spark says so how keys are made
)"""
_SECRET_NAME = re.compile(_HIDDEN, re.IGNORECASE | re.VERBOSE)
_SECRET_PARAMETER = re.compile(
    rf"""(
        {_HIDDEN}[\w.-]{{0,200}}            # a parameter whose name holds one of these
      | (?<=[?&;])(?:auth|key|pass|sig)  # or is one of these
    )=(?:"(?:\\.|[^"\\])*"|'[^']*'|[^&\s]*)""",
    re.IGNORECASE | re.VERBOSE,
)
_ADDRESS = re.compile(r"[\w.+-]+://\S*")
_LOGIN = re.compile(r"(://)\S*@")
_FILES = ("sqlite", "file")
_WEB_PLACE = re.compile(r"([^:/@\[\]]*|\[[\da-f.:]*\])(:\d*)?(/.*)?", re.IGNORECASE)


def public_uri(uri: str) -> str:
    """The address without user name, password or token.

    A password may hold any other mark of an address, so everything up to the last `@` goes. An
    `@` stays only where no password can stand before it: in the path of a local file, behind a
    `?` with no colon before it, and behind the `?` of a web address whose colon begins a port.
    """
    scheme, mark, rest = uri.partition("://") if "://" in uri else ("", "", uri)
    shown = rest if _holds_no_login(scheme.lower(), rest) else rest.rpartition("@")[2]
    return _SECRET_PARAMETER.sub(r"\1=***", scheme + mark + shown)


def _holds_no_login(scheme: str, rest: str) -> bool:
    if not scheme:  # a name, a path, or an address whose scheme was forgotten
        return ":" not in rest.rpartition("@")[0]
    if scheme.partition("+")[0] in _FILES and rest.startswith("/"):
        return True
    place = rest.partition("?")[0]
    if "@" in place:
        return False
    return ":" not in place or (scheme in ("http", "https") and bool(_WEB_PLACE.fullmatch(place)))


def public_text(text: str) -> str:
    """A message that may repeat addresses, without their user names, passwords and tokens."""
    return _SECRET_PARAMETER.sub(r"\1=***", _LOGIN.sub(r"\1", text))


def public_value(place: str, value: Any) -> str:
    """What a message may repeat of the setting at `place`: of a mapping, only its keys."""
    if {"security", *ADDRESSES} & set(place.split(".")) or is_secret(place):
        return "a hidden value"
    if isinstance(value, dict):
        return f"a mapping of {', '.join(map(str, value))}"[:120]
    return repr(_public(place, value))[:120]


def public_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Plain settings at any depth, without secrets and with public addresses."""
    return {name: _public(name, value) for name, value in config.items()}


def _public(name: str, value: Any) -> Any:
    if isinstance(value, Mapping) and name == "security":
        return {one: value[one] if one in SHOWN_SECURITY else "***" for one in value}
    if isinstance(value, Mapping):
        return public_settings(value)
    if value is not None and is_secret(name):
        return "***"
    if isinstance(value, list | tuple):
        return [_public(name, one) for one in value]
    return _public_text_of(name, value) if isinstance(value, str) else value


def _public_text_of(name: str, value: str) -> str:
    if name in ADDRESSES or _ADDRESS.fullmatch(value):
        return public_uri(value)
    # whole, as of options of Java: who knows by which quotes or spaces the secret goes on
    return "***" if _SECRET_PARAMETER.search(value) else public_text(value)


def is_secret(name: str) -> bool:
    """Whether a setting of this name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def unsecret(name: str) -> str:
    """A name up to the word that says it holds a secret: what stands behind may be one.

    Example:
        >>> unsecret("sasl.password_sesame")
        'sasl.password'
    """
    found = _SECRET_NAME.search(name)
    return name[: found.end()] if found else name
