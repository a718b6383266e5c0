"""Stage `score`: a topic past a stored model, each event exactly once, as long as it is wanted.

In: a topic with events, a model. Out: another topic with `{event number, score, model id}`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from susystream.errors import SettingsError
from susystream.model.scorer import Scorer
from susystream.registry.document import ModelDocument
from susystream.stages import result_notes
from susystream.stages.context import StageContext
from susystream.stages.live_model import LiveModel
from susystream.stages.models import scorer_plan_of
from susystream.stages.result import StageResult
from susystream.stages.score_report import ScoreReport
from susystream.stages.scoring import Batch, Scoring
from susystream.stages.stopping import stop_requested
from susystream.stages.tracked import tracked
from susystream.stream.dead_letters import SUFFIX as DEAD
from susystream.stream.dead_letters import letters_topic, too_many
from susystream.stream.exchange import Exchange
from susystream.stream.schema_document import SUFFIX as SCHEMA
from susystream.stream.schema_topic import texts_of
from susystream.stream.topics import ensure_topic, watermarks
from susystream.tracking.tracker import TrackedRun

_ENDING, _OF_SCORES = ".scores", "a topic of scores"
_CURE = "scoring again goes on behind it"
_EVENTS_A_MESSAGE = 1000
_BLOCK_ROWS = 256  # a few events wait for so many; half a millisecond


def score(context: StageContext, *, parent_run_id: str | None = None) -> StageResult:
    """Scores what comes until SIGTERM or Ctrl-C, or to the topic's end if that is wanted."""
    settings = context.settings
    topic, chosen, started = settings.stream.topic, settings.score, time.monotonic()
    context.console.heading(f"score topic {topic} by model {chosen.model}")
    with tracked(
        context,
        "score",
        what=f"score {topic}",
        tags={"topic": topic, "group": chosen.group},
        parent_run_id=parent_run_id,
    ) as run:
        _ = context.store  # a wrong address is told before a broker starts
        held = watermarks(context.kafka, topic)
        _check_input(context)
        context.store.model_id_of(chosen.model)  # told before any topic is made
        scoring = _scoring(context, partitions=len(held))
        context.note(f"to topic {scoring.output}, as one of group {chosen.group}")
        with (
            stop_requested() as stop,
            _model(context) as model,
            _exchange(context) as exchange,
            ScoreReport(run, context.console, chosen.report_seconds, exchange.lag) as report,
        ):
            try:
                _loop(
                    *(context, stop, _ends(held)),
                    model=model,
                    exchange=exchange,
                    scoring=scoring,
                    report=report,
                )
            finally:
                metrics = _ended(run, report, exchange)
        run.set_note(
            result_notes.of_score(context, metrics, [*report.models], output=scoring.output)
        )
    context.note(f"{report.events:,} events of {report.messages:,} messages are scored")
    return StageResult(
        "score",
        run.run_id,
        report.events,
        time.monotonic() - started,
        model_ids=tuple(report.models),
        inputs={"topic": topic, "group": chosen.group, "output": scoring.output},
        metrics=metrics,
    )


def _scoring(context: StageContext, *, partitions: int) -> Scoring:
    """Where scores go; the topics are made if there are none."""
    chosen, topic = context.settings.score, context.settings.stream.topic
    output = chosen.output or topic + _ENDING
    _check_output(context, output)
    if note := ensure_topic(context.kafka, output, partitions, any_number=True):
        context.note(f"note: {note}")
    letter_bytes = letters_topic(context.kafka, topic)
    return Scoring(output, len(watermarks(context.kafka, output)), letter_bytes, chosen.form)


def _check_output(context: StageContext, output: str) -> None:
    """Scores among events would be read as bad ones.

    Raises:
        SettingsError: The topic holds events, or is to hold something else.
    """
    topic = context.settings.stream.topic
    holds = "the topic that is read" if output == topic else _made_here(output)
    if texts_of(context.kafka, output):
        holds = "a topic of events"
    if holds and holds != _OF_SCORES:
        raise SettingsError(
            f"expected score.output to be a topic of scores, received {output}, {holds}; "
            "name another one"
        )


