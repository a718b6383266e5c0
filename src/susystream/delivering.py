"""The command `susystream runs deliver`: what was logged while the tracking server was away.

In: journals. Out: their entries on the server; one line each, and exit status 1 if some are left.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from susystream.errors import TrackingError

_TIMEOUT_SECONDS = 10.0


@click.group()
def runs() -> None:
    """Runs on the tracking server."""


@runs.command("deliver")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    default=Path(".susystream"),
    show_default=True,
    help="Where commands keep it; all of it if no PATHS are given.",
)
@click.option("--tracking-uri", help="Where the runs are now; none: where they were.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def deliver_runs(
    paths: tuple[Path, ...], home: Path, tracking_uri: str | None, as_json: bool
) -> None:
    """Bring what runs kept while their tracking server was away to that server.

    The next command of the same home that uses the server does this too.
    """
    from susystream.tracking.left_behind import journals

    chosen = list(paths) or journals(home / "tracking")
    rows = [_delivered(path, tracking_uri) for path in chosen]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        click.echo(f"nothing is kept in {home / 'tracking'}")
    for row in () if as_json else rows:
        if not row["error"]:
            click.echo(f"{row['path']}: delivered to {row['server']}: {', '.join(row['runs'])}")
    errors = [row["error"] for row in rows if row["error"]]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise TrackingError(f"{errors[0]}{more}")


def _delivered(path: Path, uri: str | None) -> dict[str, Any]:
    """What became of a journal, as a row; one that stays is no reason to leave others."""
    from susystream.tracking.left_behind import deliver

    try:
        found = deliver(path, uri=uri, timeout_seconds=_TIMEOUT_SECONDS)
    except TrackingError as error:
        return {"path": str(path), "server": None, "runs": [], "error": str(error)}
    return {
        "path": str(path),
        "server": found.server,
        "runs": list(found.runs),
        "error": found.refused or None,
    }
