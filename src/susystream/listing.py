"""The commands that look at what is stored: `susystream models` and `susystream data`.

In: selectors. Out: tables, JSON, a file, or a verdict with exit status 1.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from susystream.disclosure import public_uri
from susystream.errors import TrackingError

if TYPE_CHECKING:
    from susystream.registry.store import ModelStore

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _store_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options: list[_Decorator] = [
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--database", default="susystream", show_default=True),
        click.option(
            "--uri",
            envvar="SUSYSTREAM_REGISTRY_URI",
            help="The store's address; none: the embedded store.",
        ),
        click.option(
            "--home",
            type=click.Path(path_type=Path),
            default=Path(".susystream"),
            show_default=True,
        ),
    ]
    for option in options:
        command = option(command)
    return command


@contextmanager
def _open_store(home: Path, uri: str | None, database: str) -> Iterator[ModelStore]:
    from susystream.registry.store import ModelStore
    from susystream.services.store import embedded_store

    with ExitStack() as stack:
        address = uri or stack.enter_context(embedded_store(home))
        yield stack.enter_context(ModelStore(address, database))


@click.group()
def models() -> None:
    """Stored models."""


@models.command("list")
@_store_options
def models_list(home: Path, uri: str | None, database: str, as_json: bool) -> None:
    """All models, the newest first."""
    with _open_store(home, uri, database) as store:
        found = [summary_of_model(document) for document in store.list_models()]
    _show(found, ("model_id", "name", "dataset_id", "validation/auc"), as_json)


@models.command("show")
@click.argument("selector", default="latest")
@_store_options
def models_show(selector: str, home: Path, uri: str | None, database: str, as_json: bool) -> None:
    """One model: an id, its beginning, latest, promoted, run:<id>, best:<metric>, or a time."""
    with _open_store(home, uri, database) as store:
        document = store.load_model(selector)
    if as_json:
        click.echo(document.to_canonical_json())
        return
    for name, value in {**summary_of_model(document), **document.metrics}.items():
        click.echo(f"{name:44} {value}")


@models.command("promote")
@click.argument("selector")
@_store_options
def models_promote(
    selector: str, home: Path, uri: str | None, database: str, as_json: bool
) -> None:
    """Make a model the one that live scoring takes."""
    with _open_store(home, uri, database) as store:
        model_id = store.promote(selector)
    shown = {"model_id": model_id, "status": "promoted"}
    click.echo(json.dumps(shown) if as_json else f"{model_id}: promoted")


@models.command("export")
@click.argument("selector")
@click.argument("path", type=click.Path(path_type=Path))
@_store_options
def models_export(
    selector: str, path: Path, home: Path, uri: str | None, database: str, as_json: bool
) -> None:
    """Write a model's canonical JSON, weights included, to PATH."""
    with _open_store(home, uri, database) as store:
        document = store.load_model(selector)
    draft = path.with_name(path.name + ".part")
    try:
        draft.write_text(document.to_canonical_json(), encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    size = path.stat().st_size
    shown = {"model_id": document.model_id, "path": str(path), "bytes": size}
    click.echo(json.dumps(shown) if as_json else f"{document.model_id}: {size:,} bytes in {path}")


@models.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@_store_options
def models_import(path: Path, home: Path, uri: str | None, database: str, as_json: bool) -> None:
    """Store the model of a canonical JSON file, once it proved its predictions."""
    from susystream.registry.document import ModelDocument
    from susystream.stages.models import prove_stored

    document = ModelDocument.from_json(path.read_text(encoding="utf-8"))
    prove_stored(document)
    with _open_store(home, uri, database) as store:
        store.save_model(document)
    shown = {"model_id": document.model_id, "path": str(path)}
    click.echo(json.dumps(shown) if as_json else f"{document.model_id}: stored from {path}")


@models.command("verify")
@click.argument("selector", default="latest")
@click.option("--tracking-uri", envvar="MLFLOW_TRACKING_URI", default="sqlite:///mlflow.db")
@_store_options
def models_verify(
    selector: str, tracking_uri: str, home: Path, uri: str | None, database: str, as_json: bool
) -> None:
    """Prove digests, predictions and both ends of the link to MLflow."""
    from susystream.stages.models import prove_stored
    from susystream.tracking.tracker import Tracker

    with _open_store(home, uri, database) as store:
        document = store.load_model(selector)
    prove_stored(document)
    tags = Tracker(tracking_uri, document.mlflow.experiment).tags_of(document.mlflow.run_id)
    linked = tags.get("model_id") == document.model_id
    checks = {"digests": True, "predictions": True, "mlflow link": linked}
    if as_json:
        click.echo(json.dumps({"model_id": document.model_id, **checks}))
    else:
        for name, good in checks.items():
            click.echo(f"{name:16} {'ok' if good else 'BROKEN'}")
    if not linked:
        raise TrackingError(
            f"expected run {document.mlflow.run_id} with tag model_id={document.model_id} at "
            f"{public_uri(tracking_uri)}, received {tags.get('model_id', 'no such run or tag')}; "
            f"give the server that trained it (--tracking-uri {document.mlflow.tracking_uri})"
        )


@click.group()
def data() -> None:
    """Registered data sets."""


@data.command("list")
@_store_options
def data_list(home: Path, uri: str | None, database: str, as_json: bool) -> None:
    """All data sets, the newest first."""
    with _open_store(home, uri, database) as store:
        found = [record.model_dump(mode="json") for record in store.list_datasets()]
    if not as_json:
        found = [{**record, "topic": record["slice"]["topic"]} for record in found]
    _show(found, ("dataset_id", "name", "topic", "rows", "codec"), as_json)


@data.command("show")
@click.argument("selector", default="latest")
@_store_options
def data_show(selector: str, home: Path, uri: str | None, database: str, as_json: bool) -> None:
    """One data set: an id, its beginning, or latest."""
    with _open_store(home, uri, database) as store:
        record = store.load_dataset(selector)
    click.echo(json.dumps(record.model_dump(mode="json"), indent=None if as_json else 2))


@data.command("topic")
@click.argument("name")
@click.option("--bootstrap-servers", help="Kafka's address; none: the embedded broker.")
@_store_options
def data_topic(
    name: str,
    bootstrap_servers: str | None,
    home: Path,
    uri: str | None,
    database: str,
    as_json: bool,
) -> None:
    """What stands on a topic: its offsets, what its messages are, the data sets that lie there."""
    from susystream.services.broker import embedded_broker
    from susystream.stages.topic_summary import topic_summary
    from susystream.stream.topics import KafkaConnection

    with ExitStack() as stack:
        address = bootstrap_servers or stack.enter_context(embedded_broker(home))
        store = stack.enter_context(_open_store(home, uri, database))
        found = topic_summary(KafkaConnection(address), store, name)
    click.echo(json.dumps(found.to_json(), indent=2) if as_json else str(found))


def summary_of_model(document: Any) -> dict[str, Any]:
    """What a listing says of a model."""
    return {
        "model_id": document.model_id,
        "created_at": document.created_at,
        "name": document.name,
        "status": document.status,
        "run_id": document.mlflow.run_id,
        "dataset_id": document.training.dataset_id,
        "parent_model_id": document.training.parent_model_id,
        "validation/auc": document.metrics.get("validation/auc"),
    }


def _show(rows: list[dict[str, Any]], columns: tuple[str, ...], as_json: bool) -> None:
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
