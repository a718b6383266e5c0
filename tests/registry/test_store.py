from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import numpy as np
import pymongo
import pytest

from susystream.errors import DocumentInvalid, NotFound, RegistryError, StoreUnavailable
from susystream.registry import store as module
from susystream.registry.document import (
    Architecture,
    Code,
    DatasetRecord,
    MlflowLink,
    ModelDocument,
    Probe,
    Training,
    decode_weights,
    encode_weights,
    new_id,
    weights_digest,
)
from susystream.registry.store import ModelStore

SLICE: dict[str, Any] = {"topic": "susy", "partitions": {"0": [0, 5], "1": [2, 7]}}


def model(**changes: Any) -> ModelDocument:
    rows = changes.pop("rows", 3)
    array = np.random.default_rng(0).normal(size=(rows, 100)).astype(np.float32)
    weights = encode_weights([("a/kernel", array), ("a/bias", array[0])])
    values: dict[str, Any] = {
        "model_id": new_id("m"),
        "created_at": "2026-01-01T00:00:00.000+00:00",
        "name": "report_mlp",
        "weights": weights,
        "weights_sha256": weights_digest(weights),
        "architecture": Architecture.of({"layers": [{"$x.y%": 1, "": [2.0, None, True]}]}),
        "preprocessing": {"mean": [0.1, -0.0, 1e-300]},
        "features": ("M_R", "R"),
        "training": Training(
            dataset_id="d1", slice=SLICE, seed=1, epochs=2, config={"sasl.mechanism": "x", "$a": 1}
        ),
        "mlflow": MlflowLink(experiment="e", run_id="run1", tracking_uri="sqlite:///x"),
        "metrics": {"validation/auc": 0.8},
        "code": Code(commit="abc", dirty=True),
        "versions": {"keras": "3.15.1"},
        "probe": Probe.of(np.zeros((2, 18), np.float32), np.array([0.5, -1], np.float32)),
    }
    return ModelDocument(**(values | changes))


def record(**changes: Any) -> DatasetRecord:
    values: dict[str, Any] = {
        "dataset_id": new_id("d"),
        "created_at": "2026-01-01T00:00:00.000+00:00",
        "name": "toy",
        "slice": SLICE,
        "codec": "block",
        "events_per_message": 1000,
        "rows": 10_000,
        "digest": "m2:" + "0" * 32,
        "cluster_id": "abc",
        "source": {"kind": "toy"},
        "split": {},
        "scaler": {"mean": [1.0]},
        "run_id": "r0",
    }
    return DatasetRecord(**(values | changes))


@pytest.fixture
def database() -> str:
    return f"t{uuid4().hex[:12]}"


@pytest.fixture
def store(store_uri: str, database: str) -> Iterator[ModelStore]:
    with ModelStore(store_uri, database) as opened:
        yield opened


@pytest.fixture
def raw(store_uri: str, database: str) -> Iterator[Any]:
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(store_uri)
    yield client[database]
    client.close()


def test_a_model_comes_back_equal_from_another_connection(
    store: ModelStore, store_uri: str, database: str
) -> None:
    document = model()
    store.save_model(document)
    with ModelStore(store_uri, database) as other:
        again = other.load_model(document.model_id)
    assert again == document
    assert again.to_canonical_json() == document.to_canonical_json()


def test_large_weights_go_to_gridfs_and_come_back_bit_by_bit(store: ModelStore, raw: Any) -> None:
    document = model(rows=45_000)  # 18 MB: more than one document may hold
    store.save_model(document)
    stored = raw.models.find_one({"model_id": document.model_id})
    assert {weight["encoding"] for weight in stored["weights"]} == {"gridfs"}
    again = store.load_model("latest")
    assert again.weights_sha256 == document.weights_sha256
    for mine, theirs in zip(
        decode_weights(document.weights), decode_weights(again.weights), strict=True
    ):
        assert mine.tobytes() == theirs.tobytes()


def test_lost_gridfs_weights_are_a_damaged_document(store: ModelStore, raw: Any) -> None:
    store.save_model(model(rows=45_000))
    raw["weights.files"].delete_many({})
    with pytest.raises(DocumentInvalid):
        store.load_model("latest")


