"""What is shown of progress, on a terminal and in a log."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
import rich.console

from susystream.errors import DownloadError
from susystream.settings import Settings
from susystream.settings.data import SusyData
from susystream.stages.console import Console, Unit
from susystream.stages.sources import open_source


class Clock:
    """Moved by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def plain(
    calls: Sequence[tuple[float, int, int | None]], *, total: int | None, unit: Unit = "rows"
) -> list[str]:
    """The lines of a log for calls at (seconds since the beginning, done, known total)."""
    log, clock = io.StringIO(), Clock()
    console = Console(rich.console.Console(file=log, width=200), clock=clock)
    began = clock.now
    with console.progress("work", total, unit=unit) as progress:
        for seconds, done, known in calls:
            clock.now = began + seconds
            progress(done, known)
    return [line.strip() for line in log.getvalue().splitlines()]


def test_a_log_gets_a_line_of_rows_every_few_seconds() -> None:
    calls = [(0, 0, None), (4, 4000, None), (5, 5000, None), (6, 6000, None), (10, 20_000, None)]
    assert plain(calls, total=50_000) == [
        "work: 5,000 of 50,000 rows, 1,000 rows/s, 0:00:45 left",
        "work: 20,000 of 50,000 rows, 2,000 rows/s, 0:00:15 left",
    ]


def test_the_rate_counts_from_the_first_call_not_from_the_wait_before_it() -> None:
    assert plain([(600, 100, None), (610, 2100, None)], total=None) == [
        "work: 2,100 rows, 200 rows/s"
    ]


def test_bytes_are_told_as_sizes_with_the_total_the_server_states() -> None:
    calls = [(60, 1_000_000_000, 2_400_000_000), (70, 1_050_000_000, 2_400_000_000)]
    assert plain(calls, total=None, unit="bytes") == [
        "work: 1.1 GB of 2.4 GB, 5.0 MB/s, 0:04:30 left"
    ]


@pytest.mark.parametrize(
    ("unit", "words"), [("rows", ["1500/2400", "rows/s"]), ("bytes", ["1.5/2.4 kB"])]
)
def test_a_terminal_shows_the_unit_and_the_total_that_came_late(
    unit: Unit, words: list[str]
) -> None:
    screen = io.StringIO()
    shown = rich.console.Console(file=screen, force_terminal=True, width=200, color_system=None)
    with Console(shown).progress("work", None, unit=unit) as progress:
        progress(700, 2400)
        progress(1500, 2400)
    assert all(word in screen.getvalue() for word in words), screen.getvalue()


def test_an_estimate_is_called_one() -> None:
    log, clock = io.StringIO(), Clock()
    console = Console(rich.console.Console(file=log, width=200), clock=clock)
    with console.progress("work", 9000, about=True) as progress:
        progress(0)
        clock.now += 10
        progress(5000)
        clock.now += 10
        progress(9100)
    assert [line.strip() for line in log.getvalue().splitlines()] == [
        "work: 5,000 of about 9,000 rows, 500 rows/s, 0:00:08 left",
        "work: 9,100 of about 9,000 rows, 455 rows/s",
    ]


def test_fetching_says_from_where_without_a_secret(tmp_path: Path) -> None:
    log = io.StringIO()
    console = Console(rich.console.Console(file=log, width=200))
    data = SusyData(url="http://127.0.0.1:1/SUSY.csv.gz?sig=hush")
    settings = Settings.model_construct(home=tmp_path, data=data)  # type: ignore[call-arg]
    with pytest.raises(DownloadError) as caught:
        open_source(data, settings=settings, console=console)
    assert "fetching http://127.0.0.1:1/SUSY.csv.gz?sig=***" in log.getvalue()
    assert "hush" not in log.getvalue() + str(caught.value)
