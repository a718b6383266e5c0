"""Which settings typed overrides replace.

In: overrides as typed. Out: the keys of what each sets; Hydra merges a mapping into what was there,
so that it replaces what it names and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from susystream.as_overrides import Keys, key_of, keys_of
from susystream.settings.named_sets import SETS


def replaced_by(words: Iterable[str]) -> list[Keys]:
    """The keys of the settings and groups that overrides replace; flags replace none.

    Example:
        >>> replaced_by(["train.epochs=3", "++evaluate.sets={v1.0: {kind: toy, rows: 7}}"])
        [('train', 'epochs'), ('evaluate', 'sets', 'v1.0')]
    """
    return [keys for word in words if not word.startswith("-") for keys in _of(word)]


def name_of(word: str) -> str:
    """What an override sets, dotted."""
    return key_of(word).replace("/", ".")


def is_replaced(keys: Keys, replaced: Iterable[Keys]) -> bool:
    """Whether a setting is one of these, or in one of them; the name of a set may hold dots."""
    return any(keys[: len(one)] == one for one in replaced)


def _of(word: str) -> Iterator[Keys]:
    name, value = keys_of(name_of(word)), _value(word)
    return _leaves(name, value) if isinstance(value, Mapping) else iter([name])


def _leaves(keys: Keys, value: object) -> Iterator[Keys]:
    whole = keys[: len(SETS)] == SETS and isinstance(value, Mapping) and "kind" in value
    if whole or not isinstance(value, Mapping):  # a set of a kind has no settings of another one
        yield keys
        return
    for key, one in value.items():
        yield from _leaves((*keys, str(key)), one)


def _value(word: str) -> object:
    """As Hydra reads it; nothing of a sweep, or where that is told later."""
    try:
        found = OverridesParser.create().parse_override(word)
    except HydraException:
        return None
    return None if found.is_sweep_override() else found.value()
