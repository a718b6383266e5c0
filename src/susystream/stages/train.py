"""Stage `train`: a network from exactly recorded offsets into the model store.

In: a registered data set. Out: a model document, read back and proven, tied to its MLflow run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from susystream.errors import StoreUnavailable
from susystream.model.network import Network
from susystream.model.training import fit
from susystream.plots.learning import learning_figure
from susystream.registry.document import DatasetRecord, MlflowLink, ModelDocument
from susystream.settings import public_uri
from susystream.stages import notes
from susystream.stages.context import StageContext
from susystream.stages.metering import Meter
from susystream.stages.models import document_of, prove_stored
from susystream.stages.naming import dataset_title, end_of
from susystream.stages.overlap import seen_by_parent
from susystream.stages.proving import datasets, parts_of, prove
from susystream.stages.readers import bad_messages_logged, open_reader
from susystream.stages.repetition import compare_with_repeated
from susystream.stages.result import StageResult
from susystream.stages.starting import Origin, network_to_train
from susystream.stages.tracked import tracked
from susystream.tracking.tracker import TrackedRun

_BEST = "validation/auc"


def train(
    context: StageContext, *, parent_run_id: str | None = None, chain: str | None = None
) -> StageResult:
    """Trains on `train.dataset`; the slice's count and digest are proven before the first step.

    Args:
        context: Settings and connections.
        parent_run_id: The run that this one is a part of.
        chain: The chain of models that the new one is a step of.
    """
    settings = context.settings
    started = time.monotonic()
    record = context.store.load_dataset(settings.train.dataset)
    origin = _origin(context, chain)
    context.console.heading(f"train {settings.model.name} on data set {record.dataset_id}")
    if origin.parent:
        context.note(f"from the weights and the scaler of {origin.parent.model_id}")
    seen = seen_by_parent(context, record, origin)
    with tracked(
        context,
        "train",
        what=f"train on {end_of(record.dataset_id)}" if chain else None,
        usually="" if chain else settings.model.name,
        tags={"dataset_id": record.dataset_id, **origin.tags, **seen},
        facts={"dataset.name": record.name, "dataset.rows": record.rows},
        parent_run_id=parent_run_id,
    ) as run:
        run.log_dataset(dataset_title(record), record.to_json(), context="training")
        with bad_messages_logged(context, run):
            network, metrics, epochs = _train(context, record, origin, run)
        document = document_of(
            network,
            settings=settings,
            record=record,
            link=MlflowLink(
                experiment=run.experiment,
                run_id=run.run_id,
                tracking_uri=public_uri(settings.tracking.uri),
            ),
            metrics=metrics,
            origin=origin,
        )
        _store(context, run, document)
        curves = partial(learning_figure, epochs, title=document.model_id)
        run.log_figure("plots/learning_curves.png", curves)
        equal = compare_with_repeated(context, run, document)
        nested = parent_run_id is not None and chain is None
        run.set_note(notes.of_train(context, record, document, metrics, nested=nested))
    context.note(f"model {document.model_id} is stored and proven")
    return StageResult(
        "train",
        run.run_id,
        record.rows * settings.train.epochs,
        time.monotonic() - started,
        model_ids=(document.model_id,),
        dataset_ids=(record.dataset_id,),
        inputs={"slice": record.slice},
        metrics=metrics,
        objective=metrics.get(_BEST),
        repeats_equal=equal,
    )


def _origin(context: StageContext, chain: str | None) -> Origin:
    """What `train.parent` names."""
    selector = context.settings.train.parent
    if selector is None:
        return Origin(chain=chain)
    return Origin(context.store.load_model(selector), chain)


def _train(
    context: StageContext, record: DatasetRecord, origin: Origin, run: TrackedRun
) -> tuple[Network, dict[str, float], Sequence[dict[str, float]]]:
    """The network, its last figures, and those of each epoch."""
    settings = context.settings
    network = network_to_train(settings, record, origin)
    meter = Meter(run)
    reader = open_reader(context, record, meter)
    parts = parts_of(context, record)
    digests, seconds = prove(reader, parts, record)
    training, validation = datasets(context, reader, parts, digests)
    metrics = {"stream/read_events_per_second": record.rows / seconds}
    run.log_metrics(metrics, beside=True)
    total = training.rows * settings.train.epochs
    with context.console.progress("events trained on", total) as progress:
        history = fit(
            network,
            training,
            validation=validation,
            epochs=settings.train.epochs,
            learning_rate=settings.train.learning_rate,
            jit=settings.train.jit,
            on_epoch=_epoch_reporter(context, run, metrics, progress, training.rows),
        )
    spent = {
        "train/seconds": history.seconds,
        "train/rows_per_second": total / history.seconds,
    }
    meter.finish()
    run.log_metrics(spent)
    return network, metrics | spent, history.epochs


def _epoch_reporter(
    context: StageContext,
    run: TrackedRun,
    metrics: dict[str, float],
    progress: Callable[[int], None],
    rows: int,
) -> Callable[[int, dict[str, float]], None]:
    """What to do after each epoch: keep, track and show its figures."""

    def on_epoch(epoch: int, found: dict[str, float]) -> None:
        metrics.update(found)
        run.log_metrics(_most_telling_first(found), step=epoch)
        progress((epoch + 1) * rows)
        context.note(f"epoch {epoch + 1}: {_figures(found)}")
        context.on_epoch(epoch, found)

    return on_epoch


def _most_telling_first(metrics: dict[str, float]) -> dict[str, float]:
    """MLflow's UI opens a comparison of runs with the first."""
    return {name: metrics[name] for name in sorted(metrics, key=lambda one: one != _BEST)}


def _figures(metrics: dict[str, float]) -> str:
    """The figures of an epoch, short enough for a line of 80 columns."""
    names = {
        "train/loss": "loss",
        "train/accuracy": "accuracy",
        "validation/loss": "validation loss",
        "validation/auc": "AUC",
    }
    return ", ".join(f"{names[name]} {metrics[name]:.4f}" for name in names if name in metrics)


def _store(context: StageContext, run: TrackedRun, document: ModelDocument) -> None:
    """Stores and links the model; until both are proven, no selector but its id finds it."""
    with _kept(context, run, document):
        context.store.save_model(document.model_copy(update={"status": "unproven"}))
    prove_stored(context.store.load_model(document.model_id))
    run.set_tags({"model_id": document.model_id})
    run.log_artifact_text("model.json", document.to_canonical_json())
    run.log_metrics({"model/parameters": float(document.parameters)})
    context.store.set_status(document.model_id, document.status)


@contextmanager
def _kept(context: StageContext, run: TrackedRun, document: ModelDocument) -> Iterator[None]:
    """A trained model outlives a store that went away meanwhile: as a file of this run."""
    try:
        yield
    except StoreUnavailable as error:
        path = context.output / "model.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document.to_canonical_json(), encoding="utf-8")
        run.set_tags({"model_id": document.model_id})  # an imported model proves this end too
        raise StoreUnavailable(
            f"{error}; the trained model is kept: susystream models import {path}"
        ) from error
