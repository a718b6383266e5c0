"""The flags of `susystream run`: Hydra's, and `--from-run`.

In: what was typed. Out: nothing, or one line where a flag is unknown, lacks its value, or cannot
stand beside another: Hydra tells the first by its usage of many lines, and the last as a defect.
"""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterator, Sequence

from hydra._internal.utils import get_args_parser

from susystream.errors import SettingsError

FLAGS = {  # with two signs
    *("--cfg", "--config-dir", "--config-name", "--config-path", "--experimental-rerun"),
    *("--from-run", "--help", "--hydra-help", "--info", "--multirun", "--package", "--resolve"),
    *("--run", "--shell-completion"),
}
_HELP = ("-h", "--help")
_NAME = re.compile(r"-{1,2}[A-Za-z_-]*")
_SHELL = ("install=", "uninstall=", "query=")
_CHOICES = {
    "--cfg": "job, hydra or all",
    "--info": "all, config, defaults, defaults-tree, plugins or searchpath",
}


def asks_for_help(words: Sequence[str]) -> bool:
    """Whether the help of `susystream run` is to be shown."""
    return any(word in _HELP for word in words)


def check_flags(words: Sequence[str]) -> None:
    """Refuses flags that Hydra stumbles over.

    Args:
        words: Overrides, and flags behind them.

    Raises:
        SettingsError: One line; what is no flag is not repeated, for it may be a secret.
    """
    parser = get_args_parser()
    parser.add_argument("--from-run", nargs="?")  # ours; what stands behind it is checked later
    parser.allow_abbrev, parser.exit_on_error = False, False
    try:
        typed, unknown = parser.parse_known_args(list(words))
    except argparse.ArgumentError as error:
        raise SettingsError(_told(error)) from error
    if unknown:
        raise SettingsError(_unknown(unknown[0]))
    if not typed.help and typed.experimental_rerun is None:
        _check_together(typed)
        _check_shell(typed)


def _told(error: argparse.ArgumentError) -> str:
    """Of a flag without its value, or with a wrong one; argparse repeats what was typed."""
    flag = (error.argument_name or "a flag").partition("/")[0]
    if flag in _CHOICES:
        return _not_among(flag, error.message)
    if "ignored explicit argument" in error.message:
        return f"expected {flag} alone, received a value right behind it; put a blank between"
    if "expected one argument" in error.message:
        return f"expected {flag} with a value, received it alone; type one behind it"
    return f"expected {flag} as `susystream run --hydra-help` shows it; correct it"


def _not_among(flag: str, message: str) -> str:
    """Of a flag with a word that is none of its own: any but a typo may be a secret."""
    found = re.match(r"invalid choice: (['\"])(.*)\1 \(choose", message, re.S)  # as repr quotes it
    typed = found[2] if found else ""
    if difflib.get_close_matches(typed, re.findall(r"[a-z-]{3,}", _CHOICES[flag]), n=1):
        received = f"{flag} {typed}"
    else:  # an override that stands behind the flag is no value of it
        received = f"{flag} with another word" if found and "=" not in typed else f"{flag} alone"
    cure = "type --cfg job" if flag == "--cfg" else "type one of them"
    return f"expected {flag} with {_CHOICES[flag]}, received {received}; {cure}"


def _unknown(word: str) -> str:
    """Of one that is no flag: any but a typo of one may be a secret."""
    found = _NAME.match(word)
    flag = found[0] if found else ""
    near = difflib.get_close_matches(flag, sorted(FLAGS), n=1, cutoff=0.7)
    cure = f"did you mean {near[0]}?" if near else "leave it out"
    received = flag if near else "another (not repeated, for it may hold a secret)"
    return (
        f"expected flags of `susystream run --help` or `--hydra-help`, received {received}; {cure}"
    )


def _check_together(typed: argparse.Namespace) -> None:
    if typed.resolve and typed.cfg is None:
        raise SettingsError(
            "expected --resolve beside --cfg, received it alone; type --cfg job --resolve"
        )
    given = [] if typed.hydra_help else [*_tasks(typed)]
    if len(given) > 1:
        cure = "leave out all but one"
        if typed.multirun and typed.cfg:
            cure = "leave out -m and type one value of each setting to see what a trial would run"
        raise SettingsError(
            "expected one of --run, -m, --cfg, --info and --shell-completion, received "
            f"{' and '.join(given)}; {cure}"
        )


def _check_shell(typed: argparse.Namespace) -> None:
    if typed.shell_completion and not any(one.startswith(_SHELL) for one in typed.overrides):
        raise SettingsError(
            "expected --shell-completion with install, uninstall or query and a shell, received it "
            "alone; type --shell-completion install=bash"
        )


def _tasks(typed: argparse.Namespace) -> Iterator[str]:
    """The flags that each say what Hydra is to do."""
    if typed.run:
        yield "--run"
    if typed.multirun:
        yield "-m"
    if typed.cfg is not None:
        yield f"--cfg {typed.cfg}"
    if typed.info is not None:
        yield f"--info {typed.info}"
    if typed.shell_completion:
        yield "--shell-completion"
