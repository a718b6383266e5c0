"""What an evaluation found, as the tracking server keeps it.

In: the id of an evaluation, or of the chain it is a step of. Out: figures of each model, and which
events they are of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susystream.tracking.lookup import runs_below
from susystream.tracking.recorded_run import source_of, steps_of, tested_on

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_EVALUATE = "evaluate"


@dataclass(frozen=True, slots=True)
class RecordedTests:
    """What was found on which events.

    Attributes:
        figures: Of each model, by its id; by its name of what is no stored model.
        digests: Of the events, by the name of the set.
    """

    figures: dict[str, dict[str, float]]
    digests: dict[str, str]


def recorded_tests(client: MlflowClient, run_id: str) -> RecordedTests | None:
    """What a run tested; None if it is none that tests. The errors are MLflow's own."""
    run = client.get_run(run_id)
    run = steps_of(client, run).get(_EVALUATE, run)
    if run.data.tags.get("stage") != _EVALUATE:
        return None
    return RecordedTests(dict(_figures(client, run)), dict(_digests(run)))


def _figures(client: MlflowClient, run: Run) -> Iterator[tuple[str, dict[str, float]]]:
    """A single model's are those of the run itself."""
    parts = runs_below(client, run)
    for one in parts or [run]:
        name = one.data.tags.get("model_id", str(one.info.run_name))
        yield name, dict(one.data.metrics)


def _digests(run: Run) -> Iterator[tuple[str, str]]:
    for one in tested_on(run):
        yield one.dataset.name, str(source_of(one).get("digest"))
