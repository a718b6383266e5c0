"""A logged run as Hydra overrides.

In: what a run logged. Out: overrides that compose exactly its settings. Addresses, folders and
time-outs are those of this command, for they are no part of what was computed; what the run chose
by name (`latest`) is told by its id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from susystream.as_overrides import (
    Keys,
    at,
    choices_of,
    differences,
    for_a_shell,
    keys_of,
    set_by,
    with_value,
)
from susystream.composition import composed_settings
from susystream.errors import SettingsError
from susystream.exact_ids import exact_ids, never_said
from susystream.settings import Settings, check_settings, public_config
from susystream.settings.named_sets import DATASET, INPUT, SETS
from susystream.settings.places import PLACES
from susystream.tracking.recorded_run import RecordedRun
from susystream.typed_names import is_replaced, leaves, name_of, replaced_by

_OF_THIS_COMMAND = (*PLACES, "sweep", "repeats")
_HIDDEN = "***"  # what stands in logs for a secret


def overrides_of(run: RecordedRun, *, stage: str, typed: Sequence[str]) -> list[str]:
    """What composes a run's settings, at the places of this command.

    Args:
        run: As it was logged.
        stage: The stage to repeat: the run's own, or a step of its chain.
        typed: Overrides and flags that come behind: what they set is left out.

    Raises:
        SettingsError: A setting is not known here, was hidden in the log, or names what the run
            never said the id of.
    """
    chosen = _words(choices_of(run.config))
    with _of_another_version(run):
        base = composed_settings(chosen)
        wanted = public_config(_settings(run, base, stage))
    changes = list(differences(wanted, public_config(base)))
    _check(run, [*chosen, *(word for _, word in changes)], wanted)
    usual = _words(choices_of(public_config(composed_settings([]))))
    told = [(keys_of(name_of(word)), word) for word in chosen if word not in usual]
    replaced = replaced_by(typed, wanted)
    kept = [(keys, word) for keys, word in [*told, *changes] if not is_replaced(keys, replaced)]
    values = ((keys, at(wanted, keys)) for keys, word in kept if _HIDDEN in word)
    _check_nothing_hidden(run, values, replaced)
    _check_all_said(run, stage, replaced)
    return [word for _, word in kept]


def _words(choices: Mapping[str, str | None]) -> list[str]:
    return [f"{group}={one}" for group, one in choices.items() if one is not None]


def _check(run: RecordedRun, words: Sequence[str], wanted: Mapping[str, Any]) -> None:
    """Proves that overrides compose exactly the settings they were made of."""
    if public_config(composed_settings(words)) != wanted:
        raise SettingsError(
            f"expected run {run.run_id} as overrides to compose its own settings, received others; "
            "report this, and type the settings of its config.yaml"
        )


def _settings(run: RecordedRun, base: Settings, stage: str) -> Settings:
    """What the run logged, at the places of `base`, with exact ids for what it chose by name."""
    config: dict[str, Any] = dict(run.config)
    places = base.model_dump(mode="json")
    for place in _OF_THIS_COMMAND:
        group, _, name = place.rpartition(".")
        if name in (at(places, group) if group else places):  # a local engine has no master
            config = with_value(config, place, at(places, place))
    for keys, value in exact_ids(run, stage).items():
        config = with_value(config, keys, value)
    return check_settings(config)


@contextmanager
def _of_another_version(run: RecordedRun) -> Iterator[None]:
    """A setting that is not known here is one of other code."""
    try:
        yield
    except SettingsError as error:
        commit, version = run.tags.get("commit", "unknown"), run.tags.get("version", "unknown")
        raise SettingsError(
            f"expected settings known here in run {run.run_id}, received those of version "
            f"{version}, commit {commit[:12]} ({str(error).partition('; ')[0]}); repeat it with "
            "that commit"
        ) from error


def _check_nothing_hidden(
    run: RecordedRun, told: Iterable[tuple[Keys, object]], replaced: Sequence[Keys]
) -> None:
    """Of a mapping that is told whole each secret may be typed, which is merged over its `***`."""
    for keys, value in (leaf for one in told for leaf in leaves(*one)):
        if _HIDDEN in str(value) and not is_replaced(keys, replaced):
            raise SettingsError(
                f"expected {'.'.join(keys)} to repeat run {run.run_id}, received a value that was "
                f"hidden when it was logged; type it: {_cure(keys)}"
            )


def _check_all_said(run: RecordedRun, stage: str, replaced: Sequence[Keys]) -> None:
    """A name would be taken for what it names now."""
    if INPUT in replaced:
        replaced = [*replaced, SETS]
    for keys, text in never_said(run, stage).items():
        if not is_replaced(keys, replaced):
            raise SettingsError(
                f"expected run {run.run_id} to say which id {'.'.join(keys)}={text} was, "
                "received none: it ended before, or the run of that step is gone; "
                f"type one: {_cure(keys, f'{DATASET}…')}"
            )


def _cure(keys: Keys, value: str = "…") -> str:
    """What to type: a key that holds a dot, a set's or Spark's, is no part of a dotted name."""
    if any("." in key for key in keys):
        return for_a_shell(set_by(keys, value))
    return f"{'.'.join(keys)}=…"
