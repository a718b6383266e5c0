"""What a stored model is and where it comes from, for people.

In: its document, and the record of its data set. Out: facts by name, as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from susystream.registry.document import Code, DatasetRecord, ModelDocument
from susystream.stream.slices import TopicSlice

_DIGITS = 16  # of a SHA-256, which tell it from others


def provenance(document: ModelDocument, record: DatasetRecord | None) -> dict[str, str]:
    """Facts of a model, the nearest first.

    Args:
        document: The model.
        record: Of the data set it was trained on; None where the store does not know it.
    """
    training = document.training
    return {
        "model": document.model_id,
        "stored": document.created_at,
        "network": _network(document),
        "features": f"{len(document.features)}: {', '.join(document.features)}",
        "training": f"{training.epochs} epochs, seed {training.seed}",
        "parent": training.parent_model_id or "none: trained afresh",
        "slice": str(TopicSlice.from_json(training.slice)),
        "data set": training.dataset_id,
        **({} if record is None else _events(record)),
        "run": f"{document.mlflow.run_id} in experiment {document.mlflow.experiment}",
        "code": _code(document.code),
        "libraries": ", ".join(f"{name} {one}" for name, one in document.versions.items()),
        "weights": f"SHA-256 {document.weights_sha256[:_DIGITS]}…",
    }


def _network(document: ModelDocument) -> str:
    config: dict[str, Any] = dict(document.training.config)
    model = config.get("model")
    hidden = model.get("hidden") if isinstance(model, Mapping) else None
    widths = hidden if isinstance(hidden, list) else []  # an imported one may hold anything
    layers = f"hidden layers of {', '.join(map(str, widths))} units; " if widths else ""
    return f"{document.name}: {layers}{document.parameters:,} parameters"


def _events(record: DatasetRecord) -> dict[str, str]:
    source = ", ".join(f"{name} {value}" for name, value in record.source.items())
    return {
        "events": f"{record.rows:,}, digest {record.digest}",
        "source": source,
    }


def _code(code: Code) -> str:
    if code.commit in (None, "unknown"):  # the latter in former documents
        return "no commit known"
    return f"commit {str(code.commit)[:12]}" + (", with changed files" if code.dirty else "")
