"""The runs that hold the figures of scored models.

In: an evaluation's run, what it scores. Out: a run for each model. Figures have the same names in
all of them, so that MLflow's UI compares models in charts and parallel coordinates; names with a
model's id in them would only add columns that no other run has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from susystream.registry.document import ModelDocument
from susystream.stages.context import StageContext
from susystream.stages.naming import end_of, read_by
from susystream.stages.shared import shared
from susystream.tracking.label import TESTED
from susystream.tracking.tracker import TrackedRun


@contextmanager
def runs_of(
    context: StageContext,
    run: TrackedRun,
    documents: Mapping[str, ModelDocument],
    names: Sequence[str],
) -> Iterator[dict[str, TrackedRun]]:
    """Open runs by the name of what is scored.

    Args:
        context: The tracking server.
        run: Of the evaluation; a single model's figures are its own.
        documents: The models by id.
        names: Ids, and that of an ensemble, which no document describes.
    """
    if len(names) == 1:
        yield {names[0]: run}
        return
    with ExitStack() as parts:
        yield {name: parts.enter_context(_part(context, run, name, documents)) for name in names}


@contextmanager
def _part(
    context: StageContext, run: TrackedRun, name: str, documents: Mapping[str, ModelDocument]
) -> Iterator[TrackedRun]:
    """The run of one model; its params are those that it was trained by."""
    document = documents.get(name)
    trained = [read_by("train", one.training.config) for one in documents.values()]
    # of an ensemble what its members share: it differs from them in nothing else
    own = shared(trained) if document is None else read_by("train", document.training.config)
    ensemble = {"ensemble": str(context.settings.evaluate.ensemble)}
    with context.tracker.run(
        TESTED,
        name=name if document is None else f"{end_of(name)} {document.name}",
        params=own,
        tags=ensemble if document is None else {"model_id": name},
        parent_run_id=run.run_id,
    ) as part:
        yield part
