"""What Hydra refuses, told as ours.

In: Hydra's errors. Out: one line each, with the nearest names of what can be set.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf.errors import OmegaConfBaseException

from susystream.as_overrides import key_of
from susystream.disclosure import is_secret, public_text, public_value
from susystream.errors import SettingsError
from susystream.known_settings import config_folder, hydras_keys, known_keys
from susystream.unreadable import told_unreadable

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


def check_named(overrides: Sequence[str]) -> None:
    """Refuses overrides of nothing, which Hydra stumbles over.

    Raises:
        SettingsError: There is one; its value is not repeated, for it may be a secret.
    """
    if not all(key_of(one).strip() for one in overrides):
        raise SettingsError(
            "expected overrides as key=value, received one without a name; write key=value, "
            "without blanks around ="
        )


def check_options(overrides: Sequence[str]) -> None:
    """Refuses what is no name where an option of a group is named, over which Hydra stumbles.

    Raises:
        SettingsError: There is one, as `train=3`.
    """
    parser = OverridesParser.create()
    for one in overrides:
        group = key_of(one)
        options = sorted(path.stem for path in (config_folder() / group).glob("*.yaml"))
        with contextlib.suppress(HydraException):  # which is told when it is composed
            if "=" in one and options and not _names_options(parser.parse_override(one)):
                received = public_value(group, one.partition("=")[2])
                raise SettingsError(
                    f"setting {group}: expected one of {', '.join(options)}, received {received}; "
                    "name one, or leave it out"
                )


def _names_options(override: Override) -> bool:
    value: object = override.value()
    named = value if isinstance(value, list) else [value]
    return override.is_sweep_override() or all(isinstance(one, (str, dict)) for one in named)


def unresolved(message: str) -> str:
    """Of a value that is to come from elsewhere."""
    found = re.search(r"Environment variable '([^']+)' not found.*?full_key: (\S+)", message, re.S)
    if found is None:
        return _one_line(message)
    return f"expected environment variable {found[1]} for {found[2]}, there is none; set it"


def _unknown_option(error: MissingConfigException) -> str:
    group, _, option = public_text(str(error.missing_cfg_file or "")).rpartition("/")
    known = sorted(error.options or [])
    if not group or not known:
        return _one_line(str(error))
    near = _did_you_mean(difflib.get_close_matches(option, known, n=3, cutoff=0.5))
    return f"unknown {group} {option!r}: expected one of {', '.join(known)}{near}"


def _told(message: str) -> str:
    if found := _SWEEP_ALONE.match(message.strip()):
        return _sweep_alone(found[1])
    if found := re.search(r"Could not override '([^']+)'", message):
        return _unknown_key(found[1], message)
    return _one_line(message)


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
        f"setting {key}: expected {kind}, received {public_value(key, typed[2])}; correct it"
    )


def _sweep_alone(override: str) -> str:
    """Several values outside a sweep."""
    name, _, value = override.partition("=")
    key = key_of(name)
    told = f"setting {key}: expected one value, received "
    if "security" in key.split(".") or is_secret(override):
        return f"{told}several (hidden); put quotes around what holds a comma"
    cure = "add -m to sweep over them"
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
        return _one_line(f"setting {key!r} is not in what these choices compose: {told}")
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


def _one_line(text: str) -> str:
    return public_text(" ".join(text.split()))  # Hydra repeats what was typed
