"""What becomes of counted test sets: figures in the run, in the models' documents, on the screen.

In: counts of each set by model. Out: figures, each computed once, wherever they belong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from susystream.data.bad_rows import BadRows
from susystream.evaluate.metrics import wide
from susystream.evaluate.tally import Tally
from susystream.plots.calibration import calibration_figure
from susystream.plots.digits import with_error
from susystream.plots.roc import roc_figure
from susystream.plots.scores import score_figure
from susystream.registry.document import ModelDocument
from susystream.stages import precision
from susystream.stages.console import Console
from susystream.stages.context import StageContext
from susystream.tracking.tracker import TrackedRun

_HUGE = 1e4  # no trained network has such a loss; damaged data may
_LONGEST_NAME = 9  # so that a table of a hundred million rows fits 80 columns
TABLE_COLUMNS = ("test set", "rows", "AUC ± error", "bracket", "accuracy", "log loss", "rows/s")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One test set's identity, counts and figures for every model, and how long it took.

    Attributes:
        name: As in the names of its metrics.
        identity: `source`, `rows` and `digest`, as plain data.
        tallies: By model id.
        figures: What `susystream.evaluate.metrics` makes of each tally, by model id.
        bad: Rows that were passed over.
        rows: Events.
        scanned: Those of this run; the others were counted by one that was killed.
        seconds: Wall time of the scan.
    """

    name: str
    identity: dict[str, Any]
    tallies: dict[str, Tally]
    figures: dict[str, dict[str, float]]
    bad: BadRows
    rows: int
    scanned: int
    seconds: float

    @property
    def rate(self) -> float:
        """Rows scanned a second."""
        return self.scanned / self.seconds


def metrics_of(model_id: str, sets: list[Evaluated]) -> dict[str, float]:
    """A model's figures on every set, by the names they have everywhere."""
    found: dict[str, float] = {}
    for one in sets:
        found |= {f"test/{one.name}/{name}": v for name, v in one.figures[model_id].items()}
        found[f"test/{one.name}/rows_per_second"] = one.rate
        found[f"test/{one.name}/bad_rows"] = float(one.bad.count)  # 0 too, or a former one stays
    return found


def log(
    run: TrackedRun,
    runs: Mapping[str, TrackedRun],
    metrics: Mapping[str, dict[str, float]],
    sets: list[Evaluated],
    *,
    documents: Mapping[str, ModelDocument],
) -> None:
    """Everything into the run of this evaluation, and figures into that of each model.

    Args:
        run: Open.
        runs: By model id; for a single model, `run`.
        metrics: As `metrics_of`, by model id.
        sets: All sets.
        documents: The models that were scored, by id.
    """
    for one in sets:
        for each in {run.run_id: run, **{part.run_id: part for part in runs.values()}}.values():
            each.log_dataset(one.name, one.identity, context="evaluation")
        if one.bad.count:
            run.log_artifact_text(f"bad_rows/{one.name}.csv", one.bad.table())
    for model_id, found in metrics.items():
        runs[model_id].log_metrics(found)
        _log_pictures(run, model_id, sets, features=_features(model_id, documents))


def _features(model_id: str, documents: Mapping[str, ModelDocument]) -> Sequence[str]:
    """What a model sees; an ensemble, what its members see."""
    if model_id in documents:
        return documents[model_id].features
    return sorted({name for document in documents.values() for name in document.features})


def _log_pictures(
    run: TrackedRun, model_id: str, sets: list[Evaluated], *, features: Sequence[str]
) -> None:
    folder = f"plots/{model_id}"
    curves = {one.name: one.tallies[model_id] for one in sets}
    figures = {one.name: one.figures[model_id] for one in sets}
    roc = partial(roc_figure, curves, figures, features=features, title=model_id)
    run.log_figure(f"{folder}/roc.png", roc)
    for name, tally in curves.items():
        scores = partial(score_figure, name, tally, auc=figures[name]["auc"], model=model_id)
        run.log_figure(f"{folder}/scores_{name}.png", scores)
        ece = figures[name]["ece"]
        calibration = partial(calibration_figure, name, tally, ece=ece, model=model_id)
        run.log_figure(f"{folder}/calibration_{name}.png", calibration)


def store(
    context: StageContext,
    documents: Mapping[str, ModelDocument],
    metrics: Mapping[str, dict[str, float]],
    sets: list[Evaluated],
) -> None:
    """The figures also go to all models' documents, and then to the runs that trained them.

    Such a run may be gone, elsewhere, or another person's; the evaluation is no less true.
    """
    identities = {one.name: one.identity for one in sets}
    for model_id, document in documents.items():
        _tell_replaced(context.console, document, identities)
        context.store.add_metrics(model_id, metrics[model_id], test_sets=identities)
    for model_id, document in documents.items():
        found = metrics[model_id].items()
        # a run forgets no figure: there the cost of a precision would stay beside others
        lasting = {name: one for name, one in found if not name.endswith(precision.NAME)}
        whose = trained_by(model_id)
        context.tracker.add_metrics(document.mlflow.run_id, lasting, whose=whose)


def trained_by(model_id: str) -> str:
    """How a run is called that gets figures of its model later."""
    return f"the run that trained {model_id} (whose document has the figures)"


def _tell_replaced(
    console: Console, document: ModelDocument, identities: Mapping[str, dict[str, Any]]
) -> None:
    """Says where figures of one name are of other events than before."""
    for name, identity in identities.items():
        former = document.test_sets.get(name, identity)
        if former["digest"] != identity["digest"]:
            console.say(
                f"  figures of {name} at {document.model_id} were of other events "
                f"({former['digest']}, {former['rows']:,} rows): they are replaced"
            )


def show(context: StageContext, titles: Mapping[str, str], sets: list[Evaluated]) -> None:
    """A table for each model, under its title."""
    for model_id, title in titles.items():
        rows = [table_row(one, one.figures[model_id]) for one in sets]
        context.console.table(title, TABLE_COLUMNS, rows)
        for one in sets:
            if line := wide(one.figures[model_id]):
                context.console.say(f"{one.name}: {line}")
    for one in sets:
        if one.bad.count:
            _show_bad_rows(context.console, one)
    context.console.say("error: standard error of the AUC; bracket: within which it is proven")


def _show_bad_rows(console: Console, one: Evaluated) -> None:
    bad, first = one.bad.count, one.bad.sample[0]
    rows = "1 bad row" if bad == 1 else f"{bad:,} bad rows"
    console.say(f"{one.name}: {rows} of {one.rows + bad:,} ({bad / (one.rows + bad):.2%}) left out")
    console.say(f"  see bad_rows/{one.name}.csv in the run; the first:")
    console.say(f"  {first.place}")
    console.say(f"  expected {first.expected}, received {first.text!r}")


def table_row(one: Evaluated, found: dict[str, float]) -> tuple[str, ...]:
    """A set's figures as cells, under `TABLE_COLUMNS`."""
    width = found["auc_high"] - found["auc_low"]
    return (
        _short(one.name),
        f"{one.rows:,}",
        with_error(found["auc"], found["auc_stderr"], sign="±"),
        f"{width:.0e}" if width else "exact",
        f"{found['accuracy']:.4f}",
        f"{found['log_loss']:.4f}" if found["log_loss"] < _HUGE else f"{found['log_loss']:.1e}",
        f"{one.rate:,.0f}",
    )


def _short(name: str) -> str:
    """A name that leaves room for the figures; an id's end tells it from others."""
    return name if len(name) <= _LONGEST_NAME else f"{name[:3]}…{name[-5:]}"
