"""The model store: models and data sets in a document database.

In: documents and selectors. Out: documents, proven. Weights too large for one document go to
GridFS.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gridfs
from bson import ObjectId
from pymongo import DESCENDING, MongoClient, WriteConcern
from pymongo.errors import ConfigurationError, ConnectionFailure, InvalidURI, PyMongoError

from susystream.errors import NotFound, RegistryError, StoreUnavailable
from susystream.registry.document import (
    DatasetRecord,
    ModelDocument,
    canonical_json,
    check_digests,
)
from susystream.settings import without_userinfo

_INLINE_BYTES = 12_000_000  # a document holds 16 MB; the rest is room for the other fields
_LISTED = 1000


class ModelStore:
    """A connection; use it in a `with` block.

    Args:
        uri: `mongodb://...`; it may hold secrets and is never shown whole.
        database: Its name.
        timeout_seconds: For finding the server and for each request.
    """

    def __init__(
        self, uri: str, database: str = "susystream", timeout_seconds: float = 5.0
    ) -> None:
        self._uri, self._name, self._timeout = uri, database, timeout_seconds
        self._client: MongoClient[dict[str, Any]] | None = None

    def __enter__(self) -> ModelStore:
        milliseconds = int(self._timeout * 1000)
        with self._errors():
            self._client = MongoClient(
                self._uri,
                serverSelectionTimeoutMS=milliseconds,
                connectTimeoutMS=milliseconds,
                socketTimeoutMS=4 * milliseconds,
                appname="susystream",
            )
            self._models.create_index("model_id", unique=True)
            self._models.create_index([("created_at", DESCENDING)])
            self._datasets.create_index("dataset_id", unique=True)
            self._datasets.create_index([("created_at", DESCENDING)])
        return self

    def __exit__(self, *exc: object) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def save_model(self, document: ModelDocument) -> None:
        """Stores a new model; acknowledged only when it is on disk."""
        value = document.to_json()
        with self._errors():
            if len(canonical_json(value)) > _INLINE_BYTES:
                self._move_weights(value)
            self._models.insert_one(value)

    def load_model(self, selector: str) -> ModelDocument:
        """The model of an id, its unique beginning, `latest`, `run:<id>`, `best:<metric>`, a time.

        A time (ISO, UTC) means the latest model stored at or before it.

        Raises:
            NotFound: None is selected; near ids are listed.
            DocumentInvalid: The stored document is damaged.
        """
        with self._errors():
            found = self._select(selector)
            if found is None:
                raise NotFound(
                    self._nothing("model", selector, self._ids(self._models, "model_id"))
                )
            self._fetch_weights(found)
        return check_digests(ModelDocument.parsed(found))

    def list_models(self) -> list[ModelDocument]:
        """The newest models first, without proving their weights."""
        with self._errors():
            found = list(self._models.find().sort("created_at", DESCENDING).limit(_LISTED))
        return [ModelDocument.parsed(value) for value in found]

    def add_metrics(self, model_id: str, metrics: Mapping[str, float]) -> None:
        """Adds figures to a stored model.

        Raises:
            NotFound: There is no such model.
        """
        with self._errors():
            found = self._models.find_one({"model_id": model_id}, {"metrics": 1})
            if found is None:
                raise NotFound(f"expected model {model_id}, the store has none of this id")
            # names hold dots and slashes, so the group is written whole
            merged = {**found["metrics"], **metrics}
            self._models.update_one({"model_id": model_id}, {"$set": {"metrics": merged}})

    def save_dataset(self, record: DatasetRecord) -> None:
        """Stores the record of a published slice."""
        with self._errors():
            self._datasets.insert_one(record.to_json())

    def load_dataset(self, selector: str) -> DatasetRecord:
        """The record of an id, its unique beginning, or `latest`.

        Raises:
            NotFound: None is selected.
        """
        with self._errors():
            query = {} if selector == "latest" else _begins("dataset_id", selector)
            found = list(self._datasets.find(query).sort("created_at", DESCENDING).limit(2))
            if not found or (selector != "latest" and len(found) > 1):
                ids = self._ids(self._datasets, "dataset_id")
                raise NotFound(self._nothing("data set", selector, ids))
        return DatasetRecord.parsed(found[0])

    def list_datasets(self) -> list[DatasetRecord]:
        """The newest records first."""
        with self._errors():
            found = list(self._datasets.find().sort("created_at", DESCENDING).limit(_LISTED))
        return [DatasetRecord.parsed(value) for value in found]

    @property
    def _models(self) -> Any:
        return self._collection("models")

    @property
    def _datasets(self) -> Any:
        return self._collection("datasets")

    def _collection(self, name: str) -> Any:
        return self._database.get_collection(name, write_concern=WriteConcern(w=1, j=True))

    @property
    def _database(self) -> Any:
        if self._client is None:
            raise RegistryError("expected an open store; use it in a with block")
        return self._client[self._name]

    def _select(self, selector: str) -> dict[str, Any] | None:
        kind, _, value = selector.partition(":")
        newest = [("created_at", DESCENDING)]
        if selector == "latest":
            return self._first({}, newest)
        if kind == "run" and value:
            return self._first({"mlflow.run_id": value}, newest)
        if kind == "best" and value:
            return self._best(value)
        if re.match(r"\d{4}-\d\d-\d\d", selector):
            return self._first({"created_at": {"$lte": selector}}, newest)
        found = list(self._models.find(_begins("model_id", selector)).limit(2))
        return found[0] if len(found) == 1 else None

    def _first(self, query: dict[str, Any], order: list[tuple[str, int]]) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._models.find_one(query, sort=order)
        return found

    def _best(self, metric: str) -> dict[str, Any] | None:
        """The largest value, or the smallest where less is better."""
        found = list(self._models.find({}, {"model_id": 1, "metrics": 1}))
        scored = [(m["metrics"][metric], m["model_id"]) for m in found if metric in m["metrics"]]
        if not scored:
            names = sorted({name for m in found for name in m["metrics"]})
            raise NotFound(self._nothing("metric", metric, names))
        less = metric.endswith(("loss", "brier"))
        return self._first({"model_id": (min if less else max)(scored)[1]}, [("created_at", 1)])

    def _move_weights(self, value: dict[str, Any]) -> None:
        files = gridfs.GridFS(self._database)
        for weight in value["weights"]:
            content = weight.pop("data").encode("ascii")
            weight["data"] = None
            weight["gridfs_id"] = str(files.put(content, filename=weight["name"]))

    def _fetch_weights(self, value: dict[str, Any]) -> None:
        for weight in value.get("weights", []):
            if weight.get("gridfs_id"):
                files = gridfs.GridFS(self._database)
                content = files.get(ObjectId(weight["gridfs_id"])).read()
                weight.update(data=content.decode("ascii"), gridfs_id=None)

    @staticmethod
    def _ids(collection: Any, field: str) -> list[str]:
        found = collection.find({}, {field: 1}).sort("created_at", DESCENDING).limit(_LISTED)
        return [value[field] for value in found]

    @staticmethod
    def _nothing(what: str, selector: str, known: list[str]) -> str:
        near = difflib.get_close_matches(selector, known, n=3, cutoff=0.3) or known[:3]
        listed = f"; near ones: {', '.join(near)}" if near else "; the store holds none yet"
        return (
            f"expected exactly one {what} for {selector!r}, the store has none or several{listed}"
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        address = without_userinfo(self._uri)
        try:
            yield
        except (ConnectionFailure, InvalidURI, ConfigurationError) as error:
            reason = " ".join(str(error).split("(configured", 1)[0].split())
            raise StoreUnavailable(
                f"expected a document store at {address} within {self._timeout:.0f} s, received: "
                f"{reason.replace(self._uri, address)[:200]}; start it or correct registry.uri "
                "(empty: the embedded store)"
            ) from error
        except PyMongoError as error:
            raise RegistryError(
                f"expected the document store at {address} to serve a request, received: "
                f"{' '.join(str(error).split())[:200]}"
            ) from error


def _begins(field: str, prefix: str) -> dict[str, Any]:
    return {field: {"$regex": f"^{re.escape(prefix)}"}}
