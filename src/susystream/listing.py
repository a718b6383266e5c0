"""What the commands that look at what is stored have in common.

In: the options that name a store. Out: the open store; rows as a table or as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from susystream.registry.store import ModelStore

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def home_option(told: str | None = None) -> _Decorator:
    """`--home`, with what it is for."""
    return click.option(
        "--home",
        type=click.Path(path_type=Path),
        default=Path(".susystream"),
        show_default=True,
        envvar="SUSYSTREAM_HOME",
        help=told,
    )


def store_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--home`, `--uri`, `--database` and `--json`."""
    options: list[_Decorator] = [
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--database", default="susystream", show_default=True),
        click.option(
            "--uri",
            envvar="SUSYSTREAM_REGISTRY_URI",
            help="The store's address; none: the embedded store.",
        ),
        home_option(),
    ]
    for option in options:
        command = option(command)
    return command


@contextmanager
def open_store(home: Path, uri: str | None, database: str) -> Iterator[ModelStore]:
    """The store of those options, the embedded one if no address is given."""
    from susystream.registry.store import ModelStore
    from susystream.services.store import embedded_store

    with ExitStack() as stack:
        address = uri or stack.enter_context(embedded_store(home))
        yield stack.enter_context(ModelStore(address, database))


def show(rows: list[dict[str, Any]], columns: tuple[str, ...], as_json: bool) -> None:
    """Rows of a listing; of the columns in a table, whole as JSON."""
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo("none yet; `susystream run experiment=quickstart` makes the first")
        return
    from susystream.stages.console import Console

    cells = [tuple(_cell(row.get(column)) for column in columns) for row in rows]
    Console().table("", columns, cells)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:.4f}"
        case int():
            return f"{value:,}"
    return str(value)
