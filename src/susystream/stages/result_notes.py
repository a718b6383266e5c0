"""What the description of a run says that tested or used models.

In: figures, models, runs. Out: Markdown, as in `notes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from susystream.registry.document import ModelDocument
from susystream.stages.context import StageContext
from susystream.stages.markdown import code, commands, link, paragraphs, plain, table
from susystream.stages.note_parts import command, different, listed, of_model, topic_command
from susystream.stages.recording import TABLE_COLUMNS, Evaluated, table_row
from susystream.tracking.tracker import TrackedRun

_MAIN = {"auc": "AUC", "accuracy": "accuracy", "log_loss": "log loss"}
_LATENCY = "score/total_latency_"


@dataclass(frozen=True, slots=True)
class Tested:
    """What an evaluation found.

    Attributes:
        documents: The models by id.
        titles: What was scored, and how it is called; an ensemble is no stored model.
        sets: With the figures of each.
    """

    documents: Mapping[str, ModelDocument]
    titles: Mapping[str, str]
    sets: Sequence[Evaluated]


def describe(
    context: StageContext,
    run: TrackedRun,
    runs: Mapping[str, TrackedRun],
    tested: Tested,
    *,
    nested: bool,
) -> None:
    """Describes the run of an evaluation, and the parts it has if it scored several models."""
    run.set_note(of_evaluate(context, tested, nested=nested))
    for name, part in runs.items():
        if part is not run:
            part.set_note(
                paragraphs([f"{_aucs_of(tested, name)}.", _of_one(context, tested, name)])
            )


def of_evaluate(context: StageContext, tested: Tested, *, nested: bool) -> str:
    """Of evaluated models."""
    first, *others = tested.titles
    look = [command(context.settings, f"models show {name}") for name in tested.documents]
    return paragraphs(
        [
            _beside_each_other(tested) if others else f"{_aucs_of(tested, first)}.",
            different(context, "evaluate", within_a_chain=nested),
            *(_of_one(context, tested, name) for name in tested.titles),
            commands(look),
        ]
    )


def of_pipeline(
    context: StageContext,
    metrics: Mapping[str, float],
    runs: Mapping[str, str],
    *,
    model_id: str,
    nested: bool,
) -> str:
    """Of a whole chain, with links to the runs of its stages."""
    sets = [name.split("/")[1] for name in metrics if _is_auc(name)]
    rows = [
        (
            plain(one),
            f"{metrics[f'test/{one}/rows']:,.0f}",
            *(f"{metrics[f'test/{one}/{name}']:.4f}" for name in _MAIN),
        )
        for one in sets
    ]
    places = (link(stage, context.tracker.place_of(run)) for stage, run in runs.items())
    return paragraphs(
        [
            f"{_aucs({one: metrics[f'test/{one}/auc'] for one in sets})}: model {code(model_id)}.",
            different(context, "pipeline", within_a_chain=nested),
            table(("test set", "rows", *_MAIN.values()), rows),
            f"Runs: {' → '.join(places)}.",
            commands(of_model(context.settings, model_id)),
        ]
    )


def of_follow(
    context: StageContext,
    name: str,
    table_of: tuple[Sequence[str], Sequence[Sequence[str]]],
    *,
    model_ids: Sequence[str],
) -> str:
    """Of a chain of models, each trained on from the one before it."""
    columns, rows = table_of
    head = f"Chain {code(name)} of {len(rows)} data sets, {len(model_ids)} learned in this run."
    return paragraphs(
        [
            head,
            different(context, "follow"),
            table(columns, [[plain(cell) for cell in row] for row in rows]),
            f"The curves: {code('plots/forgetting.png')} under Artifacts." if rows else "",
            commands(of_model(context.settings, model_ids[-1])) if model_ids else "",
        ]
    )


def of_score(
    context: StageContext, metrics: Mapping[str, float], models: Sequence[str], *, output: str
) -> str:
    """Of live scoring."""
    topic = context.settings.stream.topic
    head = (
        f"**{metrics['score/events']:,.0f}** events of topic {code(topic)} scored onto "
        f"{code(output)} by {listed(models) or 'no model'}."
    )
    rows = [
        (f"latency {name.removeprefix(_LATENCY).replace('_', ' ')}", f"{value:,.1f}")
        for name, value in metrics.items()
        if name.startswith(_LATENCY)
    ]
    rows += [(title, f"{metrics[name]:,.0f}") for name, title in _COUNTS.items() if name in metrics]
    look = [command(context.settings, f"models show {one}") for one in models]
    return paragraphs(
        [
            head,
            different(context, "score"),
            table(("figure", ""), rows),
            commands([*look, topic_command(context.settings, topic)]),
        ]
    )


_COUNTS = {
    "score/busy_events_per_second": "events/s while busy",
    "score/messages": "messages",
    "score/transactions": "transactions",
    "stream/bad_messages": "bad messages",
}


def _beside_each_other(tested: Tested) -> str:
    sets = tested.sets
    rows = [
        [plain(name), *(f"{one.figures[name]['auc']:.4f}" for one in sets)]
        for name in tested.titles
    ]
    return table(["AUC", *(plain(one.name) for one in sets)], rows)


def _of_one(context: StageContext, tested: Tested, name: str) -> str:
    document = tested.documents.get(name)
    place = context.tracker.place_of(document.mlflow.run_id) if document else None
    trained = f", {link('trained by this run', place)}" if place else ""
    rows = [(plain(one.name), *table_row(one, one.figures[name])[1:]) for one in tested.sets]
    return paragraphs([f"**{plain(tested.titles[name])}**{trained}", table(TABLE_COLUMNS, rows)])


def _aucs_of(tested: Tested, name: str) -> str:
    return _aucs({one.name: one.figures[name]["auc"] for one in tested.sets})


def _aucs(found: Mapping[str, float]) -> str:
    return "AUC " + ", ".join(f"{plain(name)} **{value:.4f}**" for name, value in found.items())


def _is_auc(name: str) -> bool:
    return name.startswith("test/") and name.endswith("/auc")