FILE_DAMAGE: dict[str, tuple[str, dict[str, Any]]] = {
    "a longer file": ("files", {"$set": {"length": 10**15}}),
    "a shorter file": ("files", {"$set": {"length": 4}}),
    "a length of text": ("files", {"$set": {"length": "4"}}),
    "no length": ("files", {"$unset": {"length": 1}}),
    "no piece size": ("files", {"$unset": {"chunkSize": 1}}),
    "a piece size of 0": ("files", {"$set": {"chunkSize": 0}}),
    "a piece size of text": ("files", {"$set": {"chunkSize": "x"}}),
    "short pieces": ("chunks", {"$set": {"data": b"x"}}),
    "pieces of text": ("chunks", {"$set": {"data": "x"}}),
    "empty pieces": ("chunks", {"$unset": {"data": 1}}),
    "unnumbered pieces": ("chunks", {"$unset": {"n": 1}}),
}


@pytest.fixture
def large(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> ModelDocument:
    """A stored model whose weights lie in GridFS, without their usual size."""
    monkeypatch.setattr(module, "INLINE_BYTES", 0)
    document = model()
    store.save_model(document)
    assert store.load_model("latest") == document
    return document


@pytest.mark.parametrize("damage", FILE_DAMAGE)
def test_damaged_files_of_weights_are_a_damaged_document(
    store: ModelStore, raw: Any, large: ModelDocument, damage: str
) -> None:
    collection, change = FILE_DAMAGE[damage]
    raw[f"weights.{collection}"].update_many({}, change)
    with pytest.raises(DocumentInvalid) as caught:
        store.load_model("latest")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [[3, 99], [-3, -100], ["3", 100], "3", None, [2**31] * 60])
def test_a_file_is_not_read_before_it_is_as_long_as_the_shape_says(
    store: ModelStore, raw: Any, large: ModelDocument, shape: Any
) -> None:
    raw.models.update_one({}, {"$set": {"weights.0.shape": shape}})
    raw["weights.chunks"].delete_many({})  # what is read is now another error
    with pytest.raises(DocumentInvalid, match=r"a/kernel of shape .* received 1200 bytes"):
        store.load_model("latest")


@pytest.mark.parametrize("name", [None, 7, "zz", ["a"]])
def test_a_file_name_that_is_no_id_is_a_damaged_document(
    store: ModelStore, raw: Any, large: ModelDocument, name: Any
) -> None:
    raw.models.update_one({}, {"$set": {"weights.0.data": name}})
    with pytest.raises(DocumentInvalid):
        store.load_model("latest")


def test_a_large_model_with_a_taken_id_leaves_no_files(store: ModelStore, raw: Any) -> None:
    document = model(rows=45_000)
    store.save_model(document)
    with pytest.raises(RegistryError, match="already stored"):
        store.save_model(document)
    assert raw["weights.files"].count_documents({}) == 2


def test_an_id_is_stored_once(store: ModelStore) -> None:
    document, registered = model(), record()
    store.save_model(document)
    store.save_dataset(registered)
    with pytest.raises(RegistryError, match="already stored"):
        store.save_model(document)
    with pytest.raises(RegistryError, match="already stored"):
        store.save_dataset(registered)


@pytest.fixture
def three(store: ModelStore) -> list[ModelDocument]:
    documents = [
        model(
            model_id=f"m2026010{day}-000000000-abcde",
            created_at=f"2026-01-0{day}T12:00:00.000+00:00",
            name=f"n{day % 2}",
            mlflow=MlflowLink(experiment="e", run_id=f"run{day}", tracking_uri="x"),
            metrics={"test/toy.csv/auc": auc, "test/toy.csv/log_loss": 1 - auc},
        )
        for day, auc in ((2, 0.9), (3, 0.7), (1, 0.8))
    ]
    for document in documents:
        store.save_model(document)
    return documents


# each is a time for some version of Python, or nearly one
NO_TIMES = [
    *("20260102", "2026-W01-5", "2026-01-02T12", "2026-01-02T1200", "20260102T120000Z"),
    *("2026-01-02 12:00", "2026-01-02T12:00:00,5", "2026-01-02T12:00.5", "2026-01-02T12:00z"),
    *("2026-01-02T12:00+02", "2026-01-02T12:00+0200", "2026-01-02T12:00+01:00:30"),
    *("2026-01-02T24:00", "2026-01-02T12:00+01:60", "2026-02-30", "2026-1-2", "٢٠٢٦-01-02"),
    *("0000-01-01", "0001-01-01T00:00+23:59", "2026-01-02T12:00:00.1234567", "2026-01-02Z"),
]


