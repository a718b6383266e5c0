"""What may be shown: addresses, settings and texts without their secrets.

In: what a person set, or a message that may repeat it. Out: the same, fit for terminals, logs and
documents. Rather too much is hidden than a secret shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_ADDRESSES = ("uri", "url")
_SECRET_WORDS = ("password", "secret", "token", "sasl.jaas", "key.pem", "credential")
_SECRET_PARAMETER = re.compile(
    r"""(
        [\w.-]*                                # a parameter whose name holds one of these
        (?:password|passwd|passphrase|token|secret|credential|signature|authmechanismproperties
          |(?:api|access|account|private|shared|subscription)[_-]?key)
        [\w.-]*
      | (?<=[?&;])(?:auth|key|pass|pwd|sig|odbc_connect)  # or is one of these
    )=[^&\s]*""",
    re.IGNORECASE | re.VERBOSE,
)
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
    names = place.split(".")
    if {"security", *_ADDRESSES} & set(names) or _is_secret(names[-1]):
        return "a hidden value"
    shown = f"a mapping of {', '.join(map(str, value))}" if isinstance(value, dict) else repr(value)
    return shown[:120]


def public_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Plain settings at any depth, without secrets and with public addresses."""
    return {name: _public(name, value) for name, value in config.items()}


def _public(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return public_settings(value)
    if value is not None and _is_secret(name):
        return "***"
    return public_uri(value) if name in _ADDRESSES and isinstance(value, str) else value


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET_WORDS)
