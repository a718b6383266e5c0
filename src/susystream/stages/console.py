"""What a person sees while a stage works: lines, progress, tables.

In: what the stages have to say. Out: a live display on a terminal, plain lines elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Literal, Protocol, TypeAlias

import rich.console
import rich.progress
from rich.box import SIMPLE_HEAD
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

_GAP = 2  # letters, between two columns of a table

Unit: TypeAlias = Literal["rows", "bytes"]


class Progress(Protocol):
    """Takes how much is done so far, and the total when that is known only now."""

    def __call__(self, done: int, total: int | None = None, /) -> None:
        """Shows it."""


class Console:
    """A terminal or a log; `rich` decides which.

    Args:
        rich_console: Where to.
        clock: Seconds, for the speed.
        prefix: Before each line, where several processes share a terminal; then nothing is drawn
            over.
        every_seconds: Between plain lines of progress.
    """

    def __init__(
        self,
        rich_console: rich.console.Console | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        prefix: str = "",
        every_seconds: float = 5.0,
    ) -> None:
        self._rich = rich_console or rich.console.Console(highlight=False, soft_wrap=True)
        self._clock, self._prefix, self._every = clock, prefix, every_seconds

    def say(self, text: str) -> None:
        """One line."""
        self._rich.print(escape(self._prefix + text))

    def heading(self, text: str) -> None:
        """The line a stage begins with; broken between words where a terminal is too narrow."""
        line = f"{escape(self._prefix)}[bold]{escape(text)}[/bold]"
        self._rich.print(line, soft_wrap=not self._rich.is_terminal)

    @contextmanager
    def progress(
        self, what: str, total: int | None, *, unit: Unit = "rows", about: bool = False
    ) -> Iterator[Progress]:
        """Yields a function that takes how many rows or bytes are done so far.

        Args:
            what: Is done.
            total: How many there will be, if that is known.
            unit: Of both.
            about: Whether the total is an estimate.
        """
        if self._prefix or not self._rich.is_terminal:
            yield self._plain_progress(what, total, unit, "about " if about else "")
            return
        with rich.progress.Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=24),
            *_columns(unit),
            TimeRemainingColumn(),
            console=self._rich,
            transient=True,
        ) as display:
            task = display.add_task(what, total=total)

            def show(done: int, known: int | None = None, /) -> None:
                display.update(task, completed=done, total=known)  # None leaves it as it is

            yield show

    def _plain_progress(self, what: str, total: int | None, unit: Unit, about: str) -> Progress:
        first: tuple[float, int] | None = None  # waiting before it is nobody's slowness
        last = 0.0

        def show(done: int, known: int | None = None, /) -> None:
            nonlocal first, last
            now = self._clock()
            if first is None:
                first, last = (now, done), now
            elif now - last >= self._every:
                last = now
                rate = (done - first[1]) / (now - first[0])
                whole = known or total
                so_far = _so_far(done, whole, unit, about)
                speed = f", {_rate(rate, unit)}" if rate else ""  # Spark tells rows by the task
                self.say(f"  {what}: {so_far}{speed}{_left(done, whole, rate)}")

        return show

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        broken: Container[int] = (),
    ) -> None:
        """A table; the first column is text, the others are numbers.

        Args:
            title: Above it; may be empty.
            columns: Their heads.
            rows: Their cells.
            broken: Positions of columns that are broken where there is no room for all.
        """
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for position, column in enumerate(columns):
            table.add_column(
                column,
                justify="left" if position == 0 else "right",
                no_wrap=position not in broken,
                overflow="fold" if position in broken else "ellipsis",
            )
        for row in rows:
            table.add_row(*map(escape, row))
        if title:
            self.heading(title)
        self._rich.print(table)

    def fits(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
        """Whether a table is shown whole."""
        widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
        return sum(width + _GAP for width in widths) - _GAP <= self._rich.width


class _RowsPerSecond(ProgressColumn):
    """Rich's own columns show a speed only while the total is unknown."""

    def render(self, task: rich.progress.Task) -> Text:
        """The speed of the last half minute."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else _rate(speed, "rows"))


def _columns(unit: Unit) -> tuple[ProgressColumn, ...]:
    if unit == "bytes":
        return DownloadColumn(), TransferSpeedColumn()
    return MofNCompleteColumn(), _RowsPerSecond()


def _so_far(done: int, total: int | None, unit: Unit, about: str) -> str:
    if unit == "bytes":
        return decimal(done) + (f" of {about}{decimal(total)}" if total else "")
    return f"{done:,}" + (f" of {about}{total:,}" if total else "") + " rows"


def _left(done: int, total: int | None, rate: float) -> str:
    """The time left at that rate, if it can be told."""
    if not total or not rate or done >= total:
        return ""
    return f", {timedelta(seconds=round((total - done) / rate))} left"


def _rate(a_second: float, unit: Unit) -> str:
    return f"{decimal(int(a_second))}/s" if unit == "bytes" else f"{a_second:,.0f} rows/s"
