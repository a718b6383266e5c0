"""The model store: documents in MongoDB, or any server that speaks its protocol.

In: documents, selectors. Out: documents, proven whole; one line and a deadline where that fails.
Weights over 12 MB lie in GridFS, for MongoDB ends a document at 16 MB.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import pymongo
from pymongo.collection import Collection
from pymongo.database import Database

from susystream.errors import DocumentInvalid, RegistryError
from susystream.registry.document import (
    PROMOTED,
    STATUSES,
    UNPROVEN,
    DatasetRecord,
    ModelDocument,
    ModelSummary,
    check_test_set,
    now_iso,
)
from susystream.registry.selectors import PUBLISHED_AT, escape, escaped, latest, plain, query
from susystream.registry.store.connection import Address
from susystream.registry.store.datasets import publications, record_of
from susystream.registry.store.large import INLINE_BYTES, content_of, file_of, moved_out
from susystream.registry.store.missing import not_found

__all__ = ["INLINE_BYTES", "ModelStore"]

SLOWEST_BYTES_A_SECOND = 5e6  # what large weights get beyond the time-out
_KEYS = {"models": "model_id", "datasets": "dataset_id"}
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
        self._address, self._name = Address(uri, timeout_seconds), database
        self._client: pymongo.MongoClient[dict[str, Any]] | None = None

    def __enter__(self) -> ModelStore:
        with self._address.guarded():
            self._client = self._address.client()
        try:
            with self._address.guarded():
                for collection, key in _KEYS.items():
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
        with self._address.guarded(size / SLOWEST_BYTES_A_SECOND):
            if size > INLINE_BYTES:
                with moved_out(self._database(), stored, document.model_id):
                    self._insert("models", stored)
            else:
                self._insert("models", stored)

    def load_model(self, selector: str) -> ModelDocument:
        """The model a selector names, its digests proven.

        Args:
            selector: An id, an id's unique beginning, `latest`, `name:<name>` and `run:<id>` (the
                latest of them), `best:<metric>` (the lowest loss, Brier score or forgetting, else
                the highest), or a time: the latest at or before it. A time is YYYY-MM-DD, the end
                of that day, or YYYY-MM-DDTHH:MM[:SS[.ffffff]][Z or ±HH:MM], UTC if it names no
                zone. All but an id and its beginning pass over models whose status is `unproven`.

        Raises:
            NotFound: No model, or more than one; near ids are listed.
            DocumentInvalid: It is damaged.
        """
        with self._address.guarded():
            found = self._find("models", "model_id", selector)
        self._inline_weights(found)
        return ModelDocument.from_json(plain(found))

    def list_models(self) -> list[ModelSummary]:
        """Every model without its weights, the latest first."""
        with self._address.guarded():
            cursor = self._of("models").find({}, dict.fromkeys(_LARGE, 0), sort=latest("model_id"))
            return [ModelSummary.from_json(plain(found)) for found in cursor]

    def add_metrics(
        self,
        model_id: str,
        metrics: Mapping[str, float],
        test_sets: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Adds figures to a stored model; a figure of the same name is replaced.

        Args:
            model_id: A whole id.
            metrics: Figures by name.
            test_sets: What they were measured on, by the set's name: `digest`, `rows`, `source`.
                No other figure of such a set stays: it may have been of other events.

        Raises:
            NotFound: There is no such model.
            DocumentInvalid: A figure is no finite number, or a test set is not identified.
        """
        changes: dict[str, Any] = {}
        for name, value in metrics.items():
            if not isinstance(value, int | float) or not abs(value) < float("inf"):
                raise DocumentInvalid(f"expected a finite metric {name}, received {value!r}")
            changes[f"metrics.{escape(name)}"] = float(value)
        for name, identity in (test_sets or {}).items():
            changes[f"test_sets.{escape(name)}"] = escaped(check_test_set(identity))
        self._change("models", model_id, changes, self._stale(model_id, metrics, test_sets or {}))

    def _stale(
        self, model_id: str, metrics: Mapping[str, float], test_sets: Mapping[str, object]
    ) -> list[str]:
        """The fields of former figures of some sets."""
        if not test_sets:
            return []
        begins = tuple(f"test/{name}/" for name in test_sets)
        with self._address.guarded():
            found = self._of("models").find_one({"model_id": model_id}, {"metrics": 1}) or {}
        former = plain(found).get("metrics", {})
        stale = [name for name in former if name.startswith(begins) and name not in metrics]
        return [f"metrics.{escape(name)}" for name in stale]

    def set_status(self, model_id: str, status: str) -> None:
        """Changes what is said of a stored model: one of `STATUSES`.

        Raises:
            NotFound: There is no such model.
            DocumentInvalid: There is no such status.
        """
        if status not in STATUSES:
            raise DocumentInvalid(
                f"expected a status out of {', '.join(STATUSES)}, received {status!r}"
            )
        self._change("models", model_id, {"status": status})

    def model_id_of(self, selector: str) -> str:
        """The id of the model a selector names; nothing else of it is read.

        Raises:
            NotFound: No model, or more than one; near ids are listed.
        """
        with self._address.guarded():
            return str(self._find("models", "model_id", selector, {"model_id": 1})["model_id"])

    def promote(self, selector: str) -> str:
        """Makes a model the one that `promoted` names; the one before is `trained` again.

        Returns:
            Its id.

        Raises:
            NotFound: No model, or more than one; near ids are listed.
            RegistryError: It was never proven.
        """
        with self._address.guarded():
            found = self._find("models", "model_id", selector, {"model_id": 1, "status": 1})
        model_id = str(found["model_id"])
        if found.get("status") == UNPROVEN:
            raise RegistryError(
                f"expected a proven model, received {model_id}, whose training did not end; "
                "choose another"
            )
        now = now_iso()
        self._change("models", model_id, {"status": PROMOTED, "promoted_at": now})
        with self._address.guarded():  # the earlier ones: of two at a time the later one stays
            earlier = {"status": PROMOTED, "promoted_at": {"$lt": now}}
            self._of("models").update_many(earlier, {"$set": {"status": "trained"}})
        return model_id

    def save_dataset(self, record: DatasetRecord) -> None:
        """Registers a data set.

        Raises:
            RegistryError: The id is taken.
        """
        with self._address.guarded():
            self._insert("datasets", {**record.to_json(), PUBLISHED_AT: record.created_at})

    def published_again(self, dataset_id: str) -> None:
        """Makes a data set the latest, as if it were published now.

        Raises:
            NotFound: There is no such data set.
        """
        self._change("datasets", dataset_id, {PUBLISHED_AT: now_iso()})

    def load_dataset(self, selector: str) -> DatasetRecord:
        """The data set a selector names, as `load_model` without `best`.

        Raises:
            NotFound: No data set, or more than one; near ids are listed.
        """
        with self._address.guarded():
            return record_of(self._find("datasets", "dataset_id", selector))

    def list_datasets(self) -> list[DatasetRecord]:
        """Every data set, the latest first: the one that was published last, or last again."""
        with self._address.guarded():
            return list(map(record_of, self._of("datasets").find({}, sort=latest("dataset_id"))))

    def publications(self) -> dict[str, str]:
        """When each data set was published last, by its id: UTC, as `created_at`."""
        with self._address.guarded():
            fields = {"dataset_id": 1, "created_at": 1, PUBLISHED_AT: 1}
            return publications(self._of("datasets").find({}, fields))

    def _database(self) -> Database[dict[str, Any]]:
        if self._client is None:
            raise RegistryError("expected an open store; use `with ModelStore(...) as store`")
        return self._client[self._name]

    def _of(self, collection: str) -> Collection[dict[str, Any]]:
        return self._database()[collection]

    def _change(
        self, collection: str, which: str, changes: dict[str, Any], removed: Sequence[str] = ()
    ) -> None:
        if not changes:
            return
        key = _KEYS[collection]
        change: dict[str, Any] = {"$set": changes}
        if removed:
            change["$unset"] = dict.fromkeys(removed, "")
        with self._address.guarded():
            result = self._of(collection).update_one({key: which}, change)
            if not result.matched_count:
                raise not_found(self._of(collection), key, which)

    def _insert(self, collection: str, stored: dict[str, Any]) -> None:
        self._of(collection).insert_one(escaped(stored))

    def _find(
        self, collection: str, key: str, selector: str, fields: Mapping[str, int] | None = None
    ) -> dict[str, Any]:
        wanted, order = query(key, selector)
        cursor = self._of(collection).find(wanted, fields, sort=order or [(key, 1)])
        found: list[dict[str, Any]] = list(cursor.limit(1 if order else 2))
        if len(found) == 2:  # the beginning of several ids; a whole id is one of them at most
            found = [one for one in found if one[key] == selector]
        if len(found) != 1:
            raise not_found(self._of(collection), key, selector)
        return found[0]

    def _inline_weights(self, found: dict[str, Any]) -> None:
        weights = found.get("weights")
        for weight in weights if isinstance(weights, list) else []:
            if isinstance(weight, dict) and weight.get("encoding") == "gridfs":
                with self._address.guarded():
                    file = file_of(self._database(), weight)
                with self._address.guarded(file.length / SLOWEST_BYTES_A_SECOND):
                    text = base64.b64encode(content_of(file)).decode("ascii")
                weight.update(encoding="base64", data=text)
