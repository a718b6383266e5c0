"""What a person sees while a stage works: lines, progress, tables.

In: what the stages have to say. Out: a live display on a terminal, plain lines elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import rich.console
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

_PLAIN_EVERY_SECONDS = 5.0


class Console:
    """A terminal or a log; `rich` decides which."""

    def __init__(self, rich_console: rich.console.Console | None = None) -> None:
        self._rich = rich_console or rich.console.Console(highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """One line."""
        self._rich.print(escape(text))

    def heading(self, text: str) -> None:
        """The line a stage begins with."""
        self._rich.print(f"[bold]{escape(text)}[/bold]")

    @contextmanager
    def progress(self, what: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Yields a function that takes how many rows are done so far."""
        if not self._rich.is_terminal:
            yield self._plain_progress(what, total)
            return
        with Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(show_speed=True),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._rich,
            transient=True,
        ) as display:
            task = display.add_task(what, total=total)
            yield lambda done: display.update(task, completed=done)

    def _plain_progress(self, what: str, total: int | None) -> Callable[[int], None]:
        started = last = time.monotonic()

        def show(done: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= _PLAIN_EVERY_SECONDS:
                last = now
                of = f" of {total:,}" if total else ""
                self.say(f"  {what}: {done:,}{of} rows, {done / (now - started):,.0f} rows/s")

        return show

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; the first column is text, the others are numbers."""
        table = Table(
            title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False
        )
        for position, column in enumerate(columns):
            table.add_column(
                column, justify="left" if position == 0 else "right", no_wrap=position == 0
            )
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self._rich.print(table)
