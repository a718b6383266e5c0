"""What `mlflow run` does to a command of MLproject.

In: the words that follow `susystream run` there. Out: one line where a parameter is none of the
entry point's, or the run lies in another experiment than was typed; a hint where the project is a
temporary copy. MLflow appends `--name value` for every unknown `-P name=value`, opens the run
before the command begins, and copies a project given by a git address to a folder of its own.
"""

from __future__ import annotations

import difflib
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from susystream.as_overrides import key_of
from susystream.composition import tracking_of
from susystream.errors import SettingsError
from susystream.flags import FLAGS
from susystream.known_settings import known_keys
from susystream.settings.places import is_within
from susystream.tracking.opened_by_mlflow import VARIABLE, check_place
from susystream.typed_names import name_of, replaced_by

HOME = "SUSYSTREAM_HOME"
_EXPERIMENT = ("tracking", "experiment")
_COMPOSED = re.compile(r"(?<!\\)\$\{(?!oc\.env:)")  # of settings that are not composed yet


def check_parameters(words: Sequence[str]) -> None:
    """Refuses parameters that the entry point does not have.

    Args:
        words: Flags beside `--overrides`: Hydra's and ours, or what MLflow made of a parameter.

    Raises:
        SettingsError: Naming them, and the nearest settings.
    """
    flags = (word.partition("=")[0] for word in words if word.startswith("--"))
    unknown = [one.removeprefix("--") for one in flags if one not in FLAGS]
    if not unknown:
        return
    near = [key for name in unknown for key in _settings_near(name)]
    raise SettingsError(
        "expected parameters that MLproject lists for this entry point, received "
        f"{', '.join(unknown)}; "
        + (f"did you mean {' or '.join(near)}? " if near else "")
        + f'any setting may stand in -P overrides="{near[0] if near else "name"}=value"'
    )


def check_experiment(words: Sequence[str]) -> None:
    """Refuses another experiment than that of the run which MLflow opened: a run stays in its own.

    Args:
        words: All that was typed.

    Raises:
        SettingsError: Naming both; or several were typed, or one that other settings decide.
        TrackingError: The tracking server does not answer.
    """
    if os.environ.get(VARIABLE) and _EXPERIMENT in replaced_by(words, {}):
        _check_written_out(words)
        tracking = tracking_of(words)
        timeout = tracking.timeout_seconds
        check_place(tracking.uri, tracking.experiment, timeout_seconds=timeout)


def _check_written_out(words: Sequence[str]) -> None:
    """The rest is not composed here: it may be swept, or lie in a folder given by a flag."""
    for word in words:
        name = name_of(word)
        if is_within(name, ["tracking"]) and _COMPOSED.search(word):
            raise SettingsError(
                f"setting {name}: expected a value without ${{…}} other than ${{oc.env:NAME}}, for "
                "mlflow run opened this run already, received one; write its value out, or leave "
                "it out and type `mlflow run --experiment-name NAME`"
            )


def temporary_hint(overrides: Sequence[str]) -> str | None:
    """Where things go if the current folder is MLflow's temporary copy and nobody said where."""
    here, given = Path.cwd(), {key_of(word) for word in overrides}
    copied = here.parent == Path(tempfile.gettempdir()).resolve() and here.name.startswith("tmp")
    if not copied or os.environ.get(HOME) or "home" in given:
        return None
    return (
        f"the project is MLflow's temporary copy {here}: data, models and results of this run stay "
        f"there; {HOME}=FOLDER, or home=FOLDER in overrides, keeps data and models elsewhere"
    )


def _settings_near(name: str) -> list[str]:
    last = {key.rpartition(".")[2]: key for key in reversed(known_keys())}
    return [last[one] for one in difflib.get_close_matches(name, last, n=2, cutoff=0.6)]
