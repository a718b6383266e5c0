"""The command `susystream data enlarge`: a test file of any size.

In: a size and a seed, or a file to repeat. Out: a CSV or Parquet file, whole or not there.
"""

from __future__ import annotations

from pathlib import Path

import click

from susystream.errors import SettingsError


@click.command("enlarge")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--rows", type=click.IntRange(min=1), help="So many toy events; or give --from.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=42, show_default=True)
@click.option(
    "--offset",
    type=click.IntRange(min=0),
    default=2_000_000_000,
    show_default=True,
    help="The first toy event's number: far behind those of training and other test sets.",
)
@click.option(
    "--from", "source", type=click.Path(path_type=Path), help="A CSV to repeat; not PATH."
)
@click.option("--times", type=click.IntRange(min=1), default=15, show_default=True)
def enlarge(
    path: Path, rows: int | None, seed: int, offset: int, source: Path | None, times: int
) -> None:
    """Write a large test file to PATH, which ends in .csv or .parquet (with --from in .csv).

    \b
    susystream data enlarge big.csv --rows 75000000           toy events, 33 GB
    susystream data enlarge big.parquet --rows 75000000       the same, 5 GB
    susystream data enlarge big.csv --from SUSY.csv --times 15    as the report did
    """  # noqa: D301  # click reads the backspace: lines as they stand
    if (rows is None) == (source is None):
        raise SettingsError("expected either --rows or --from, received both or neither")
    path.parent.mkdir(parents=True, exist_ok=True)
    if source is not None:
        _repeat(path, source, times)
    elif rows is not None:
        _simulate(path, rows=rows, seed=seed, offset=offset)
    click.echo(f"{path}: {path.stat().st_size:,} bytes")


def _simulate(path: Path, *, rows: int, seed: int, offset: int) -> None:
    from susystream.data.enlarge import write_events
    from susystream.data.source import ToySource
    from susystream.stages.console import Console

    events = ToySource(rows, seed, offset=offset).batches()
    with Console().progress("rows written", rows) as progress:
        write_events(events, path, progress=progress)


def _repeat(path: Path, source: Path, times: int) -> None:
    from susystream.data.enlarge import repeat_text
    from susystream.stages.console import Console

    size = source.stat().st_size * times if source.is_file() else None
    with Console().progress("bytes written", size) as progress:
        repeat_text(source, times, path, progress=progress)
