"""Which settings typed overrides replace.

In: overrides as typed, and the settings that they come behind. Out: the keys of what each sets;
Hydra merges a mapping into what was there, so that it replaces what it names and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from susystream.as_overrides import Keys, at, key_of, keys_of
from susystream.settings.named_sets import SETS


def replaced_by(words: Iterable[str], config: Mapping[str, Any]) -> list[Keys]:
    """The keys of the settings and groups that overrides replace; flags replace none.

    Args:
        words: As typed.
        config: What they come behind.

    Example:
        >>> toy = {"evaluate": {"sets": {"v1.0": {"kind": "toy", "rows": 7}}}}
        >>> replaced_by(["seed=3", "++evaluate.sets={v1.0: {kind: toy}, v2: {kind: toy}}"], toy)
        [('seed',), ('evaluate', 'sets', 'v1.0', 'kind'), ('evaluate', 'sets', 'v2')]
    """
    typed = (word for word in words if not word.startswith("-"))
    return [
        keys[:-1] if _is_another_kind(keys, value, config) else keys
        for word in typed
        for keys, value in set_in(word)
    ]


def name_of(word: str) -> str:
    """What an override sets, dotted."""
    return key_of(word).replace("/", ".")


def is_replaced(keys: Keys, replaced: Iterable[Keys]) -> bool:
    """Whether a setting is one of these, or in one of them; the name of a set may hold dots."""
    return any(keys[: len(one)] == one for one in replaced)


def leaves(keys: Keys, value: object) -> Iterator[tuple[Keys, object]]:
    """What a mapping holds, at any depth, or another value itself; with its keys."""
    if not isinstance(value, Mapping):
        yield keys, value
        return
    for key, one in value.items():
        yield from leaves((*keys, str(key)), one)


def _is_another_kind(keys: Keys, value: object, config: Mapping[str, Any]) -> bool:
    """Of a test set: it has no settings of the kind it was."""
    return keys[:-2] == SETS and keys[-1] == "kind" and value != at(config, keys)


def set_in(word: str) -> Iterator[tuple[Keys, object]]:
    """What an override sets, one by one: keys and value."""
    return leaves(keys_of(name_of(word)), _value(word))


def is_swept(word: str) -> bool:
    """Whether an override has several values, one for each trial of a sweep."""
    found = parsed(word)
    return found is not None and found.is_sweep_override()


def _value(word: str) -> object:
    """As Hydra reads it; nothing of a sweep, or where that is told later."""
    found = parsed(word)
    return None if found is None or found.is_sweep_override() else found.value()


def parsed(word: str) -> Override | None:
    """An override as Hydra reads it; None where it cannot, which is told when it is composed."""
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None
