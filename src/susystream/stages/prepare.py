"""Stage `prepare`: events of any source, split and scaled, into files the other stages read.

In: a source. Out: a folder under `<home>/data` with train and test rows, scaler and digests.
"""

from __future__ import annotations

import time
from functools import partial

from susystream.data.prepared import Prepared, prepare_events, prepared_before
from susystream.settings.data import SusyData
from susystream.stages import notes
from susystream.stages.context import StageContext
from susystream.stages.features_picture import features_picture
from susystream.stages.result import StageResult
from susystream.stages.sources import open_source
from susystream.stages.tracked import tracked


def prepare(context: StageContext, *, parent_run_id: str | None = None) -> StageResult:
    """Prepares the events of `data`; a finished preparation of the same events is reused."""
    settings = context.settings
    started = time.monotonic()
    context.console.heading(f"prepare {settings.data.name}")
    nested = parent_run_id is not None
    with tracked(
        context, "prepare", usually=settings.data.name, parent_run_id=parent_run_id
    ) as run:
        prepared = prepare_data(context)
        rows = prepared.rows_train + prepared.rows_test
        seconds = time.monotonic() - started
        metrics = {"prepare/rows": float(rows), "prepare/rows_per_second": rows / seconds}
        run.log_metrics(metrics)
        run.log_dataset(settings.data.name, _of_training(prepared), context="prepared")
        run.log_artifact(prepared.folder / "manifest.json")
        picture = partial(features_picture, settings.data.name, prepared)
        run.log_figure("plots/features.png", picture)
        run.set_note(notes.of_prepare(context, prepared, nested=nested))
        result = StageResult(
            "prepare",
            run.run_id,
            rows,
            seconds,
            inputs={"source": prepared.source, "folder": str(prepared.folder)},
            metrics=metrics,
        )
    context.note(
        f"{prepared.rows_train:,} train and {prepared.rows_test:,} test events in {prepared.folder}"
    )
    return result


def _of_training(prepared: Prepared) -> dict[str, object]:
    """The part that is published, as the run's data set."""
    return {
        "source": {**prepared.source, "part": "train"},
        "rows": prepared.rows_train,
        "digest": prepared.digest_train,
    }


def is_prepared(context: StageContext) -> bool:
    """Whether the events of `data` are prepared already; a file that was not fetched is none."""
    data = context.settings.data
    if isinstance(data, SusyData) and data.path is None:
        return False
    source = open_source(data, settings=context.settings, console=context.console)
    found = prepared_before(source, under=context.prepared_folder, test_fraction=data.test_fraction)
    return found is not None


def prepare_data(context: StageContext) -> Prepared:
    """The prepared events of `data`, made if they are not there yet."""
    settings, console = context.settings, context.console
    source = open_source(settings.data, settings=settings, console=console)
    with console.progress("events prepared", source.rows) as progress:
        return prepare_events(
            source,
            under=context.prepared_folder,
            test_fraction=settings.data.test_fraction,
            progress=progress,
        )