@pytest.mark.parametrize(
    ("selector", "day"),
    [
        ("m20260102-000000000-abcde", 2),
        ("m20260103", 3),
        ("latest", 3),
        ("run:run1", 1),
        ("name:n1", 3),
        ("name:n0", 2),
        ("best:test/toy.csv/auc", 2),
        ("best:test/toy.csv/log_loss", 2),
        ("2026-01-02", 2),
        ("2026-01-02T11:59:59", 1),
        ("2026-01-02T12:00:00Z", 2),
        ("2026-01-02T13:00:00+02:00", 1),
        ("2026-01-02T13:00+02:00", 1),
        ("2026-01-02T11:59:59.999", 1),
        ("2026-01-02T12:00:00.000000+00:00", 2),
        ("2030-01-01", 3),
    ],
)
def test_a_selector_finds_its_model(
    store: ModelStore, three: list[ModelDocument], selector: str, day: int
) -> None:
    assert store.load_model(selector).model_id == f"m2026010{day}-000000000-abcde"


@pytest.mark.parametrize(
    "selector",
    [
        *("m2026", "m20260109", "x", ".*", "run:none", "2020-01-01", "name:"),
        *("{$ne: 1}", *NO_TIMES),
    ],
)
def test_what_is_not_found_lists_near_ids(
    store: ModelStore, three: list[ModelDocument], selector: str
) -> None:
    with pytest.raises(NotFound, match="m20260103-000000000-abcde") as caught:
        store.load_model(selector)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("selector", "near"),
    [
        ("m20260102-000000000-abcdf", "m20260102-000000000-abcde"),  # one letter off
        ("m20260102-000000000-abcde-and-more", "m20260102-000000000-abcde"),
        ("M20260103", "m20260103-000000000-abcde"),
        ("n1", "name:n1"),  # a name, and no sign that it is one
        ("name:report_mpl", "name:report_mlp"),
        ("report", "name:report_mlp"),
        ("name:N0", "name:n0"),
    ],
)
def test_what_is_near_comes_first_be_it_an_id_or_a_name(
    store: ModelStore, three: list[ModelDocument], selector: str, near: str
) -> None:
    store.save_model(model(name="report_mlp"))
    with pytest.raises(NotFound) as caught:
        store.load_model(selector)
    assert str(caught.value).partition("near it: ")[2].split(", ")[0] == near


@pytest.mark.parametrize(
    ("selector", "near"),
    [
        ("best:auc", "best:test/toy.csv/auc"),
        ("best:test/toy.csv/lgo_loss", "best:test/toy.csv/log_loss"),
        ("best:nothing_like_it", "best:test/toy.csv/auc"),
    ],
)
def test_a_metric_that_no_model_has_names_those_that_one_has(
    store: ModelStore, three: list[ModelDocument], selector: str, near: str
) -> None:
    with pytest.raises(NotFound, match=r"best:<metric> of a metric that a model has") as caught:
        store.load_model(selector)
    assert str(caught.value).partition("near it: ")[2].split(", ")[0] == near


def test_an_empty_store_says_so(store: ModelStore) -> None:
    assert store.list_models() == []
    assert store.list_datasets() == []
    with pytest.raises(NotFound, match=r"received .latest. .* none yet; .* experiment=quickstart"):
        store.load_model("latest")
    with pytest.raises(NotFound, match=r"a data set, .* none yet; first, .* run stage=publish"):
        store.load_dataset("latest")


def test_what_is_near_nothing_is_told_the_latest_alone(
    store: ModelStore, three: list[ModelDocument]
) -> None:
    with pytest.raises(NotFound, match=r"'zzz' \(unknown\); susystream models list") as caught:
        store.load_model("zzz")
    assert [one.model_id in str(caught.value) for one in three] == [False, True, False]
    assert "promoted, name:…, run:…, best:<metric> or a time" in str(caught.value)
    store.save_dataset(record())
    with pytest.raises(
        NotFound, match=r"by an id, .*, run:… or a time \(2026-01-31\), rec"
    ) as data:
        store.load_dataset("zzz")
    assert not any(one in str(data.value) for one in ("promoted", "best:"))


def test_a_list_is_the_latest_first_and_holds_no_weights(
    store: ModelStore, three: list[ModelDocument]
) -> None:
    found = store.list_models()
    assert [one.created_at[:10] for one in found] == ["2026-01-03", "2026-01-02", "2026-01-01"]
    assert not hasattr(found[0], "weights")
    assert found[0].metrics == three[1].metrics


def test_metrics_are_added_beside_what_is_there(store: ModelStore) -> None:
    document = model()
    store.save_model(document)
    added = {"test/real.csv/background_rejection@0.5": 7.0, "validation/auc": 0.9}
    store.add_metrics(document.model_id, added)
    again = store.load_model(document.model_id)
    assert again.metrics == {**document.metrics, **added}
    assert again.weights == document.weights


TEST_SET = {"digest": "m1:ab", "rows": 50, "source": {"kind": "file", "path.csv": "$x%"}}


