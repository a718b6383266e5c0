"""Stage `train`: a network from exactly recorded offsets into the model store.

In: a registered data set. Out: a model document, read back and proven, tied to its MLflow run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from susystream.data.scaling import Scaler
from susystream.errors import DigestMismatch, SettingsError, StoreUnavailable
from susystream.model.network import Network, build_network
from susystream.model.training import fit
from susystream.registry.document import DatasetRecord, MlflowLink, ModelDocument
from susystream.schema import EventBatch, feature_indices
from susystream.settings import public_config, public_uri
from susystream.stages.context import StageContext
from susystream.stages.metering import Meter
from susystream.stages.models import document_of, prove_stored
from susystream.stages.readers import Reader, bad_messages_logged, open_reader
from susystream.stages.result import StageResult
from susystream.stream.dataset import SliceDataset
from susystream.stream.slices import ContentDigest, TopicSlice
from susystream.tracking.tracker import TrackedRun


@dataclass(frozen=True, slots=True)
class Parts:
    """A data set's slice as two: to train on and to validate on."""

    train: TopicSlice
    validation: TopicSlice


def train(context: StageContext, *, parent_run_id: str | None = None) -> StageResult:
    """Trains on `train.dataset`; the slice's count and digest are proven before the first step."""
    settings = context.settings
    started = time.monotonic()
    record = context.store.load_dataset(settings.train.dataset)
    context.console.heading(f"train {settings.model.name} on data set {record.dataset_id}")
    with context.tracker.run(
        "train",
        name=f"train {settings.model.name}",
        params=public_config(settings),
        tags={"dataset_id": record.dataset_id},
        parent_run_id=parent_run_id,
    ) as run:
        run.log_dataset(f"{record.name} {record.dataset_id}", record.to_json(), context="training")
        with bad_messages_logged(context, run):
            network, metrics = _train(context, record, run)
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
        )
        _store(context, run, document)
    context.console.say(f"  model {document.model_id} is stored and proven")
    return StageResult(
        "train",
        run.run_id,
        record.rows * settings.train.epochs,
        time.monotonic() - started,
        model_ids=(document.model_id,),
        dataset_ids=(record.dataset_id,),
        inputs={"slice": record.slice},
        metrics=metrics,
        objective=metrics.get("validation/auc"),
    )


def _train(
    context: StageContext, record: DatasetRecord, run: TrackedRun
) -> tuple[Network, dict[str, float]]:
    settings = context.settings
    network = _network(context, record)
    meter = Meter(run)
    reader = open_reader(context, record, meter)
    parts = _parts(context, record)
    digests, seconds = _prove(reader, parts, record)
    training, validation = _datasets(context, reader, parts, digests)
    metrics = {"stream/read_events_per_second": record.rows / seconds}
    run.log_metrics(metrics)
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
    return network, metrics | spent


def _parts(context: StageContext, record: DatasetRecord) -> Parts:
    """The data set in two.

    Raises:
        SettingsError: A validation part is wanted and would be empty.
    """
    fraction = context.settings.train.validation_fraction
    whole = TopicSlice.from_json(record.slice)
    parts = Parts(*whole.split(fraction))
    if fraction and not parts.validation.messages:
        raise SettingsError(
            f"expected train.validation_fraction={fraction} of {whole.messages} messages in "
            f"{len(whole.ranges)} partitions to be at least one, received none; publish with a "
            "smaller stream.codec.events_per_message, or set train.validation_fraction=0"
        )
    return parts


def _network(context: StageContext, record: DatasetRecord) -> Network:
    settings = context.settings
    chosen = feature_indices(settings.model.feature_names)
    scaler = Scaler.from_json(record.scaler)
    return build_network(
        features=len(chosen),
        hidden=settings.model.hidden,
        dropout=settings.model.dropout,
        activation=settings.model.activation,
        mean=[scaler.mean[i] for i in chosen],
        std=[scaler.std[i] for i in chosen],
        seed=settings.seed,
    )


def _prove(
    reader: Reader, parts: Parts, record: DatasetRecord
) -> tuple[tuple[ContentDigest, ContentDigest], float]:
    """Reads the whole slice once; the digests of both parts and the seconds it took.

    Raises:
        DigestMismatch: The log holds other events than were published.
    """
    started = time.monotonic()
    train, validation = (_digest(reader(part)) for part in (parts.train, parts.validation))
    whole = train.merge(validation)
    if whole.rows != record.rows or str(whole) != record.digest:
        raise DigestMismatch(
            f"expected {record.rows:,} events with digest {record.digest} in data set "
            f"{record.dataset_id}, read {whole.rows:,} with {whole}; publish the data again"
        )
    return (train, validation), time.monotonic() - started


def _digest(batches: Iterator[EventBatch]) -> ContentDigest:
    digest = ContentDigest()
    for batch in batches:
        digest = digest.update(batch)
    return digest


def _datasets(
    context: StageContext,
    reader: Reader,
    parts: Parts,
    digests: tuple[ContentDigest, ContentDigest],
) -> tuple[SliceDataset, SliceDataset | None]:
    """Both parts, every epoch of which is proven again; only events with other labels cannot be."""
    settings = context.settings

    def dataset(
        part: TopicSlice, digest: ContentDigest, *, window: int, shuffled: bool = False
    ) -> SliceDataset:
        def batches() -> Iterator[EventBatch]:
            events = reader(part)
            return _shuffled_labels(events, settings.seed) if shuffled else events

        return SliceDataset(
            batches,
            rows=digest.rows,
            expected=None if shuffled else digest,
            features=feature_indices(settings.model.feature_names),
            batch_size=settings.train.batch_size,
            shuffle_window=window,
            seed=settings.seed,
        )

    train, validation = digests
    training = dataset(
        parts.train,
        train,
        window=settings.train.shuffle_window,
        shuffled=settings.train.shuffle_labels,
    )
    return training, dataset(parts.validation, validation, window=0) if validation.rows else None


def _shuffled_labels(batches: Iterator[EventBatch], seed: int) -> Iterator[EventBatch]:
    """A check of the whole chain: with these labels nothing can be learned."""
    random = np.random.default_rng([seed, 1])
    for batch in batches:
        yield EventBatch(batch.numbers, batch.features, random.permutation(batch.labels))


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
        run.log_metrics(found, step=epoch)
        progress((epoch + 1) * rows)
        context.console.say(f"  epoch {epoch + 1}: {_figures(found)}")

    return on_epoch


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
