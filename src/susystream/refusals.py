"""What Hydra refuses, told as ours.

In: Hydra's errors. Out: one line each, with the nearest names of what can be set.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import re
import traceback
from collections.abc import Iterator, Mapping, Sequence

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf.errors import OmegaConfBaseException

from susystream.as_overrides import key_of
from susystream.disclosure import public_text, public_value
from susystream.errors import SettingsError
from susystream.known_settings import hydras_keys, known_keys, options_of
from susystream.unreadable import may_be_secret, told_unreadable

_UNFIT = re.compile(r"Error merging override (.*?)=(.*)", re.S)
_KINDS = (  # OmegaConf's words for what a value is not
    (r"to Integer", "a whole number"),
    (r"to Float", "a number"),
    (r"valid bool|to Boolean", "true or false"),
    (r"to string", "text"),
    (r"not a ListConfig, list", "a list"),
    (r"Cannot assign .* to Dict|is not a subclass of", "a mapping"),
    (r"is not Optional", "a value"),
    (r"expected one of \[(.*?)\]", r"one of \1"),
)
_MAPPING = re.compile(r"(?<!\$)\{")
_VALUE = re.compile(  # of a setting that a message of Hydra names, to the message's end or nearly
    r"(=|(?<=') is (?=.* and not ))(?:.*(?= looks like a config group)|.*)", re.S
)
_OPTION = re.compile(r"[\w./-]*")
_CHOOSING = {  # where Hydra looks for options of groups
    *("hydra._internal.defaults_list", "hydra.core.default_element"),
    "hydra._internal.config_repository",
}
_RANGES = "hydra.core.override_parser.types"  # where Hydra counts them out
_SWEEP_ALONE = re.compile(r"(?:Ambiguous value for argument|Sweep parameters) '(.*?)'\s", re.S)


@contextlib.contextmanager
def told_in_one_line() -> Iterator[None]:
    """Hydra's errors as ours; known names are listed."""
    try:
        yield
    except MissingConfigException as error:
        raise SettingsError(_unknown_option(error)) from error
    except OverrideParseException as error:
        raise SettingsError(told_unreadable(error)) from error
    except (HydraException, ConfigCompositionException, OmegaConfBaseException) as error:
        raise SettingsError(_unfit(error) or _told(str(error))) from error
    except (TypeError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.ENAMETOOLONG:
            raise
        passed = _modules_of(error)
        if _RANGES in passed:  # of a recipe: a typed one was refused before
            raise SettingsError(
                "expected ranges with a step other than 0 in hydra.sweeper.params, received one "
                "with 0; correct its third number"
            ) from error
        if _CHOOSING.isdisjoint(passed):
            raise
        raise SettingsError(
            "expected names of settings, groups and options, received another kind of value or one "
            "too long (not repeated, for it may hold a secret); write group=option"
        ) from error


def _modules_of(error: Exception) -> set[str]:
    """Those that it passed."""
    frames = traceback.walk_tb(error.__traceback__)
    return {str(frame.f_globals.get("__name__")) for frame, _ in frames}


def unresolved(message: str) -> str:
    """Of a value that is to come from elsewhere."""
    found = re.search(r"Environment variable '([^']+)' not found.*?full_key: (\S+)", message, re.S)
    if found is None:
        return _one_line(message)
    return f"expected environment variable {found[1]} for {found[2]}, there is none; set it"


def _unknown_option(error: MissingConfigException) -> str:
    missing, known = str(error.missing_cfg_file or ""), sorted(error.options or [])
    group = _group_of(missing, known)
    if not group or not known:
        return _repeated(str(error))
    option = missing.removeprefix(f"{group}/")
    hidden = not _OPTION.fullmatch(missing) or may_be_secret(missing)
    near = _did_you_mean(difflib.get_close_matches(option, known, n=3, cutoff=0.5))
    shown = "(a hidden value)" if hidden else repr(option)
    return f"unknown {group} {shown}: expected one of {', '.join(known)}{near}"


def _group_of(missing: str, known: Sequence[str]) -> str:
    """The longest beginning of a path that is a group with these options; what is typed may hold /.

    Of a group in a folder of the person's own, which is not known here, the first part.
    """
    parts = missing.split("/")
    begins = ["/".join(parts[:end]) for end in range(len(parts) - 1, 0, -1)]
    ours = (one for one in begins if options_of(one) and {*options_of(one)} <= {*known})
    return next(ours, begins[-1] if begins else "")


def _told(message: str) -> str:
    if found := _SWEEP_ALONE.match(message.strip()):
        return _sweep_alone(found[1])
    if found := re.search(r"Could not override '([^']+)'", message):
        return _unknown_key(found[1], message)
    return _repeated(message)


def _unfit(error: Exception) -> str | None:
    """A value of Hydra's own settings that is of another type; None if it is not that."""
    typed = _UNFIT.fullmatch(str(error).strip())
    if typed is None or error.__cause__ is None:
        return None
    reason = str(error.__cause__).partition("\n")[0]
    found = ((re.search(words, reason), kind) for words, kind in _KINDS)
    kind = next((one.expand(kind) for one, kind in found if one), "another kind of value")
    key = key_of(typed[1])
    return _one_line(
        f"setting {key}: expected {kind}, received {shown_of(key, typed[2])}; correct it"
    )


def _sweep_alone(override: str) -> str:
    """Several values outside a sweep."""
    name, _, value = override.partition("=")
    key = key_of(name)
    told = f"setting {key}: expected one value, received "
    cure = "add -m to sweep over them"
    if _is_hidden(override):
        return f"{told}several (hidden); {cure}, or put quotes around what holds a comma"
    if "(" not in value:
        cure += f", or write {key}=[{value}] for a list, \"{key}='{value}'\" for text"
    return _one_line(f"{told}{value}; {cure}")


def _unknown_key(key: str, message: str) -> str:
    """With the nearest known names behind it."""
    known, hydras = known_keys(), hydras_keys()
    if choices := hydras.get(key):
        return f"setting {key!r} is one of {' or '.join(choices)}; give that too"
    if key in known or key in hydras:  # of another choice of its group, or taken away before
        told = message.partition("full_key:")[0]
        return _repeated(f"setting {key!r} is not in what these choices compose: {told}")
    near = _nearest(key, known, hydras)
    return f"unknown setting {key!r}" + (
        _did_you_mean(near) or "; see `susystream run --cfg job`, and `--cfg hydra` for Hydra's own"
    )


def _nearest(key: str, known: Sequence[str], hydras: Mapping[str, Sequence[str]]) -> list[str]:
    """Names that end as this one, else those that look alike; Hydra's own with what has them."""
    ends = [one for one in [*known, *_of_sweeps(hydras)] if one.rpartition(".")[2] == key]
    names, most, least = (hydras, 2, 0.8) if key.startswith("hydra.") else (known, 3, 0.5)
    alike = ends or difflib.get_close_matches(key, names, n=most, cutoff=least)
    if not alike:
        last = {one.rpartition(".")[2]: one for one in _of_sweeps(hydras)}
        alike = [last[one] for one in difflib.get_close_matches(key, last, n=2, cutoff=0.7)]
    return [_with_choices(one, hydras.get(one, ())) for one in alike]


def _of_sweeps(hydras: Mapping[str, Sequence[str]]) -> list[str]:
    """Those of one choice or another, of which a person may not know that they are Hydra's."""
    return [name for name, choices in hydras.items() if choices]


def _with_choices(name: str, choices: Sequence[str]) -> str:
    return f"{name} (with {' or '.join(choices)})" if choices else name


def _did_you_mean(near: Sequence[str]) -> str:
    return f"; did you mean {' or '.join(near)}?" if near else ""


def shown_of(key: str, value: str) -> str:
    """What may be shown of a value as typed, for the setting or group of this name."""
    return "a hidden value" if _is_hidden(f"{key}={value}") else public_value(key, value)


def _is_hidden(typed: str) -> bool:
    """All of it, for a secret may stand anywhere in a mapping."""
    return bool(may_be_secret(typed) or _MAPPING.search(typed))


def _repeated(message: str) -> str:
    """One that repeats overrides: up to the first value, if that may be a secret."""
    return _one_line(_VALUE.sub(r"\1…", message, count=1) if _is_hidden(message) else message)


def _one_line(text: str) -> str:
    return public_text(" ".join(text.split()))  # Hydra repeats what was typed