def test_metrics_come_with_the_identity_of_the_test_set_they_were_measured_on(
    store: ModelStore,
) -> None:
    document = model()
    store.save_model(document)
    store.add_metrics(document.model_id, {"test/b.csv/auc": 0.7}, {"b.csv": TEST_SET})
    store.add_metrics(document.model_id, {"test/a/auc": 0.8}, {"a": {**TEST_SET, "rows": 1}})
    expected = {"b.csv": TEST_SET, "a": {**TEST_SET, "rows": 1}}
    again = store.load_model(document.model_id)
    assert again.test_sets == store.list_models()[0].test_sets == expected
    assert again.metrics == {**document.metrics, "test/b.csv/auc": 0.7, "test/a/auc": 0.8}
    store.add_metrics(document.model_id, {}, {"a": {**TEST_SET, "rows": 2}})
    again = store.load_model(document.model_id)
    assert again.test_sets["a"]["rows"] == 2
    # of other events: no figure of the former ones stays, and those of other sets do
    assert again.metrics == {**document.metrics, "test/b.csv/auc": 0.7}


@pytest.mark.parametrize(
    "identity", [{}, {**TEST_SET, "rows": "50"}, {**TEST_SET, "source": {"a": float("nan")}}]
)
def test_a_test_set_without_identity_is_refused_and_changes_nothing(
    store: ModelStore, identity: dict[str, Any]
) -> None:
    document = model()
    store.save_model(document)
    with pytest.raises(DocumentInvalid):
        store.add_metrics(document.model_id, {"test/a/auc": 0.8}, {"a": identity})
    assert store.load_model(document.model_id) == document


def test_a_document_from_before_test_sets_were_kept_is_still_whole(
    store: ModelStore, raw: Any
) -> None:
    document = model()
    store.save_model(document)
    raw.models.update_one({}, {"$unset": {"test_sets": 1}})
    assert store.load_model("latest") == document


def test_a_status_is_changed_and_nothing_else(store: ModelStore) -> None:
    document = model(status="unproven")
    store.save_model(document)
    for status in ("trained", "promoted", "unproven"):
        store.set_status(document.model_id, status)
        again = store.load_model(document.model_id)
        assert again.to_json() == {**document.to_json(), "status": status}
    with pytest.raises(DocumentInvalid, match="unproven, trained, promoted, received 'proven'"):
        store.set_status(document.model_id, "proven")
    with pytest.raises(NotFound):
        store.set_status(document.model_id[:-1], "trained")


@pytest.mark.parametrize(
    "selector", ["latest", "best:test/toy.csv/auc", "2026-01-03", "name:n0", "run:run2"]
)
def test_an_unproven_model_is_found_by_its_id_only(
    store: ModelStore, three: list[ModelDocument], selector: str
) -> None:
    best = model(
        model_id="m20260103-120000000-zzzzz",
        created_at="2026-01-03T13:00:00.000+00:00",
        name="n0",
        status="unproven",
        mlflow=MlflowLink(experiment="e", run_id="run2", tracking_uri="x"),
        metrics={"test/toy.csv/auc": 0.99},
    )
    store.save_model(best)
    assert store.load_model(selector) in three
    assert store.load_model(best.model_id) == store.load_model("m20260103-1") == best
    assert [one.status for one in store.list_models()] == ["unproven", *["trained"] * 3]
    store.set_status(best.model_id, "trained")
    assert store.load_model(selector).model_id == best.model_id


def test_one_model_is_promoted_the_last_one_chosen(
    store: ModelStore, three: list[ModelDocument]
) -> None:
    for chosen in (three[0], three[2], three[0]):
        assert store.promote(chosen.model_id) == chosen.model_id
        assert store.model_id_of("promoted") == chosen.model_id
        statuses = {one.model_id: one.status for one in store.list_models()}
        assert [one for one, status in statuses.items() if status == "promoted"] == [
            chosen.model_id
        ]
    assert store.load_model("promoted") == three[0].model_copy(
        update={"status": "promoted", "promoted_at": store.load_model("promoted").promoted_at}
    )


def test_of_two_promoted_at_once_one_stays(store: ModelStore, three: list[ModelDocument]) -> None:
    ids = [one.model_id for one in three[:2]]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            list(pool.map(store.promote, ids))
            promoted = [one.model_id for one in store.list_models() if one.status == "promoted"]
            assert store.model_id_of("promoted") in promoted


def test_a_model_that_was_not_proven_is_not_promoted(
    store: ModelStore, three: list[ModelDocument]
) -> None:
    store.set_status(three[0].model_id, "unproven")
    with pytest.raises(RegistryError, match="expected a proven model"):
        store.promote(three[0].model_id)
    with pytest.raises(NotFound, match="susystream models promote latest"):
        store.load_model("promoted")


