"""What the description of a run says that made events or a model.

In: what the stage made. Out: Markdown: what was done, key figures, how to look further. The first
line holds what matters most: MLflow's UI folds all but some lines.
"""

from __future__ import annotations

from collections.abc import Mapping

from susystream.data.prepared import Prepared
from susystream.registry.document import DatasetRecord, ModelDocument
from susystream.stages.context import StageContext
from susystream.stages.markdown import code, commands, paragraphs, plain, table
from susystream.stages.note_parts import command, different, of_model, run_command
from susystream.stream.slices import TopicSlice

_OF_EPOCHS = (
    *("validation/auc", "validation/accuracy", "validation/loss"),
    *("train/accuracy", "train/loss"),
)


def of_prepare(context: StageContext, prepared: Prepared, *, nested: bool) -> str:
    """Of prepared events."""
    head = (
        f"**{prepared.rows_train:,}** events to train on, **{prepared.rows_test:,}** to test on, "
        f"in {code(prepared.folder.name)} under {code('<home>/data')}."
    )
    rows = [(plain(name), plain(value)) for name, value in prepared.source.items()]
    changed = different(context, "prepare", within_a_chain=nested)
    return paragraphs([head, changed, table(("source", ""), rows)])


def of_publish(
    context: StageContext, record: DatasetRecord, metrics: Mapping[str, float], *, nested: bool
) -> str:
    """Of a data set on a topic."""
    rate, span = metrics.get("stream/events_per_second"), TopicSlice.from_json(record.slice)
    head = (
        f"**{record.rows:,}** events in {span.messages:,} messages "
        f"{'were there already' if rate is None else 'published'} on topic {code(span.topic)}: "
        f"data set {code(record.dataset_id)}."
    )
    rows = [
        ("offsets", code(span)),
        ("form", f"{plain(record.codec)}, {record.events_per_message:,} events a message"),
        ("digest", code(record.digest)),
        ("speed", "nothing sent" if rate is None else f"{rate:,.0f} events/s"),
    ]
    look = [
        command(context.settings, f"data show {record.dataset_id}"),
        run_command(context.settings, f"stage=train train.dataset={record.dataset_id}"),
    ]
    changed = different(context, "publish", within_a_chain=nested)
    return paragraphs([head, changed, table(("data set", ""), rows), commands(look)])


def of_train(
    context: StageContext,
    record: DatasetRecord,
    document: ModelDocument,
    metrics: Mapping[str, float],
    *,
    nested: bool,
) -> str:
    """Of a trained model."""
    rows = [
        *((name, f"{metrics[name]:.4f}") for name in _OF_EPOCHS if name in metrics),
        ("training", f"{metrics['train/seconds']:.1f} s"),
        ("speed", f"{metrics['train/rows_per_second']:,.0f} rows/s"),
        ("parameters", f"{document.parameters:,}"),
    ]
    return paragraphs(
        [
            _result(record, document, metrics),
            different(context, "train", within_a_chain=nested),
            table(("figure", "last"), rows),
            _origin(record, document),
            commands(of_model(context.settings, document.model_id)),
        ]
    )


def _result(record: DatasetRecord, document: ModelDocument, metrics: Mapping[str, float]) -> str:
    auc, epochs = metrics.get("validation/auc"), document.training.epochs
    result = "Trained without validation" if auc is None else f"Validation AUC **{auc:.4f}**"
    return (
        f"{result} after {epochs} {'epoch' if epochs == 1 else 'epochs'} on {record.rows:,} events "
        f"of {plain(record.name)}: model {code(document.model_id)}."
    )


def _origin(record: DatasetRecord, document: ModelDocument) -> str:
    parent = document.training.parent_model_id
    began = f" It started from the weights of {code(parent)}." if parent else ""
    return f"Data set {code(record.dataset_id)}: {code(TopicSlice.from_json(record.slice))}.{began}"
