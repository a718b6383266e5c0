"""The command `susystream runs deliver`: what was logged while the tracking server was away.

In: journals. Out: their entries on the server; one line each, and exit status 1 if some are left.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from susystream.errors import SettingsError, TrackingError
from susystream.listing import home_option

_TIMEOUT_SECONDS = 10.0


@click.group()
def runs() -> None:
    """Runs on the tracking server."""


@runs.command("deliver")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@home_option("Where commands keep it; all of it if no PATHS are given.")
@click.option(
    "--tracking-uri",
    help="Where the runs of PATHS are now; none: where they were. Without PATHS: only what was "
    "kept for that server.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def deliver_runs(
    paths: tuple[Path, ...], home: Path, tracking_uri: str | None, as_json: bool
) -> None:
    """Bring what runs kept while their tracking server was away to that server.

    The next command of the same home that uses the server does this too.
    """
    from susystream.tracking.journal_folder import journals_for

    folder = home / "tracking"
    if not paths:
        _check_home(home)
    chosen = paths or journals_for(folder, tracking_uri)
    rows = [_delivered(path, tracking_uri, named=bool(paths)) for path in chosen]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        click.echo(f"nothing is kept in {folder}")
    else:
        _show(rows)
    errors = [row["error"] for row in rows if row["error"]]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise TrackingError(f"{errors[0]}{more}")


def _check_home(home: Path) -> None:
    """One that was typed may be misspelt; the usual one is not there before the first command."""
    source = click.get_current_context().get_parameter_source("home")
    if source is ParameterSource.COMMANDLINE and not home.is_dir():
        received = "a file" if home.exists() else "nothing there"
        raise SettingsError(f"expected a home folder at {home}, received {received}; check --home")


def _show(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if row["server"] is None and not row["error"]:
            click.echo(f"{row['path']}: {' '.join(row['notes'])}")
            continue
        if not row["error"]:
            click.echo(f"{row['path']}: delivered to {row['server']}: {', '.join(row['runs'])}")
        for note in row["notes"]:
            click.echo(f"  {note}")


def _delivered(path: Path, uri: str | None, *, named: bool) -> dict[str, Any]:
    """What became of a journal, as a row; one that stays is no reason to leave others."""
    from susystream.tracking.journal import InUse
    from susystream.tracking.left_behind import deliver

    try:
        found = deliver(path, uri=uri, timeout_seconds=_TIMEOUT_SECONDS)
    except TrackingError as error:
        return _row(path, error=str(error))
    except InUse:
        if not named:  # its process sends it: nobody need do that twice
            return _row(path, notes=["another process has it, and delivers it"])
        return _row(
            path,
            error=f"expected {path} of a command that has ended, received one in use by another "
            "process, which delivers it; wait for it or end it",
        )
    if found is None:
        return _row(path, notes=["delivered by another command"])
    return _row(path, found.server, found.runs, notes=found.notes, error=found.missing or None)


def _row(
    path: Path,
    server: str | None = None,
    runs: Sequence[str] = (),
    *,
    notes: Sequence[str] = (),
    error: str | None = None,
) -> dict[str, Any]:
    found = {"path": str(path), "server": server, "runs": list(runs)}
    return {**found, "notes": list(notes), "error": error}
