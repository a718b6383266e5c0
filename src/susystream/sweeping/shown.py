"""What may be shown of the values that a sweep was given.

In: a setting's name, and its value or values as typed in Hydra's grammar. Out: the same text
without secrets, those within a mapping too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from susystream.as_overrides import text_of
from susystream.disclosure import ADDRESSES, is_secret, public_settings, public_text

_HIDDEN = "***"
_HOST = r"(?:\[[\da-fA-F.:]*\]|[^:/?@,\[\]]*)(?::\d+)?"
_ADDRESS = re.compile(rf"(?:[\w.+-]+://)?{_HOST}(?:,{_HOST})*(?:[/?].*)?")  # with no login left


def public(name: str, value: str) -> str:
    """The value of a setting, without secrets and logins."""
    return public_text(masked(name, value))


def masked(name: str, value: str) -> str:
    """A value, still in Hydra's grammar, without what may be a secret by its name or by its text.

    Example:
        >>> masked("evaluate.engine.options", "{spark.mongodb.password:hunter2,spark.a:8}")
        "{spark.mongodb.password: '***', spark.a: 8}"
        >>> masked("tracking.uri", "http://me:hunter2@h:5000,sqlite:///mlflow.db")
        "'http://h:5000','sqlite:///mlflow.db'"
        >>> masked("tracking.uri", "http://me:hun,ter2@h:5000")
        '***'
    """
    path = name.split(".")
    if is_secret(name) or "security" in path:
        return _HIDDEN
    within = "{" in value or path[-1] in ADDRESSES or is_secret(value)
    return _masked_within(path[-1], value) if within else value


def kept_as(name: str, values: Sequence[Any]) -> list[Any]:
    """Values of a setting as a file may keep them.

    Where one holds a secret, each is told by its number and what may be shown of it: those that
    differ by a secret alone stay as many.

    Example:
        >>> kept_as("seed", [1, 2]), kept_as("x.options", ["{a.password:hunter2}", "{a.b:1}"])
        ([1, 2], ["0: {a.password: '***'}", '1: {a.b:1}'])
    """
    texts = [*map(str, values)]
    together = public(name, ",".join(texts))
    if together == ",".join(texts):
        return [*values]
    hidden = together == _HIDDEN
    return [
        f"{number}: {_HIDDEN if hidden else public(name, one)}" for number, one in enumerate(texts)
    ]


def _masked_within(name: str, value: str) -> str:
    """As typed, where nothing in it is hidden."""
    try:
        values = _values(value)
    except HydraException:
        return _HIDDEN
    logins = name in ADDRESSES and "@" in value and len(values) > 1
    if logins and any("://" not in str(one) for one in values):
        return _HIDDEN  # both may be parts of one, whose password holds a comma
    shown = [_shown(name, one) for one in values]
    return value if shown == values else ",".join(map(text_of, shown))


def _shown(name: str, value: Any) -> Any:
    shown = _without_secret_texts(public_settings({name: value})[name])
    strange = name in ADDRESSES and isinstance(shown, str) and not _ADDRESS.fullmatch(shown)
    return _HIDDEN if strange else shown


def _without_secret_texts(value: Any) -> Any:
    """A text may be a mapping in quotes."""
    if isinstance(value, dict):
        return {key: _without_secret_texts(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_secret_texts(one) for one in value]
    return _HIDDEN if isinstance(value, str) and is_secret(value) else value


def _values(typed: str) -> list[Any]:
    one = OverridesParser.create().parse_override(f"x={typed}")
    if not one.is_sweep_override():
        return [_with_text_keys(one.value())]
    return [found for text in one.sweep_string_iterator() for found in _values(text)]


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _with_text_keys(one) for key, one in value.items()}
    return [_with_text_keys(one) for one in value] if isinstance(value, list) else value
