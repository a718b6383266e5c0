"""A data set's slice in two parts, each proven before the first step and again in every epoch.

In: the record of a data set and its reader. Out: what a network learns from and is judged by.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from susystream.errors import DigestMismatch, SettingsError
from susystream.registry.document import DatasetRecord
from susystream.schema import EventBatch, feature_indices
from susystream.stages.context import StageContext
from susystream.stages.readers import Reader
from susystream.stream.dataset import SliceDataset
from susystream.stream.slices import ContentDigest, TopicSlice


@dataclass(frozen=True, slots=True)
class Parts:
    """A data set's slice as two: to train on and to validate on."""

    train: TopicSlice
    validation: TopicSlice


def parts_of(context: StageContext, record: DatasetRecord) -> Parts:
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


def prove(
    reader: Reader, parts: Parts, record: DatasetRecord
) -> tuple[tuple[ContentDigest, ContentDigest], float]:
    """Reads the whole slice once; the digests of both parts and the seconds it took.

    Raises:
        DigestMismatch: The log holds other events than were published.
    """
    started = time.monotonic()
    train, validation = (ContentDigest.of(reader(part)) for part in (parts.train, parts.validation))
    whole = train.merge(validation)
    if whole.rows != record.rows or str(whole) != record.digest:
        raise DigestMismatch(
            f"expected {record.rows:,} events with digest {record.digest} in data set "
            f"{record.dataset_id}, read {whole.rows:,} with {whole}; publish the data again"
        )
    return (train, validation), time.monotonic() - started


def datasets(
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
