"""The commands that look at data sets and topics: `susystream data`.

In: selectors, names of topics. Out: tables or JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from susystream.errors import SettingsError
from susystream.listing import open_store, show, store_options
from susystream.registry.document import DatasetRecord
from susystream.stated_security import stated_security

_SECONDS = len("2026-01-31T12:00:00")
_REFUSAL = "on the command line, where others can read it; give --security {name}=env:VARIABLE"


@click.group()
def data() -> None:
    """Registered data sets."""


@data.command("list")
@store_options
def data_list(home: Path, uri: str | None, database: str, as_json: bool) -> None:
    """All data sets, the one that was published last first."""
    with open_store(home, uri, database) as store:
        published = store.publications()
        found = [_listed(record, published) for record in store.list_datasets()]
    if not as_json:
        found = [
            {**one, "topic": one["slice"]["topic"], "published": one["published_at"][:_SECONDS]}
            for one in found
        ]
    show(found, ("dataset_id", "name", "topic", "rows", "published"), as_json)


@data.command("show")
@click.argument("selector", default="latest")
@store_options
def data_show(selector: str, home: Path, uri: str | None, database: str, as_json: bool) -> None:
    """One data set: an id, its beginning, latest (published last), or a time (first published)."""
    with open_store(home, uri, database) as store:
        found = _listed(store.load_dataset(selector), store.publications())
    click.echo(json.dumps(found, indent=None if as_json else 2))


def _listed(record: DatasetRecord, published: Mapping[str, str]) -> dict[str, Any]:
    """A record, and when it was published last, which makes it the latest."""
    return {**record.model_dump(mode="json"), "published_at": published[record.dataset_id]}


@data.command("topic")
@click.argument("name")
@click.option(
    "--bootstrap-servers",
    envvar="SUSYSTREAM_BOOTSTRAP_SERVERS",
    show_envvar=True,
    help="Kafka's address; none: the embedded broker.",
)
@click.option(
    "--security",
    "stated",
    metavar="NAME=VALUE",
    multiple=True,
    help="As in stream.security, by Kafka's own names; secrets as NAME=env:VARIABLE.",
)
@store_options
def data_topic(
    name: str,
    bootstrap_servers: str | None,
    stated: tuple[str, ...],
    home: Path,
    uri: str | None,
    database: str,
    as_json: bool,
) -> None:
    """What stands on a topic: its offsets, what its messages are, the data sets that lie there."""
    from susystream.services.broker import embedded_broker
    from susystream.stages.topic_summary import topic_summary
    from susystream.stream.connection import KafkaConnection

    security = security_of(stated)
    with ExitStack() as stack:
        address = bootstrap_servers or stack.enter_context(embedded_broker(home))
        store = stack.enter_context(open_store(home, uri, database))
        found = topic_summary(KafkaConnection(address, security=security), store, name)
    click.echo(json.dumps(found.to_json(), indent=2) if as_json else str(found))


def security_of(stated: Iterable[str]) -> dict[str, str]:
    """Security settings as typed; a value may come from the environment, and a secret must.

    Raises:
        SettingsError: One has no value, or is a secret on the command line, which others can read.
    """
    found = {}
    for word in stated:
        name, sign, value = word.partition("=")
        if not sign:
            raise SettingsError(
                "expected --security NAME=VALUE, received a word without an equals sign; correct it"
            )
        found[name] = value
    return stated_security(found, refusal=_REFUSAL)
