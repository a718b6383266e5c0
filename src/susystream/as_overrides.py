"""Settings as a person would type them.

In: settings, and those that a command composes by itself. Out: Hydra overrides that make the first
of the second.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

Keys: TypeAlias = tuple[str, ...]  # of a setting, from the outermost group

# choices of a group whose options have different settings, and where they are named
CHOICES = {
    "stage": "stage.name",
    "data": "data.kind",
    "stream/codec": "stream.codec.name",
    "stream/reader": "stream.reader.name",
    "evaluate/engine": "evaluate.engine.name",
}
_NAMED_SETS = "evaluate.sets"  # whose keys are free, and each of its own kind
_FREE = ("evaluate.engine.options", "experiment")  # whole: their keys hold dots, or are not there
_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_NOT_TEXT = {"null", "true", "false", "nan", "inf"}  # in any case, where they stand alone


def choices_of(config: Mapping[str, Any]) -> dict[str, str | None]:
    """The choice of each group in `CHOICES` that a configuration was composed of."""
    return {group: at(config, path) for group, path in CHOICES.items()}


def differences(
    wanted: Mapping[str, Any], base: Mapping[str, Any], *, inside: Keys = ()
) -> Iterator[tuple[Keys, str]]:
    """What must be typed beside what is composed anyway, as (keys, override).

    A setting that only `base` has is newer than `wanted`, and stays.

    Args:
        wanted: Plain settings.
        base: Those composed by the same choices.
        inside: Where both stand.
    """
    for name, value in wanted.items():
        keys, other = (*inside, name), base.get(name)
        path = ".".join(keys)
        if value == other and name in base:
            continue
        if path == _NAMED_SETS:
            yield from _sets(value, other or {})
        elif isinstance(value, Mapping) and isinstance(other, Mapping) and path not in _FREE:
            yield from differences(value, other, inside=keys)
        else:
            yield keys, f"++{path}={text_of(value)}"


def _sets(wanted: Mapping[str, Any], base: Mapping[str, Any]) -> Iterator[tuple[Keys, str]]:
    for name in {**base, **wanted}:
        keys = (*keys_of(_NAMED_SETS), name)
        ours, theirs = wanted.get(name), base.get(name)
        if ours and theirs and set(ours) == set(theirs):
            yield from differences(ours, theirs, inside=keys)
        else:  # of another kind, whose settings would be mixed with these
            if theirs:
                yield keys, f"~{'.'.join(keys)}"
            if ours:
                yield keys, set_by(keys, ours)


def set_by(keys: Keys, value: Any) -> str:
    """The override that sets a value; keys from the first that holds a dot on go into a mapping.

    Example:
        >>> set_by(("evaluate", "sets", "v1.0", "events"), "slice:t/0:0-5")
        "++evaluate.sets={v1.0: {events: 'slice:t/0:0-5'}}"
    """
    size = next((at for at, key in enumerate(keys) if "." in key), len(keys))
    for key in reversed(keys[size:]):
        value = {key: value}
    return f"++{'.'.join(keys[:size])}={text_of(value)}"


def text_of(value: Any) -> str:
    r"""A value in Hydra's grammar.

    Example:
        >>> print(text_of({"path": "it's.csv", "limit": None, "sizes": [1, 2.5]}))
        {path: 'it\'s.csv', limit: null, sizes: [1, 2.5]}
    """
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return _text(value)
        case Mapping():
            return "{" + ", ".join(f"{key}: {text_of(one)}" for key, one in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(text_of, value)) + "]"
    return repr(value)


def _text(text: str) -> str:
    bare = _BARE.fullmatch(text) and text.lower() not in _NOT_TEXT
    return text if bare else quoted(text, "'")


def quoted(text: str, mark: str) -> str:
    r"""A text between quotation marks; backslashes, which count only before one, are doubled there.

    Example:
        >>> print(quoted("it's ${here}", "'"))
        'it\'s \${here}'
    """
    doubled = re.sub(
        rf"(\\*)({mark}|\Z)", lambda found: found[1] * 2 + found[2].replace(mark, f"\\{mark}"), text
    )
    return mark + doubled.replace("${", "\\${") + mark


def for_a_shell(word: str) -> str:
    """An override as one word of a shell.

    Example:
        >>> print(for_a_shell("data.path='a b'"))
        "data.path='a b'"
    """
    return f'"{word}"' if "'" in word and not set(word) & set('"$`\\!') else shlex.quote(word)


def key_of(word: str) -> str:
    """What an override sets, as typed, without the sign that adds or removes it."""
    return word.lstrip("+~").partition("=")[0]


def pairs(words: Iterable[str]) -> dict[str, str]:
    """Overrides by the names they set; what sets nothing is left out."""
    split = (word.lstrip("+").partition("=") for word in words)
    return {key: value for key, mark, value in split if mark}


def keys_of(path: str | Keys) -> Keys:
    """The keys of a dotted name; a tuple of keys stays as it is: they may hold dots themselves."""
    return tuple(path.split(".")) if isinstance(path, str) else path


def at(config: Mapping[str, Any], path: str | Keys) -> Any:
    """The value of a setting, told by its dotted name or its keys; None if there is none."""
    found: Any = config
    for name in keys_of(path):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def with_value(config: Mapping[str, Any], path: str | Keys, value: object) -> dict[str, Any]:
    """A copy with another value of a setting, told by its dotted name or its keys."""
    name, *rest = keys_of(path)
    inner = config.get(name)
    if rest:
        value = with_value(inner if isinstance(inner, Mapping) else {}, tuple(rest), value)
    return {**config, name: value}
