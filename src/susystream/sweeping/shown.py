"""What may be shown of the values that a sweep was given.

In: a setting's name, and its value or values as typed in Hydra's grammar. Out: the same text
without secrets, those within a mapping too.
"""

from __future__ import annotations

from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from susystream.as_overrides import text_of
from susystream.disclosure import is_secret, public_settings, public_text

_HIDDEN = "***"


def public(name: str, value: str) -> str:
    """The value of a setting, without secrets and logins."""
    return public_text(masked(name, value))


def masked(name: str, value: str) -> str:
    """A value, still in Hydra's grammar, without what may be a secret by its name.

    Example:
        >>> masked("evaluate.engine.options", "{spark.mongodb.password:hunter2,spark.a:8}")
        "{spark.mongodb.password: '***', spark.a: 8}"
    """
    if is_secret(name) or "security" in name.split("."):
        return _HIDDEN
    return _masked_within(name, value) if "{" in value else value


def _masked_within(name: str, value: str) -> str:
    """As typed, where nothing in it is hidden."""
    try:
        values = _values(value)
    except HydraException:
        return _HIDDEN
    if all(isinstance(one, str) for one in values):  # such as `${seed}`, or a mapping in quotes
        return _HIDDEN if is_secret(value) else value
    last = name.rpartition(".")[2]
    shown = [public_settings({last: one})[last] for one in values]
    return value if shown == values else ",".join(map(text_of, shown))


def _values(typed: str) -> list[Any]:
    one = OverridesParser.create().parse_override(f"x={typed}")
    if not one.is_sweep_override():
        return [_with_text_keys(one.value())]
    return [found for text in one.sweep_string_iterator() for found in _values(text)]


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _with_text_keys(one) for key, one in value.items()}
    return [_with_text_keys(one) for one in value] if isinstance(value, list) else value
