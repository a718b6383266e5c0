"""What a sweep judges its trials by: one figure of a stage, and which way it is better.

In: settings. Out: the figure's name, checked against all that the stage can give before anything
is computed, and the direction.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from susystream.direction import less_is_better
from susystream.errors import SettingsError
from susystream.evaluate.metrics import NAMES as FIGURES
from susystream.settings import Settings

EPOCH_FIGURES = (
    *("train/loss", "train/accuracy"),
    *("validation/loss", "validation/accuracy", "validation/auc", "validation/auc_stderr"),
)
_OF_STAGE = {
    "prepare": ("prepare/rows", "prepare/rows_per_second"),
    "publish": (
        *("stream/events", "stream/messages", "stream/bytes", "stream/resumed_messages"),
        "stream/events_per_second",
    ),
    "train": (
        *EPOCH_FIGURES,
        *("train/seconds", "train/rows_per_second", "stream/read_events_per_second"),
    ),
    "follow": (
        *("follow/test/auc", "follow/test/auc_stderr", "follow/test/log_loss"),
        *("follow/forgetting", "follow/validation/auc", "follow/validation/auc_stderr"),
        *("follow/first/auc", "follow/first/auc_stderr"),
        *("follow/parent/auc", "follow/parent/auc_stderr"),
    ),
    "evaluate": (),
    "score": ("score/events", "score/busy_events_per_second", "score/total_latency_p99_ms"),
}
_OF_SCAN = ("rows_per_second", "bad_rows")
_DEFAULT = {"train": "validation/auc", "pipeline": "validation/auc", "follow": "follow/test/auc"}


@dataclass(frozen=True, slots=True)
class Objective:
    """A figure to optimise.

    Attributes:
        name: As in `result.json`; None where the stage has no figure to be judged by.
        maximize: Whether more is better.
    """

    name: str | None
    maximize: bool = True

    @property
    def known_by_epoch(self) -> bool:
        """Whether each epoch of a training tells it: only then can a trial be pruned."""
        return self.name in EPOCH_FIGURES

    def of(self, metrics: Mapping[str, float]) -> float | None:
        """Its value, if it is there."""
        return None if self.name is None else metrics.get(self.name)


def objective_of(settings: Settings) -> Objective:
    """What the settings say a trial is judged by.

    Raises:
        SettingsError: The stage gives no figure of that name; the nearest names are listed.
    """
    wanted = settings.sweep
    name = wanted.metric or _default(settings)
    if wanted.metric is not None:
        _check(wanted.metric, settings)
    if name is None:
        return Objective(None)  # of nothing there is no direction
    direction = wanted.direction or ("minimize" if less_is_better(name) else "maximize")
    return Objective(name, direction == "maximize")


def known_figures(settings: Settings) -> tuple[str, ...]:
    """Every figure that the stage of these settings can give."""
    stage = _stage(settings)
    if stage == "pipeline":
        names = (*_OF_STAGE["publish"], *_OF_STAGE["train"], *_of_sets(settings))
    else:
        names = (*_OF_STAGE[stage], *(_of_sets(settings) if stage == "evaluate" else ()))
    validated = settings.train.validation_fraction > 0
    return tuple(one for one in names if validated or not one.startswith("validation/"))


def missing_figure(name: str, figures: Mapping[str, float]) -> str:
    """What is told of a trial that finished without the figure it is judged by."""
    return (
        f"setting sweep.metric: expected the figure {name} of the finished trial, received "
        f"{len(figures)} others; {_hint(name, tuple(figures))}"
    )


def _stage(settings: Settings) -> str:
    return "follow" if settings.train.follow else settings.stage.name


def _default(settings: Settings) -> str | None:
    name = _DEFAULT.get(_stage(settings))
    return name if name in known_figures(settings) else None


def _of_sets(settings: Settings) -> tuple[str, ...]:
    sets = settings.evaluate.sets if settings.evaluate.input is None else ("*",)
    return tuple(f"test/{one}/{figure}" for one in sets for figure in (*FIGURES, *_OF_SCAN))


def _check(name: str, settings: Settings) -> None:
    known = known_figures(settings)
    of_any_set = f"test/*/{name.rpartition('/')[2]}"  # a given file names its figures itself
    if name in known or (of_any_set in known and name.startswith("test/")):
        return
    raise SettingsError(
        f"setting sweep.metric: expected a figure of stage {_stage(settings)}, "
        f"received {name!r}; {_hint(name, known)}"
    )


def _hint(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(known)}"
