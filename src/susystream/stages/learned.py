"""What models learned from: their own data sets, and those of the models they started from.

In: models. Out: every data set whose events are in their weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from susystream.errors import NotFound, RegistryError
from susystream.registry.document import DatasetRecord, ModelSummary
from susystream.stages.context import StageContext
from susystream.stream.slices import TopicSlice


@dataclass(frozen=True, slots=True)
class Learned:
    """A data set in the weights of a model.

    Attributes:
        who: Whose weights, for a person.
        dataset_id: Of the data set.
        slice: Where its events lay.
        fitted: The part of it that the weights were fitted to; the rest only validated them.
        record: As registered; None where this store does not know it.
        own: Whether the model itself was trained on it, not one that it comes from.
    """

    who: str
    dataset_id: str
    slice: TopicSlice
    fitted: TopicSlice
    record: DatasetRecord | None
    own: bool = True


def learned_by(
    context: StageContext, documents: Sequence[ModelSummary], *, whole: bool = False
) -> list[Learned]:
    """Every data set that models or their parents were trained on, a model's own first.

    Args:
        context: The store.
        documents: The models.
        whole: Whether to refuse models of whose parents the store does not know all; else it is
            told, and their data sets are missing here.

    Raises:
        RegistryError: There is such a parent.
    """
    known = _known(context) if any(one.training.parent_model_id for one in documents) else {}
    return [
        Learned(
            f"model {document.model_id}",
            one.training.dataset_id,
            TopicSlice.from_json(one.training.slice),
            _fitted(one),
            _record(context, one.training.dataset_id),
            own=one is document,
        )
        for document in documents
        for one in [document, *_parents(context, document, known, whole=whole)]
    ]


def validation_part(model: ModelSummary) -> TopicSlice | None:
    """Of its data set, what a model was validated on; None where its document does not tell."""
    parts = _parts(model)
    return None if parts is None else parts[1]


def _fitted(model: ModelSummary) -> TopicSlice:
    parts = _parts(model)
    return TopicSlice.from_json(model.training.slice) if parts is None else parts[0]


def _parts(model: ModelSummary) -> tuple[TopicSlice, TopicSlice] | None:
    """As the model's training split its data set; an imported document may not say how."""
    config: dict[str, Any] = dict(model.training.config)
    try:
        fraction = float(config["train"]["validation_fraction"])
    except (KeyError, TypeError, ValueError):
        return None
    return TopicSlice.from_json(model.training.slice).split(fraction) if 0 <= fraction < 1 else None


def _known(context: StageContext) -> dict[str, ModelSummary]:
    return {one.model_id: one for one in context.store.list_models()}


def _parents(
    context: StageContext,
    document: ModelSummary,
    known: dict[str, ModelSummary],
    *,
    whole: bool,
) -> Iterator[ModelSummary]:
    """From the nearest to the first, as far as this store knows them."""
    seen = {document.model_id}  # a damaged store may lead in a circle
    wanted = document.training.parent_model_id
    while wanted is not None and wanted not in seen:
        parent = known.get(wanted)
        if parent is None and whole:
            raise RegistryError(
                f"expected parent {wanted} of model {document.model_id} in this store, received "
                "none; import it (susystream models import), or begin another "
                "train.following.chain"
            )
        if parent is None:
            context.note(
                f"what parent {wanted} of {document.model_id} learned from is not known here"
            )
            return
        yield parent
        seen.add(wanted)
        wanted = parent.training.parent_model_id


def _record(context: StageContext, dataset_id: str) -> DatasetRecord | None:
    try:
        return context.store.load_dataset(dataset_id)
    except NotFound:
        return None
