"""What the run of a command bears beside its stage's own words.

In: who started the command. Out: a parent, a name and tags for its first run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CONFIG_HASH = "config_hash"
RECIPE = "recipe"
TESTED = "tested"  # the stage of a model's part of an evaluation, which watches the machine for all
VARIANT = "recipe_variant"  # JSON of the settings that are not as in the recipe: {} of none
SWEEP = "sweep"  # of a sweep's run: what differs between its trials, as typed
AS_TYPED = "as_typed"  # of a sweep's run: the hash of its settings before names came to ids
TRIAL = "trial"  # its number
REUSED = "reused"  # the stage of a trial that need not run: a copy of a run that finished before
REUSED_FROM = "reused_from"  # of such a copy: the id of that run, whose files and model count
TRIAL_STATE = "trial_state"
PRUNED = "pruned"
PRUNED_AT = "pruned_at"  # the value it was judged by
SEARCH = "search"
PARENT = "mlflow.parentRunId"  # by which MLflow puts a run below another
NOTE = "mlflow.note.content"  # MLflow's UI shows it as the run's description
RUNNING = "Running: "  # the description of a run that has not ended begins so
PROCESS = "mlflow.process"  # MLflow's UI does not show tags of this beginning


@dataclass(frozen=True, slots=True)
class Label:
    """Of the run of a command; of no run below it but for `everywhere`.

    Attributes:
        parent_run_id: The run it lies under; none: the one that `mlflow run` opened, or none.
        name: Instead of the stage's own.
        tags: Beside the stage's own.
        everywhere: The same, of all runs of the command.
    """

    parent_run_id: str | None = None
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    everywhere: Mapping[str, str] = field(default_factory=dict)
