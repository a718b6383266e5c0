"""Reading the runs that a report is made of.

In: a tracking server, a recipe. Out: its newest finished runs and their figures; one line where a
run or a figure is not there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from susystream.errors import TrackingError
from susystream.evaluate.ensemble import NAME
from susystream.reports.form import Row, Value
from susystream.tracking.recipe_runs import RecipeRun, RecipeRuns


@dataclass(slots=True)
class Reading:
    """What a report reads, and from which runs it did.

    Attributes:
        runs: The tracking server.
        recipe: Of the report.
        command: That makes its runs.
        read: The runs that were read, in order.
    """

    runs: RecipeRuns
    recipe: str
    command: str
    read: dict[str, RecipeRun] = field(default_factory=dict)

    def newest(self, stage: str | None = None) -> RecipeRun:
        """The newest finished run of the recipe, of a stage if one is named.

        Raises:
            TrackingError: There is none.
        """
        found = self.runs.newest(self.recipe, stage=stage)
        if found is None:
            kind = f"a finished run (stage {stage})" if stage else "a finished run"
            raise TrackingError(
                f"expected {kind} of the recipe {self.recipe}, received none; "
                f"make one: {self.command}"
            )
        return self._noted(found)

    def trials(self, sweep: RecipeRun) -> list[RecipeRun]:
        """The trials of a sweep."""
        return [self._noted(one) for one in self.runs.trials(sweep)]

    def tested(self, run: RecipeRun) -> dict[str, RecipeRun]:
        """The parts of an evaluation of several models, by model id; the ensemble's by its name."""
        parts = self.runs.parts_of(run)
        return {one.tags.get("model_id") or NAME: self._noted(one) for one in parts}

    def training(self, run: RecipeRun, model_id: str | None = None) -> RecipeRun:
        """The run that trained the model of a run, or another model that it names.

        Raises:
            TrackingError: It is not on the tracking server.
        """
        wanted = model_id or run.tags.get("model_id", "")
        found = self.runs.training_of(wanted)
        if found is None:
            raise self._missing(f"the training of model {wanted or '(none)'}", run)
        return self._noted(found)

    def figure(self, run: RecipeRun, name: str) -> float:
        """A figure of a run.

        Raises:
            TrackingError: The run has none of that name.
        """
        if name not in run.metrics:
            raise self._missing(f"the figure {name}", run)
        return run.metrics[name]

    def row(self, run: RecipeRun, figures: Iterable[str], **more: Value) -> Row:
        """Figures of a run, behind what else is known of it."""
        return {**more, **{name: self.figure(run, name) for name in figures}}

    def _noted(self, run: RecipeRun) -> RecipeRun:
        self.read.setdefault(run.run_id, run)
        return run

    def _missing(self, what: str, run: RecipeRun) -> TrackingError:
        return TrackingError(
            f"expected {what} in run {run.run_id} of the recipe {self.recipe}, received none; "
            f"make another run: {self.command}"
        )


def param_of(run: RecipeRun, name: str) -> str | None:
    """A setting as it was; one that `mlflow run` logged as typed may have been overridden."""
    return run.params.get(f"config.{name}", run.params.get(name))
