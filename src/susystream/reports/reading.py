"""Reading the runs that a report is made of.

In: a tracking server, a recipe. Out: its newest finished runs and their figures; one line where a
run or a figure is not there. A run with other settings than the recipe's counts only if it is asked
for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from susystream.errors import TrackingError
from susystream.evaluate.ensemble import NAME
from susystream.reports.form import Row, Value
from susystream.tracking.label import TESTED
from susystream.tracking.recipe_runs import RecipeRun, RecipeRuns

_STEP = ("stage", "hydra.mode")  # which of a recipe's commands it is
_UNKNOWN = {"settings": "not recorded"}  # of a run that says nothing of its recipe
_AND = " and "  # between unlike values
_MOST_TOLD = 200  # letters


@dataclass(slots=True)
class Reading:
    """What a report reads, and from which runs it did.

    Attributes:
        runs: The tracking server.
        recipe: Of the report.
        command: That makes its runs.
        any_settings: Whether runs count that set something otherwise than the recipe.
        read: The runs that were read, in order.
        otherwise: What they set otherwise, with each value that a setting had.
        left_out: How many trials have no figures, by what became of them.
    """

    runs: RecipeRuns
    recipe: str
    command: str
    any_settings: bool = False
    read: dict[str, RecipeRun] = field(default_factory=dict)
    otherwise: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def variant(self) -> dict[str, str]:
        """What the runs set otherwise; unlike values of one setting are joined."""
        return {name: _AND.join(values) for name, values in self.otherwise.items()}

    def newest(self, stage: str | None = None) -> RecipeRun:
        """The newest finished run of the recipe, of a stage if one is named.

        Raises:
            TrackingError: There is none.
        """
        kind = f"a finished run{f' (stage {stage})' if stage else ''} of the recipe {self.recipe}"
        other: RecipeRun | None = None
        for one in self.runs.finished(self.recipe, stage=stage):
            variant = _variant(one, step=stage is not None)
            if self.any_settings or not variant:
                self._keep(variant)
                return self._noted(one)
            other = other or one
        if other is not None:
            told = _told(_variant(other, step=stage is not None))
            raise TrackingError(
                f"expected {kind} as it stands, received only such with other settings, the newest "
                f"{other.run_id} with {told}; make one: {self.command}, or report that one: "
                f"susystream report {self.recipe} --any-settings"
            )
        raise TrackingError(f"expected {kind}, received none; make one: {self.command}")

    def as_recipe(
        self, run: RecipeRun, beside: Mapping[str, str] = MappingProxyType({})
    ) -> RecipeRun:
        """A training that another run named, which may have been of something else.

        So may its data set have been. What publishes data sets may set `beside` otherwise.

        Raises:
            TrackingError: It was, and such runs do not count.
        """
        self._hold(f"run {run.run_id}", self._otherwise(run))
        dataset_id = run.tags.get("dataset_id", "")
        what = f"data set {dataset_id or '(none)'} of run {run.run_id}"
        self._hold(f"the publication of {what}", self._published(dataset_id, beside))
        return run

    def trials(self, sweep: RecipeRun) -> list[RecipeRun]:
        """The finished trials of a sweep; how many others there are is kept.

        Raises:
            TrackingError: There is none.
        """
        found = self.runs.trials(sweep)
        if found is None:
            raise self.missing("the file trials.csv", sweep)
        self.left_out |= found.others
        if not found.done:
            raise self.missing("a finished trial", sweep)
        return [self._noted(one) for one in found.done]

    def setting(self, run: RecipeRun, name: str) -> str:
        """What a run was set to, as typed or as it was.

        Raises:
            TrackingError: It has no such setting.
        """
        found = run.swept.get(name) or param_of(run, name)
        if found is None:
            raise self.missing(f"the setting {name}", run)
        return found

    def tested(self, run: RecipeRun, wanted: Iterable[str]) -> list[RecipeRun]:
        """The parts of an evaluation of several models: of each model id, and of an ensemble.

        Raises:
            TrackingError: One of them is not there.
        """
        parts = [one for one in self.runs.parts_of(run) if one.tags.get("stage") == TESTED]
        known = {one.tags.get("model_id") or NAME: one for one in parts}
        found = []
        for name in wanted:
            if name not in known:
                raise self.missing(f"the figures of {name} among several models", run)
            found.append(self._noted(known[name]))
        return found

    def training(self, run: RecipeRun, model_id: str | None = None) -> RecipeRun:
        """The run that trained the model of a run, or another model that it names.

        Raises:
            TrackingError: It is not on the tracking server.
        """
        wanted = model_id or run.tags.get("model_id", "")
        found = self.runs.training_of(wanted)
        if found is None:
            raise self.missing(f"the training of model {wanted or '(none)'}", run)
        return self._noted(found)

    def figure(self, run: RecipeRun, name: str) -> float:
        """A figure of a run.

        Raises:
            TrackingError: The run has none of that name.
        """
        if name not in run.metrics:
            raise self.missing(f"the figure {name}", run)
        return run.metrics[name]

    def row(self, run: RecipeRun, figures: Iterable[str], **more: Value) -> Row:
        """Figures of a run, behind what else is known of it."""
        return {**more, **{name: self.figure(run, name) for name in figures}}

    def missing(self, what: str, run: RecipeRun) -> TrackingError:
        """The error of something that a run has not."""
        return TrackingError(
            f"expected {what} in run {run.run_id} of the recipe {self.recipe}, received none; "
            f"make another run: {self.command}"
        )

    def _published(self, dataset_id: str, beside: Mapping[str, str]) -> dict[str, str]:
        """What a data set's publication set otherwise; of several, the one most like the recipe."""
        runs = self.runs.publications_of(dataset_id)
        found = [
            {name: one for name, one in self._otherwise(run).items() if beside.get(name) != one}
            for run in runs
        ]
        return min(found, key=len, default=_UNKNOWN)

    def _otherwise(self, run: RecipeRun) -> dict[str, str]:
        """What a step of the recipe's commands set otherwise, the recipe too."""
        recipe = self.runs.recipe_of(run)
        if recipe is None:
            return _UNKNOWN
        own = {} if recipe == self.recipe else {"experiment": recipe}
        return own | _variant(run, step=True)

    def _hold(self, what: str, variant: Mapping[str, str]) -> None:
        """Raises TrackingError for other settings than the recipe's, unless they count."""
        if variant and not self.any_settings:
            raise TrackingError(
                f"expected {what} with the settings of the recipe {self.recipe}, received "
                f"{_told(variant)}; make all of its runs: {self.command}, or report these: "
                f"susystream report {self.recipe} --any-settings"
            )
        self._keep(variant)

    def _keep(self, variant: Mapping[str, str]) -> None:
        for name, one in variant.items():
            known = self.otherwise.setdefault(name, [])
            if one not in known:
                known.append(one)

    def _noted(self, run: RecipeRun) -> RecipeRun:
        self.read.setdefault(run.run_id, run)
        return run


def _variant(run: RecipeRun, *, step: bool) -> dict[str, str]:
    """What a run set otherwise than its recipe.

    Args:
        run: Of the recipe.
        step: Whether it may be any of the recipe's commands; a sweep of another stage is none.
    """
    if run.variant is None:
        return _UNKNOWN
    which = _STEP if step and run.tags.get("stage") != "sweep" else ()
    return {name: one for name, one in run.variant.items() if name not in which}


def _told(variant: Mapping[str, str]) -> str:
    text = " ".join(f"{name}={one}" for name, one in variant.items())
    return text if len(text) <= _MOST_TOLD else text[: _MOST_TOLD - 1] + "…"


def param_of(run: RecipeRun, name: str) -> str | None:
    """A setting as it was; one that `mlflow run` logged as typed may have been overridden."""
    return run.params.get(f"config.{name}", run.params.get(name))