def _check_input(context: StageContext) -> None:
    """What stands beside a topic of events is none itself.

    Raises:
        SettingsError: The topic holds something else.
    """
    topic = context.settings.stream.topic
    holds = _made_here(topic)
    if holds and not texts_of(context.kafka, topic):
        raise SettingsError(
            f"expected stream.topic to be a topic of events, received {topic}, {holds}; name the "
            f"topic beside which it stands, {topic.rpartition('.')[0]}"
        )


def _made_here(topic: str) -> str:
    """What we keep on a topic of such a name; empty for any other."""
    kinds = {
        DEAD: "a topic of bad messages",
        SCHEMA: "a topic that says what the messages of another are",
        _ENDING: _OF_SCORES,
    }
    return next((kind for ending, kind in kinds.items() if topic.endswith(ending)), "")


def _model(context: StageContext) -> LiveModel:
    chosen = context.settings.score

    def scorer_of(document: ModelDocument) -> Scorer:
        plan = scorer_plan_of(document, scorer=chosen.scorer, precision=chosen.precision)
        return plan.open(threads=1, block_rows=_BLOCK_ROWS)

    return LiveModel(context.store, chosen.model, scorer_of, chosen.refresh_seconds, context.note)


def _exchange(context: StageContext) -> Exchange:
    stream, chosen = context.settings.stream, context.settings.score
    return Exchange(
        context.kafka,
        stream.topic,
        chosen.group,
        start=chosen.start,
        at_most=max(1, chosen.batch_events // _EVENTS_A_MESSAGE),  # until it is known
        patience_seconds=stream.reader.stall_seconds,
        say=context.note,
    )


def _loop(
    context: StageContext,
    stop: threading.Event,
    ends: Mapping[int, int],
    *,
    model: LiveModel,
    exchange: Exchange,
    scoring: Scoring,
    report: ScoreReport,
) -> None:
    """Reads, scores, commits.

    Raises:
        BadMessage: One more than `stream.max_bad`; it is set aside, and not read again.
    """
    limit, topic = context.settings.stream.max_bad, context.settings.stream.topic
    until_end = context.settings.score.until == "end"
    while not stop.is_set():
        arrived = exchange.poll()
        began = time.monotonic()
        if arrived:
            batch = scoring.batch(arrived, model.now, bad_left=limit - report.bad)
            if exchange.commit(batch.outgoing, batch.read):
                report.add(batch, time.monotonic() - began)
                exchange.at_most = _messages(context, batch) or exchange.at_most
                if batch.refused:
                    raise too_many(batch.refused, topic, limit, cure=_CURE)
        else:
            exchange.pass_markers()
            if until_end and exchange.has_read(ends):
                return
        report.tick()
    context.note("stopping: what was begun is committed")


def _ends(held: Mapping[int, tuple[int, int]]) -> dict[int, int]:
    """Behind the last message that there was at the start, of partitions with any."""
    return {partition: high for partition, (low, high) in held.items() if low < high}


def _messages(context: StageContext, batch: Batch) -> int:
    """How many messages like these hold as many events as are wanted; 0 if these hold none."""
    events = sum(batch.events)
    wanted = context.settings.score.batch_events
    return max(1, round(wanted * len(batch.events) / events)) if events else 0


def _ended(run: TrackedRun, report: ScoreReport, exchange: Exchange) -> dict[str, float]:
    """Totals into the run, whether or not an error ends it."""
    metrics = report.totals() | {
        "score/transactions_given_up": float(exchange.given_up),
        "score/broker_reopened": float(exchange.reopened),
    }
    run.log_metrics(metrics)
    if report.models:
        run.set_tags({"model_id": [*report.models][-1], "model_ids": ",".join(report.models)})
    return metrics
