"""Overrides that Hydra cannot read.

In: one as typed, and Hydra's reason. Out: one line: what is wrong with it, and what to type.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable

from hydra.core.override_parser.overrides_parser import OverridesParser, create_functions
from hydra.errors import HydraException, OverrideParseException

from susystream.as_overrides import for_a_shell
from susystream.disclosure import (
    SECRET_SECURITY,
    SHOWN_SECURITY,
    is_secret,
    public_text,
    public_uri,
    unsecret,
)
from susystream.settings import Settings

_FUNCTIONS = sorted(create_functions().functions)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\\.""")
_CALLED = re.compile(r"(?<![^=,(\[])([A-Za-z_]\w*)(?=\()")
_NAME = re.compile(r"[+~]*([A-Za-z_][\w./]*)")
_FIRST = {*Settings.model_fields, "hydra"}  # what a name of ours begins with
_SECURITY = {*SHOWN_SECURITY, *SECRET_SECURITY}
_SECURED = re.compile(r"(?<![^\W_])(?:security(?![^\W_])|s(?:as|s)l\.)", re.IGNORECASE)
_ADDRESS = re.compile(r"(?<![^\W_])ur[il](?![^\W_])|://", re.IGNORECASE)
_WHOLE_ADDRESS = re.compile(r"[A-Za-z][\w.+-]*://[^\s{}]*")
_EMPTY = re.compile(r"(?<=[=,(\[])\s*,|,\s*(?=$|[)\]])")


def told_unreadable(error: OverrideParseException) -> str:
    """What is told of it; Hydra keeps `=`, `,` and brackets for itself.

    An override that would be one with a missing bracket, a comma less or a function's right name
    is given so; any other value is taken for text, which needs quotes.
    """
    override = str(error.override)
    key, sign, value = override.partition("=")
    if not sign:  # where its name ends and a secret begins is not known
        return (
            f"expected an override of Hydra's grammar, received {_known(key) or 'one'} without =; "
            "write key=value, with quotes around what is no plain word"
        )
    if may_be_secret(override):
        name = key if _NAME.fullmatch(key.strip()) else _known(key) or "a name"
        named = is_secret(override) or _SECURED.search(override)
        whole = not named and _WHOLE_ADDRESS.fullmatch(value)
        shown = public_uri(value) if whole else "(a hidden value)"
        quotes = "each value within it" if "{" in value else f"its value: \"{name}='…'\""
        return (  # without Hydra's reason, which repeats a part
            f"expected an override of Hydra's grammar, received {name}={shown}; "
            f"put quotes around {quotes}"
        )
    reason, cure = _mended(override) or (_reason(error), _otherwise(key, value))
    return public_text(
        f"expected an override of Hydra's grammar, received {override} ({reason}); {cure}"
    )


def may_be_secret(override: str) -> bool:
    """Whether a secret may stand in it, at any place: where a value begins and ends is not known.

    Example:
        >>> may_be_secret("stream=[{security:{x:hunter2}}]"), may_be_secret("seed=3")
        (True, False)
    """
    login = _ADDRESS.search(override) and set(override) & {"@", " "}  # it may go on behind a blank
    return bool(login or _SECURED.search(override) or is_secret(override))


def _known(word: str) -> str:
    """The setting of ours that a word begins with, so far as that is no secret; else nothing."""
    found = _NAME.match(word)
    name = found[1] if found else ""
    if name not in _SECURITY and re.split("[./]", name)[0] not in _FIRST:
        return ""
    group, inside, rest = name.partition(".security.")
    return f"{group}.security" if inside and rest not in _SECURITY else unsecret(name)


def _mended(override: str) -> tuple[str, str] | None:
    """What is wrong, and the override without it, if Hydra can read that."""
    mends: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("blanks around =", lambda text: re.sub(r"\s*=\s*", "=", text, count=1)),
        ("a value is missing beside a comma", lambda text: _EMPTY.sub("", text)),
        ("a quote is not closed", _quoted),
        ("a bracket is not closed", _closed),
        ("there is no such function", _with_known_functions),
    )
    found, reasons = override, list[str]()
    for reason, mend in mends:
        better = mend(found)
        if better != found:
            found, reasons = better, [*reasons, reason]
        if reasons and _is_readable(found):
            return " and ".join(reasons), f"did you mean {for_a_shell(found)}?"
    return None


def _quoted(override: str) -> str:
    """With the quotation mark behind it that is still open."""
    left = [mark for mark in _QUOTED.sub("", override) if mark in "'\""]
    return override + "".join(left[:1])


def _closed(override: str) -> str:
    """With the brackets behind it that are still open."""
    still: list[str] = []
    for mark in _QUOTED.sub("", override):
        if mark in _CLOSING:
            still.append(_CLOSING[mark])
        elif still and mark == still[-1]:
            still.pop()
    return override + "".join(reversed(still))


def _with_known_functions(override: str) -> str:
    return _CALLED.sub(lambda found: _nearest(found[1]), override)


def _nearest(function: str) -> str:
    return next(iter(difflib.get_close_matches(function, _FUNCTIONS, n=1)), function)


def _is_readable(override: str) -> bool:
    try:
        OverridesParser.create().parse_overrides([override])
    except HydraException:
        return False
    return True


def _reason(error: OverrideParseException) -> str:
    """Hydra's; its own words for a function's mistake, not for what it expected instead."""
    lines = str(error).splitlines()
    if lines[0].startswith("Lexer"):
        return "a character that Hydra keeps for itself"
    evaluated = len(lines) > 1 and " while evaluating " in lines[1]
    return lines[1].partition(": ")[2] if evaluated else lines[0].partition(" expecting ")[0]


def _otherwise(key: str, value: str) -> str:
    quotes = f"put quotes around its value: \"{key}='…'\""
    called = _CALLED.findall(f"={value}")
    if not called:
        return quotes
    known = [one for one in called if one in _FUNCTIONS]
    if known:
        return f"correct what stands in the brackets of {known[0]}"
    return f"functions are {', '.join(_FUNCTIONS)}; if it is text, {quotes}"
