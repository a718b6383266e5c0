"""The report's five steps beside ours.

In: the results of the chain. Out: a table on the terminal.
Figures: "Deep Learning on SUSY using Kafka and TensorFlow" (Kumaravel, More; CS585), in seconds
on their machine.
"""

from __future__ import annotations

import time
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


def show_beside_report(
    console: Console,
    *,
    prepared: StageResult,
    published: StageResult,
    trained: StageResult,
    evaluated: StageResult,
) -> None:
    """Prints the table; each of our figures was measured in this run."""
    read = published.rows / trained.metrics["stream/read_events_per_second"]
    report_rate = REPORT_TEST_ROWS / REPORT_TEST_SECONDS
    rows = [
        (
            f"load {prepared.rows:,} rows",
            f"{REPORT_LOAD_SECONDS} s",
            f"{_seconds_to_load(prepared):.2f} s",
        ),
        (f"produce {published.rows:,} events", f"{REPORT_PRODUCE_SECONDS} s", _produced(published)),
        ("consume them", f"{REPORT_CONSUME_SECONDS} s, none read", f"{read:.2f} s, all read"),
        (
            f"train on {published.rows:,}",
            f"{REPORT_TRAIN_SECONDS} s",
            f"{trained.metrics['train/seconds']:.2f} s",
        ),
        (
            f"test on {evaluated.rows:,}",
            f"{report_rate:,.0f} rows/s, untrained",
            f"{evaluated.rows / evaluated.seconds:,.0f} rows/s",
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


def _produced(published: StageResult) -> str:
    rate = published.metrics.get("stream/events_per_second")
    return f"{published.rows / rate:.2f} s" if rate else "held already"
