"""The report's five steps beside ours.

In: the results of the chain. Out: a table on the terminal.
Figures: "Deep Learning on SUSY using Kafka and TensorFlow" (Kumaravel, More; CS585), in seconds
on their machine.
"""

from __future__ import annotations

from susystream.stages.console import Console
from susystream.stages.result import StageResult

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
    """Prints the table; each of our figures is a measured one of this run."""
    read = published.rows / trained.metrics["stream/read_events_per_second"]
    fitted = trained.rows / trained.metrics["train/rows_per_second"]
    rate = evaluated.rows / evaluated.seconds
    rows = [
        ("load 100 k rows", f"{REPORT_LOAD_SECONDS:.2f} s", f"{prepared.seconds:.2f} s"),
        ("produce 90 k messages", f"{REPORT_PRODUCE_SECONDS:.2f} s", _produced(published)),
        ("consume them", f"{REPORT_CONSUME_SECONDS} s (lazy: nothing read)", f"{read:.2f} s, all"),
        ("train one epoch", f"{REPORT_TRAIN_SECONDS:.2f} s", f"{fitted:.2f} s"),
        (
            "test",
            f"{REPORT_TEST_ROWS / REPORT_TEST_SECONDS:,.0f} rows/s (untrained network)",
            f"{rate:,.0f} rows/s",
        ),
    ]
    console.table("The report's steps", ("step", "report", "here"), rows)


def _produced(published: StageResult) -> str:
    return f"{published.rows / published.metrics['stream/events_per_second']:.2f} s"
