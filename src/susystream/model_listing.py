"""The commands that look at models and name one: `susystream models`.

In: selectors. Out: tables, JSON, a file, or a verdict with exit status 1.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from susystream.disclosure import public_uri
from susystream.errors import TrackingError
from susystream.listing import open_store, show, store_options
from susystream.model_comparison import compare


@click.group()
def models() -> None:
    """Stored models."""


models.add_command(compare)


@models.command("list")
@store_options
def models_list(home: Path, uri: str | None, database: str, as_json: bool) -> None:
    """All models, the newest first."""
    with open_store(home, uri, database) as store:
        found = [summary_of_model(document) for document in store.list_models()]
    show(found, ("model_id", "name", "dataset_id", "validation/auc"), as_json)


@models.command("show")
@click.argument("selector", default="latest")
@store_options
def models_show(selector: str, home: Path, uri: str | None, database: str, as_json: bool) -> None:
    """One model: an id, its beginning, latest, promoted, run:<id>, best:<metric>, or a time."""
    with open_store(home, uri, database) as store:
        document = store.load_model(selector)
    if as_json:
        click.echo(document.to_canonical_json())
        return
    for name, value in {**summary_of_model(document), **document.metrics}.items():
        click.echo(f"{name:44} {value}")


@models.command("promote")
@click.argument("selector")
@store_options
def models_promote(
    selector: str, home: Path, uri: str | None, database: str, as_json: bool
) -> None:
    """Make a model the one that live scoring takes."""
    with open_store(home, uri, database) as store:
        model_id = store.promote(selector)
    shown = {"model_id": model_id, "status": "promoted"}
    click.echo(json.dumps(shown) if as_json else f"{model_id}: promoted")


@models.command("export")
@click.argument("selector")
@click.argument("path", type=click.Path(path_type=Path))
@store_options
def models_export(
    selector: str, path: Path, home: Path, uri: str | None, database: str, as_json: bool
) -> None:
    """Write a model's canonical JSON, weights included, to PATH."""
    with open_store(home, uri, database) as store:
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
@store_options
def models_import(path: Path, home: Path, uri: str | None, database: str, as_json: bool) -> None:
    """Store the model of a canonical JSON file, once it proved its predictions."""
    from susystream.registry.document import ModelDocument
    from susystream.stages.models import prove_stored

    document = ModelDocument.from_json(path.read_text(encoding="utf-8"))
    prove_stored(document)
    with open_store(home, uri, database) as store:
        store.save_model(document)
    shown = {"model_id": document.model_id, "path": str(path)}
    click.echo(json.dumps(shown) if as_json else f"{document.model_id}: stored from {path}")


@models.command("verify")
@click.argument("selector", default="latest")
@click.option("--tracking-uri", envvar="MLFLOW_TRACKING_URI", default="sqlite:///mlflow.db")
@store_options
def models_verify(
    selector: str, tracking_uri: str, home: Path, uri: str | None, database: str, as_json: bool
) -> None:
    """Prove digests, predictions and both ends of the link to MLflow."""
    from susystream.stages.models import checks_of
    from susystream.tracking.tracker import Tracker

    with open_store(home, uri, database) as store:
        document = store.load_model(selector)
    tags = Tracker(tracking_uri, document.mlflow.experiment).tags_of(document.mlflow.run_id)
    checks = checks_of(document, tags)
    if as_json:
        click.echo(json.dumps({"model_id": document.model_id, **checks}))
    else:
        for name, good in checks.items():
            click.echo(f"{name:16} {'ok' if good else 'BROKEN'}")
    if not all(checks.values()):
        raise TrackingError(
            f"expected run {document.mlflow.run_id} with tag model_id={document.model_id} at "
            f"{public_uri(tracking_uri)}, received {tags.get('model_id', 'no such run or tag')}; "
            f"give the server that trained it (--tracking-uri {document.mlflow.tracking_uri})"
        )


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
