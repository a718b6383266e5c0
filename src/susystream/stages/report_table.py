"""The report's five steps beside ours.

In: the results of the chain. Out: how long each step took, as figures and as a table.
Figures: "Deep Learning on SUSY using Kafka and TensorFlow" (Kumaravel, More; CS585), in seconds
on their machine.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from susystream.data.scan import scan_events
from susystream.stages.console import Console
from susystream.stages.result import StageResult

REPORT_ROWS = 90_000
REPORT_LOAD_SECONDS = 1.89
REPORT_PRODUCE_SECONDS = 3.56
REPORT_CONSUME_SECONDS = 0.145
REPORT_TRAIN_SECONDS = 9.98
REPORT_TEST_SECONDS = 7772.76
REPORT_TEST_ROWS = 75_000_000

LOAD, PRODUCE, CONSUME = "steps/load_seconds", "steps/produce_seconds", "steps/consume_seconds"
TRAIN, TEST = "steps/train_seconds", "steps/test_rows_per_second"


@dataclass(frozen=True, slots=True)
class Chain:
    """The results of the four stages."""

    prepared: StageResult
    published: StageResult
    trained: StageResult
    evaluated: StageResult


def step_figures(chain: Chain) -> dict[str, float]:
    """Of the report's steps, as they were here; without `PRODUCE` if the topic held the events."""
    published, trained, evaluated = chain.published, chain.trained, chain.evaluated
    rate = published.metrics.get("stream/events_per_second")
    return {
        LOAD: _seconds_to_load(chain.prepared),
        **({PRODUCE: published.rows / rate} if rate else {}),
        CONSUME: published.rows / trained.metrics["stream/read_events_per_second"],
        TRAIN: trained.metrics["train/seconds"],
        TEST: evaluated.rows / evaluated.seconds,
    }


def show_beside_report(console: Console, chain: Chain, figures: Mapping[str, float]) -> None:
    """Prints the table; each of our figures was measured in this run."""
    published, tested = chain.published.rows, chain.evaluated.rows
    report_rate = REPORT_TEST_ROWS / REPORT_TEST_SECONDS
    produced = f"{figures[PRODUCE]:.2f} s" if PRODUCE in figures else "held already"
    consumed = f"{figures[CONSUME]:.2f} s, all read"
    rows = [
        (
            f"load {chain.prepared.rows:,} rows",
            f"{REPORT_LOAD_SECONDS} s",
            f"{figures[LOAD]:.2f} s",
        ),
        (f"produce {published:,} events", f"{REPORT_PRODUCE_SECONDS} s", produced),
        ("consume them", f"{REPORT_CONSUME_SECONDS} s, none read", consumed),
        (f"train on {published:,}", f"{REPORT_TRAIN_SECONDS} s", f"{figures[TRAIN]:.2f} s"),
        (
            f"test on {tested:,}",
            f"{report_rate:,.0f} rows/s, untrained",
            f"{figures[TEST]:,.0f} rows/s",
        ),
    ]
    console.table("The report's five steps", ("step", "report", "here"), rows)
    console.say(
        f"the report: {REPORT_ROWS:,} rows of UCI SUSY, tested on {REPORT_TEST_ROWS:,}, on its "
        "authors' machine"
    )


def _seconds_to_load(prepared: StageResult) -> float:
    """Reads what the report's first step read: every event, from the disk into memory."""
    started = time.monotonic()
    folder = Path(prepared.inputs["folder"])
    for part in ("train.parquet", "test.parquet"):
        list(scan_events(folder / part))
    return time.monotonic() - started
