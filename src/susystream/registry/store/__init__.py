"""The model store: documents in MongoDB, or any server that speaks its protocol.

In: documents, selectors. Out: documents, proven whole; one line and a deadline where that fails.
Weights over 12 MB lie in GridFS, for MongoDB ends a document at 16 MB.
"""

from __future__ import annotations

import base64
import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import gridfs
import pymongo
from bson import ObjectId
from bson.errors import BSONError
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidURI,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from susystream.errors import DocumentInvalid, NotFound, RegistryError, StoreUnavailable
from susystream.registry.document import DatasetRecord, ModelDocument, ModelSummary
from susystream.registry.selectors import SELECTORS, escape, escaped, latest, plain, query
from susystream.settings import public_uri

SLOWEST_BYTES_A_SECOND = 5e6  # what large weights get beyond the time-out
INLINE_BYTES = 12_000_000  # of base64 text; the rest of a document is far below the 4 MB left
_LARGE = ("architecture", "weights", "probe")


class ModelStore:
    """Models and data sets at one address; `with` opens the connection.

    Writes are acknowledged by the server and in its journal before a call returns.

    Args:
        uri: A MongoDB URI; it may hold a password, which no message repeats.
        database: The database's name.
        timeout_seconds: After which an operation gives up.

    Raises:
        StoreUnavailable: By any method, when no server answers in time.
    """

    def __init__(
        self, uri: str, database: str = "susystream", timeout_seconds: float = 5.0
    ) -> None:
        self._uri, self._name, self._timeout = uri, database, timeout_seconds
        self._client: pymongo.MongoClient[dict[str, Any]] | None = None

    def __enter__(self) -> ModelStore:
        with self._ours():
            self._client = _client(self._uri, self._timeout)
        try:
            with self._ours():
                for collection, key in (("models", "model_id"), ("datasets", "dataset_id")):
                    self._of(collection).create_index(key, unique=True)
                    self._of(collection).create_index([("created_at", -1)])
        except BaseException:
            self._client.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def save_model(self, document: ModelDocument) -> None:
        """Stores a new model.

        Raises:
            RegistryError: The id is taken.
        """
        stored = document.to_json()
        size = sum(len(weight["data"]) for weight in stored["weights"])
        with self._ours(size / SLOWEST_BYTES_A_SECOND):
            if size > INLINE_BYTES:
                with self._large_weights(stored, document.model_id):
                    self._insert("models", stored)
            else:
                self._insert("models", stored)

    def load_model(self, selector: str) -> ModelDocument:
        """The model a selector names, its digests proven.

        Args:
            selector: An id, an id's unique beginning, `latest`, `name:<name>` and `run:<id>` (the
                latest of them), `best:<metric>` (the lowest loss or Brier score, else the
                highest), or an ISO time: the latest at or before it, UTC if it names no zone; a
                date means the end of that day.

        Raises:
            NotFound: No model, or more than one; near ids are listed.
            DocumentInvalid: It is damaged.
        """
        with self._ours():
            found = self._find("models", "model_id", selector)
        self._inline_weights(found)
        return ModelDocument.from_json(plain(found))

    def list_models(self) -> list[ModelSummary]:
        """Every model without its weights, the latest first."""
        with self._ours():
            cursor = self._of("models").find({}, dict.fromkeys(_LARGE, 0), sort=latest("model_id"))
            return [ModelSummary.from_json(plain(found)) for found in cursor]

    def add_metrics(self, model_id: str, metrics: Mapping[str, float]) -> None:
        """Adds figures to a stored model; a figure of the same name is replaced.

        Raises:
            NotFound: There is no such model.
            DocumentInvalid: A figure is no finite number.
        """
        for name, value in metrics.items():
            if not isinstance(value, int | float) or not abs(value) < float("inf"):
                raise DocumentInvalid(f"expected a finite metric {name}, received {value!r}")
        if not metrics:
            return
        changes = {f"metrics.{escape(name)}": float(value) for name, value in metrics.items()}
        with self._ours():
            result = self._of("models").update_one({"model_id": model_id}, {"$set": changes})
            if not result.matched_count:
                raise self._not_found("models", "model_id", model_id)

    def save_dataset(self, record: DatasetRecord) -> None:
        """Registers a data set.

        Raises:
            RegistryError: The id is taken.
        """
        with self._ours():
            self._insert("datasets", record.to_json())

    def load_dataset(self, selector: str) -> DatasetRecord:
        """The data set a selector names, as `load_model` without `best`.

        Raises:
            NotFound: No data set, or more than one; near ids are listed.
        """
        with self._ours():
            found = self._find("datasets", "dataset_id", selector)
        return DatasetRecord.from_json(plain(found))

    def list_datasets(self) -> list[DatasetRecord]:
        """Every data set, the latest first."""
        with self._ours():
            cursor = self._of("datasets").find({}, sort=latest("dataset_id"))
            return [DatasetRecord.from_json(plain(found)) for found in cursor]

    def _database(self) -> Database[dict[str, Any]]:
        if self._client is None:
            raise RegistryError("expected an open store; use `with ModelStore(...) as store`")
        return self._client[self._name]

    def _of(self, collection: str) -> Collection[dict[str, Any]]:
        return self._database()[collection]

    def _insert(self, collection: str, stored: dict[str, Any]) -> None:
        self._of(collection).insert_one(escaped(stored))

    def _find(self, collection: str, key: str, selector: str) -> dict[str, Any]:
        wanted, order = query(key, selector)
        found = list(
            self._of(collection).find(wanted, sort=order or [(key, 1)]).limit(1 if order else 2)
        )
        if len(found) == 2:  # the beginning of several ids; a whole id is one of them at most
            found = [one for one in found if one[key] == selector]
        if len(found) != 1:
            raise self._not_found(collection, key, selector)
        return found[0]

    def _not_found(self, collection: str, key: str, selector: str) -> NotFound:
        """With ids that begin alike or look alike, else the latest ones."""
        newest = self._of(collection).find({}, {key: 1}, sort=latest(key)).limit(1000)
        known = [one[key] for one in newest]
        near = [one for one in known if one.startswith(selector)]
        near = near or difflib.get_close_matches(selector, known, n=3) or known
        several = "one of several" if any(one.startswith(selector) for one in known) else "unknown"
        return NotFound(
            f"expected {SELECTORS} in {collection}, received {selector!r} ({several}); "
            + (f"near it: {', '.join(near[:5])}" if near else "nothing is stored yet")
        )

    @contextmanager
    def _large_weights(self, stored: dict[str, Any], model_id: str) -> Iterator[None]:
        """Moves weights into GridFS; takes them out again if the document cannot be stored."""
        files, ids = gridfs.GridFS(self._database(), "weights"), []
        try:
            for weight in stored["weights"]:
                content = base64.b64decode(weight["data"])
                ids.append(files.put(content, filename=f"{model_id}/{weight['name']}"))
                weight.update(encoding="gridfs", data=str(ids[-1]))
            yield
        except BaseException:
            for file in ids:
                files.delete(file)
            raise

    def _inline_weights(self, found: dict[str, Any]) -> None:
        weights = found.get("weights")
        for weight in weights if isinstance(weights, list) else []:
            if isinstance(weight, dict) and weight.get("encoding") == "gridfs":
                with self._ours():
                    file = gridfs.GridFS(self._database(), "weights").get(ObjectId(weight["data"]))
                with self._ours(file.length / SLOWEST_BYTES_A_SECOND):
                    text = base64.b64encode(file.read()).decode("ascii")
                weight.update(encoding="base64", data=text)

    @contextmanager
    def _ours(self, more_seconds: float = 0.0) -> Iterator[None]:
        """Errors of the client as ours, and a deadline over all that happens inside."""
        try:
            with pymongo.timeout(self._timeout + more_seconds):
                yield
        except (gridfs.errors.GridFSError, BSONError, OverflowError) as error:
            raise DocumentInvalid(f"expected a storable, whole document, {_line(error)}") from None
        except (InvalidURI, ConfigurationError, ValueError) as error:
            # the client's text may repeat the address with its password
            raise StoreUnavailable(
                f"expected a MongoDB address mongodb://host:port/, received one the client "
                f"refuses ({type(error).__name__}); correct registry.uri"
            ) from None
        except PyMongoError as error:
            raise self._mapped(error) from None

    def _mapped(self, error: PyMongoError) -> RegistryError:
        place = public_uri(self._uri)
        if isinstance(error, DuplicateKeyError):
            return RegistryError(f"expected a new id at {place}, received one already stored")
        late = (ConnectionFailure, NetworkTimeout, ExecutionTimeout, WTimeoutError)
        if isinstance(error, late) or error.timeout:
            return StoreUnavailable(
                f"expected a document store at {place}, none answered in {self._timeout:g} s; "
                "start it, or correct registry.uri"
            )
        if isinstance(error, OperationFailure) and error.code in (13, 18):
            return StoreUnavailable(f"expected to be let in at {place}, the server refused")
        return RegistryError(f"expected {place} to do as asked, it says: {_line(error)}")


def _client(uri: str, timeout: float) -> pymongo.MongoClient[dict[str, Any]]:
    milliseconds = max(1, int(timeout * 1000))
    return pymongo.MongoClient(
        uri,
        serverSelectionTimeoutMS=milliseconds,
        connectTimeoutMS=milliseconds,
        socketTimeoutMS=milliseconds,
        w=1,
        journal=True,
        appname="susystream",
    )


def _line(error: object) -> str:
    return " ".join(str(error).split())[:200]
