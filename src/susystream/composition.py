"""Composes a command from `conf/` with Hydra and runs it.

In: Hydra overrides as typed. Out: the stages, run; Hydra's errors as one line of ours.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from susystream.differences import differences
from susystream.errors import SettingsError
from susystream.flags import asks_for_help
from susystream.help_comments import with_comments
from susystream.known_settings import config_folder
from susystream.refusals import told_in_one_line, unresolved
from susystream.settings import Settings, check_settings
from susystream.settings.places import is_within
from susystream.settings.tracking import TrackingSettings
from susystream.sweeping.callback import sweeps_reported
from susystream.sweeping.chosen import check_one_place
from susystream.sweeping.trials import run_trial_of
from susystream.tracking.contact import check_early
from susystream.typed_names import is_swept, name_of
from susystream.typed_values import check_named, check_values
from susystream.variant import variant_of

__all__ = ["composed_settings", "config_folder", "run_composed", "settings_of"]

_HYDRA_NOISE = "Error executing job with overrides"
_WITH_VALUE = {  # Hydra's flags that take the next word
    *("--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn"),
    *("--config-dir", "-cd", "--experimental-rerun", "--from-run"),
}
_INFO = {"--info", "-i"}  # takes the next word only if that is one of these
_INFO_KINDS = {"all", "config", "defaults", "defaults-tree", "plugins", "searchpath"}


def settings_of(config: DictConfig) -> Settings:
    """The checked settings of a composed configuration.

    Raises:
        SettingsError: A value is missing, unknown or out of range.
    """
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise SettingsError(unresolved(str(error))) from error
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
    check_named(overrides)
    check_values(overrides)
    with (
        _arguments([*overrides, *flags]),
        _raw_errors(),
        told_in_one_line(),
        sweeps_reported(),
        _commented_help() if asks_for_help(flags) else contextlib.nullcontext(),
    ):
        return task(_run_job)()


def composed_settings(overrides: Sequence[str]) -> Settings:
    """The checked settings that overrides compose, without running anything.

    Raises:
        SettingsError: They cannot be composed, or a setting is wrong.
    """
    check_values(overrides)
    with (
        told_in_one_line(),
        hydra.initialize_config_dir(str(config_folder()), version_base="1.3"),
    ):
        return settings_of(hydra.compose("config", overrides=list(overrides)))


def tracking_of(words: Sequence[str]) -> TrackingSettings:
    """The tracking settings among what was typed; the rest is not checked, nor what is swept.

    Raises:
        SettingsError: One of them is wrong, or of where runs lie there are several.
    """
    ours = [one for one in words if is_within(name_of(one), ["tracking"])]
    check_one_place(name_of(one) for one in ours if is_swept(one))
    return composed_settings([one for one in ours if not is_swept(one)]).tracking


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
    settings = settings_of(config)
    if uri := settings.tracking.uri:  # what is wrong is told before TensorFlow is loaded
        check_early(uri, timeout_seconds=settings.tracking.timeout_seconds)
    from susystream.stages.run import run_stage

    return run_stage(
        settings,
        output=Path(known.runtime.output_dir),
        differs=differences(config),
        variant=variant_of(config, known),
    ).objective


@contextlib.contextmanager
def _commented_help() -> Iterator[None]:
    """Hydra prints the settings without what conf/ says of them."""
    told = io.StringIO()
    try:
        with contextlib.redirect_stdout(told):
            yield
    finally:
        if text := told.getvalue():
            choices = HydraConfig.get().runtime.choices
            sys.stdout.write(with_comments(text, config_folder(), choices))


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