def test_metrics_of_an_unknown_model_or_no_number_are_refused(store: ModelStore) -> None:
    document = model()
    store.save_model(document)
    with pytest.raises(NotFound):
        store.add_metrics("m-unknown", {"a": 1.0})
    with pytest.raises(DocumentInvalid, match="finite"):
        store.add_metrics(document.model_id, {"a": float("nan")})


def test_a_data_set_comes_back_equal(store: ModelStore) -> None:
    older, newer = record(), record(created_at="2026-02-01T00:00:00.000+00:00")
    store.save_dataset(newer)
    store.save_dataset(older)
    assert store.load_dataset(older.dataset_id) == older
    assert store.load_dataset("latest") == newer
    assert store.list_datasets() == [newer, older]
    with pytest.raises(NotFound, match=newer.dataset_id):
        store.load_dataset("nonsense")


def test_the_latest_data_set_is_the_one_that_was_published_last_or_last_again(
    store: ModelStore,
) -> None:
    first, second = record(), record(created_at="2026-02-01T00:00:00.000+00:00")
    for one in (first, second):
        store.save_dataset(one)
    store.published_again(first.dataset_id)
    assert store.load_dataset("latest") == store.load_dataset("name:toy") == first
    assert store.load_dataset("2026-03-01") == second, "a time is that of the first publication"
    published = store.publications()
    assert published[second.dataset_id] == second.created_at < published[first.dataset_id]
    assert store.list_datasets() == [first, second]
    with pytest.raises(NotFound, match="nonsense"):
        store.published_again("nonsense")


def test_a_store_that_never_said_when_data_sets_were_published_goes_by_their_age(
    store: ModelStore, raw: Any
) -> None:
    newer, older = record(created_at="2026-02-01T00:00:00.000+00:00"), record()
    for one in (newer, older):
        store.save_dataset(one)
    raw.datasets.update_many({}, {"$unset": {"published_at": ""}})
    assert store.list_datasets() == [newer, older]
    assert store.publications()[older.dataset_id] == older.created_at
    store.save_dataset(latest := record(created_at="2026-01-02T00:00:00.000+00:00"))
    assert store.list_datasets() == [latest, newer, older], "those were there before it"


DAMAGE: dict[str, Callable[[ModelDocument], dict[str, Any]]] = {
    "other weights": lambda d: {"$set": {"weights.0.data": d.weights[1].data}},
    "other architecture": lambda d: {"$set": {"architecture.config": {}}},
    "no training": lambda d: {"$unset": {"training": 1}},
    "no weights": lambda d: {"$set": {"weights": None}},
    "a foreign field": lambda d: {"$set": {"evil": 1}},
    "a file that never was": lambda d: {
        "$set": {"weights.0.encoding": "gridfs", "weights.0.data": "zz"}
    },
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_document_damaged_in_the_store_is_refused(
    store: ModelStore, raw: Any, damage: str
) -> None:
    document = model()
    store.save_model(document)
    raw.models.update_one({"model_id": document.model_id}, DAMAGE[damage](document))
    with pytest.raises(DocumentInvalid) as caught:
        store.load_model("latest")
    assert "\n" not in str(caught.value)


def test_an_address_without_a_server_fails_in_time_and_keeps_the_password_secret() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"mongodb://me:hush@127.0.0.1:{free.getsockname()[1]}/?authSource=hushdb"
    started = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught, ModelStore(uri, timeout_seconds=1.0):
        pass
    assert time.monotonic() - started < 5
    assert "127.0.0.1" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_never_answers_fails_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        uri = f"mongodb://127.0.0.1:{silent.getsockname()[1]}/"
        started = time.monotonic()
        with pytest.raises(StoreUnavailable), ModelStore(uri, timeout_seconds=1.0):
            pass
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("uri", ["http://me:hush@x/", "mongodb://me:hush@x:port/", "", "hush"])
def test_what_is_no_address_is_refused(uri: str) -> None:
    with pytest.raises(StoreUnavailable, match=r"registry\.uri") as caught, ModelStore(uri):
        pass
    assert "hush" not in str(caught.value)


def test_a_store_is_used_inside_with() -> None:
    with pytest.raises(RegistryError, match="with ModelStore"):
        ModelStore("mongodb://127.0.0.1:1/").list_models()


def test_the_inline_limit_leaves_room_in_mongodbs_16_mb() -> None:
    assert module.INLINE_BYTES < 13 * 1024 * 1024
