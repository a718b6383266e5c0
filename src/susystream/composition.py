"""Composes a command from `conf/` with Hydra and runs it.

In: Hydra overrides as typed. Out: the stages, run; Hydra's errors as one line of ours.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from susystream.differences import differences
from susystream.disclosure import is_secret, public_text
from susystream.errors import SettingsError
from susystream.settings import Settings, check_settings
from susystream.sweeping.callback import sweeps_reported
from susystream.sweeping.trials import run_trial_of
from susystream.variant import variant_of

_HYDRA_NOISE = "Error executing job with overrides"
_WITH_VALUE = {  # Hydra's flags that take the next word
    *("--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn"),
    *("--config-dir", "-cd", "--experimental-rerun", "--from-run"),
}
_INFO = {"--info", "-i"}  # takes the next word only if that is one of these
_INFO_KINDS = {"all", "config", "defaults", "defaults-tree", "plugins", "searchpath"}


def config_folder() -> Path:
    """Where `conf/` is: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parents[1] / "conf"


def settings_of(config: DictConfig) -> Settings:
    """The checked settings of a composed configuration.

    Raises:
        SettingsError: A value is missing, unknown or out of range.
    """
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise SettingsError(_unresolved(str(error))) from error
    if not isinstance(plain, dict):
        raise SettingsError(f"expected a mapping of settings, received {type(plain).__name__}")
    return check_settings({str(key): value for key, value in plain.items()})


def run_composed(arguments: Sequence[str]) -> Any:
    """Runs what `arguments` (Hydra overrides and flags, in any order) compose.

    Raises:
        SettingsError: The command cannot be composed; known names are listed.
    """
    task = hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="config")
    overrides, flags = parted(arguments)
    with (
        _arguments([*overrides, *flags]),
        _raw_errors(),
        _told_in_one_line(),
        sweeps_reported(),
    ):
        return task(_run_job)()


def composed_settings(overrides: Sequence[str]) -> Settings:
    """The checked settings that overrides compose, without running anything.

    Raises:
        SettingsError: They cannot be composed, or a setting is wrong.
    """
    with (
        _told_in_one_line(),
        hydra.initialize_config_dir(str(config_folder()), version_base="1.3"),
    ):
        return settings_of(hydra.compose("config", overrides=list(overrides)))


@contextlib.contextmanager
def _told_in_one_line() -> Iterator[None]:
    """Hydra's errors as ours; known names are listed."""
    try:
        yield
    except MissingConfigException as error:
        raise SettingsError(_unknown_option(error)) from error
    except OverrideParseException as error:
        raise SettingsError(_unreadable(error)) from error
    except (HydraException, ConfigCompositionException, OmegaConfBaseException) as error:
        raise SettingsError(_unknown_key(str(error))) from error


def parted(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Overrides, and flags with their values: Hydra refuses overrides on both sides of a flag."""
    overrides: list[str] = []
    flags: list[str] = []
    for before, word in zip(["", *arguments], arguments, strict=False):
        value = before in _WITH_VALUE or (before in _INFO and word in _INFO_KINDS)
        (flags if value or word.startswith("-") else overrides).append(word)
    return overrides, flags


def _run_job(config: DictConfig) -> float | None:
    known = HydraConfig.get()
    if known.mode == RunMode.MULTIRUN:
        return run_trial_of(config, known)
    from susystream.stages.run import run_stage  # the stages load TensorFlow: only when needed

    return run_stage(
        settings_of(config),
        output=Path(known.runtime.output_dir),
        differs=differences(config),
        variant=variant_of(config, known),
    ).objective


@contextlib.contextmanager
def _arguments(arguments: Sequence[str]) -> Iterator[None]:
    """Hydra reads `sys.argv`; nothing else can give it a command line with its own flags."""
    before = sys.argv
    sys.argv = ["susystream run", *arguments]
    try:
        yield
    finally:
        sys.argv = before


@contextlib.contextmanager
def _raw_errors() -> Iterator[None]:
    """Errors leave Hydra as they are, without its own line before them."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        with contextlib.redirect_stderr(_WithoutNoise(sys.stderr)):
            yield
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before


class _WithoutNoise:
    """A text stream without the line Hydra writes before each error."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return len(text) if text.startswith(_HYDRA_NOISE) else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _unknown_option(error: MissingConfigException) -> str:
    group, _, option = public_text(str(error.missing_cfg_file or "")).rpartition("/")
    known = sorted(error.options or [])
    if not group or not known:
        return _one_line(str(error))
    return f"unknown {group} {option!r}: expected one of {', '.join(known)}" + _near(option, known)


def _unresolved(message: str) -> str:
    found = re.search(r"Environment variable '([^']+)' not found.*?full_key: (\S+)", message, re.S)
    if found is None:
        return _one_line(message)
    return f"expected environment variable {found[1]} for {found[2]}, there is none; set it"


def _unreadable(error: OverrideParseException) -> str:
    """Hydra keeps `=`, `,` and brackets for itself: an address with options needs quotes."""
    key, _, value = error.override.partition("=")
    if "security" in key.split(".") or is_secret(error.override):
        return (
            f"expected an override of Hydra's grammar, received {key}=(a hidden value); "
            "put quotes around each value within it"
        )
    reason = str(error).splitlines()[0]
    return _one_line(
        f"expected an override of Hydra's grammar, received {error.override} ({reason}); "
        + (f"put quotes around its value: \"{key}='…'\"" if value else "write key=value")
    )


def _unknown_key(message: str) -> str:
    """Hydra's message on one line, with the nearest known names behind an unknown key."""
    found = re.search(r"Could not override '([^']+)'", message)
    if found is None:
        return _one_line(message)
    key, known = found.group(1), known_keys()
    if key in known:  # a setting of another choice of its group, or one taken away before
        told = message.partition("full_key:")[0]
        return _one_line(f"setting {key!r} is not in what these choices compose: {told}")
    return f"unknown setting {key!r}" + (_near(key, known) or "; see `susystream run --cfg job`")


def known_keys() -> list[str]:
    """Every setting's dotted name and every group, from the composed defaults."""
    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = OmegaConf.to_container(hydra.compose("config"), resolve=False)
    names: list[str] = []

    def walk(node: object, prefix: str) -> None:
        if prefix:
            names.append(prefix)
        if isinstance(node, dict):
            for key, value in node.items():
                walk(value, f"{prefix}.{key}" if prefix else str(key))

    walk(config, "")
    return names


def _near(name: str, known: Sequence[str]) -> str:
    matches = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(matches)}?" if matches else ""


def _one_line(text: str) -> str:
    return public_text(" ".join(text.split()))  # Hydra repeats what was typed
