from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from susystream.errors import DocumentInvalid
from susystream.registry.document import (
    Architecture,
    Code,
    DatasetRecord,
    MlflowLink,
    ModelDocument,
    Probe,
    Training,
    canonical_json,
    decode_weights,
    encode_weights,
    new_id,
    now_iso,
    weights_digest,
)

SLICE: dict[str, Any] = {"topic": "susy", "partitions": {"0": [0, 5], "1": [2, 7]}}


def model(**changes: Any) -> ModelDocument:
    weights = changes.pop("weights", None)
    if weights is None:
        weights = encode_weights([("a/kernel", np.ones((3, 2), np.float32))])
    values: dict[str, Any] = {
        "model_id": new_id("m"),
        "created_at": now_iso(),
        "name": "report_mlp",
        "weights": weights,
        "weights_sha256": weights_digest(weights),
        "architecture": Architecture.of({"class_name": "Sequential", "layers": [1.5]}),
        "preprocessing": {"kind": "standard", "mean": [0.1]},
        "features": ("M_R", "R"),
        "training": Training(dataset_id="d1", slice=SLICE, seed=1, epochs=2, config={"a.b": 1}),
        "mlflow": MlflowLink(experiment="susystream", run_id="r1", tracking_uri="sqlite:///x"),
        "metrics": {"validation/auc": 0.8},
        "code": Code(commit=None, dirty=None),
        "versions": {"keras": "3.15.1"},
        "probe": Probe.of(np.zeros((2, 18), np.float32), np.array([0.5, -1], np.float32)),
    }
    return ModelDocument(**(values | changes))


CONSTANTS = [0.5 + i for i in range(18)]


def scaling(**changes: Any) -> dict[str, Any]:
    """What a document says of scaling, twice: M_R and R are features 10 and 12."""
    constants = {"mean": [10.5, 12.5], "variance": [10.5**2, 12.5**2]} | changes
    layers = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, 2]}},
        {"class_name": "Normalization", "config": {"name": "scaler", **constants}},
    ]
    return {
        "architecture": Architecture.of({"class_name": "Sequential", "layers": layers}),
        "preprocessing": {"kind": "standard", "mean": CONSTANTS, "std": CONSTANTS},
    }


def record(**changes: Any) -> DatasetRecord:
    values: dict[str, Any] = {
        "dataset_id": new_id("d"),
        "created_at": now_iso(),
        "name": "toy",
        "slice": SLICE,
        "codec": "block",
        "events_per_message": 1000,
        "rows": 10_000,
        "digest": "m2:" + "0" * 32,
        "cluster_id": "abc",
        "source": {"kind": "toy", "seed": 1},
        "split": {"part": "train"},
        "scaler": {"mean": [1.0]},
        "run_id": "r0",
    }
    return DatasetRecord(**(values | changes))


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
    count = int(np.prod(shape, dtype=int))
    # all bit patterns: denormals, infinities and every NaN must survive
    words = draw(st.lists(st.integers(0, 2**32 - 1), min_size=count, max_size=count))
    return np.array(words, np.uint32).view(np.float32).reshape(shape)


finite = st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | finite | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=5), plain, max_size=4)


@settings(deadline=None, max_examples=60)
@given(
    named=st.lists(st.tuples(st.text(min_size=1, max_size=9), arrays()), max_size=3),
    config=objects,
    metrics=st.dictionaries(st.text(max_size=9), finite, max_size=4),
)
def test_a_document_survives_json_and_its_weights_keep_every_bit(
    named: list[tuple[str, Any]], config: dict[str, Any], metrics: dict[str, float]
) -> None:
    document = model(
        weights=encode_weights(named), architecture=Architecture.of(config), metrics=metrics
    )
    text = document.to_canonical_json()
    again = ModelDocument.from_json(text)
    assert again == document
    assert again.to_canonical_json() == text
    assert again.parameters == sum(array.size for _, array in named)
    for (_, array), loaded in zip(named, decode_weights(again.weights), strict=True):
        assert loaded.shape == array.shape
        assert loaded.tobytes() == array.tobytes()


def test_a_document_from_before_there_were_parents_keeps_its_text() -> None:
    text = model().to_canonical_json()
    assert "parent" not in text
    assert "chain" not in text
    known = {"dataset_id": "d1", "slice": SLICE, "seed": 1, "epochs": 2, "config": {}}
    assert Training(**known).model_dump(mode="json") == known
    child = model(training=Training(**known, parent_model_id=new_id("m"), chain="mine"))
    again = ModelDocument.from_json(child.to_canonical_json())
    assert again == child
    assert again.to_canonical_json() == child.to_canonical_json()
    with pytest.raises(DocumentInvalid, match=r"training\.parent_model_id"):
        ModelDocument.from_json(
            {**child.to_json(), "training": {**known, "parent_model_id": "no id"}}
        )


@given(source=objects)
def test_a_data_set_survives_json(source: dict[str, Any]) -> None:
    one = record(source=source)
    assert DatasetRecord.from_json(one.to_canonical_json()) == one


def test_canonical_json_is_one_text_for_one_value() -> None:
    assert canonical_json({"b": 1.0, "a": ["é"]}) == '{"a":["é"],"b":1.0}'
    for wrong in (float("nan"), float("inf"), "\ud800", {1, 2}):
        with pytest.raises(DocumentInvalid):
            canonical_json({"a": wrong})


def test_ids_are_unique_and_sort_by_age() -> None:
    ids = [new_id("m") for _ in range(2000)]
    assert len(set(ids)) == len(ids)
    assert [i[:19] for i in ids] == sorted(i[:19] for i in ids)


def test_the_digest_covers_names_shapes_and_bytes() -> None:
    array = np.arange(6, dtype=np.float32)
    forms = [
        [("a", array)],
        [("b", array)],
        [("a", array.reshape(2, 3))],
        [("a", array[:3]), ("b", array[3:])],
        [("a", array + 1)],
    ]
    assert len({weights_digest(encode_weights(form)) for form in forms}) == len(forms)


def test_the_probe_keeps_its_bits() -> None:
    features = np.random.default_rng(0).normal(size=(16, 18)).astype(np.float32)
    logits = features[:, 0].copy()
    again, again_logits = Probe.of(features, logits).arrays()
    assert again.tobytes() == features.tobytes()
    assert again_logits.tobytes() == logits.tobytes()


def other_weights(value: dict[str, Any]) -> None:
    data = bytearray(base64.b64decode(value["weights"][0]["data"]))
    data[0] ^= 1
    value["weights"][0]["data"] = base64.b64encode(data).decode()


def test_the_network_scales_by_the_constants_of_the_preprocessing() -> None:
    rounded = np.array([10.5, 12.5], np.float32) * np.float32(1 + 2**-22)
    for good in ({}, {"mean": [[10.5, 12.5]]}, {"mean": rounded.tolist()}):
        assert model(**scaling(**good)).features == ("M_R", "R")
    assert model(**scaling(mean=None, variance=None)).features  # its constants are weights


@pytest.mark.parametrize(
    "wrong",
    [
        {"mean": [12.5, 10.5]},
        {"mean": [10.5, 12.6]},
        {"mean": [10.5]},
        {"mean": 10.5},
        {"mean": ["x", None]},
        {"variance": CONSTANTS[10:12]},
        {"variance": None},
    ],
)
def test_a_network_that_scales_by_other_constants_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DocumentInvalid, match=r"scale by the (mean|variance)"):
        model(**scaling(**wrong))


def test_constants_without_a_whole_scaler_or_known_features_are_refused() -> None:
    with pytest.raises(DocumentInvalid, match="18 finite means"):
        model(**scaling() | {"preprocessing": {"mean": [10.5, 12.5], "std": [1, 1]}})
    with pytest.raises(DocumentInvalid, match="feature names"):
        model(**scaling(), features=("M_R", "mass"))


def test_the_constants_of_a_real_network_are_compared() -> None:
    from susystream.model.network import architecture_of, build_network

    said = scaling()["preprocessing"]
    chosen = [10, 12]
    network = build_network(
        features=2,
        hidden=[3],
        dropout=[0.0],
        activation="relu",
        mean=[said["mean"][i] for i in chosen],
        std=[said["std"][i] for i in chosen],
        seed=1,
    )
    stored = Architecture.of(json.loads(json.dumps(architecture_of(network))))
    assert model(architecture=stored, preprocessing=said).architecture == stored
    for name in ("mean", "std"):
        other = {**said, name: [*CONSTANTS[:12], 1.0, *CONSTANTS[13:]]}
        with pytest.raises(DocumentInvalid, match="scale by the"):
            model(architecture=stored, preprocessing=other)


DAMAGE: dict[str, Any] = {
    "one bit of a weight": other_weights,
    "a shape": lambda v: v["weights"][0].update(shape=[2, 3]),
    "a shape of another size": lambda v: v["weights"][0].update(shape=[7]),
    "no base64": lambda v: v["weights"][0].update(data="%%%"),
    "another type": lambda v: v["weights"][0].update(dtype="object"),
    "the architecture": lambda v: v["architecture"]["config"].update(layers=[]),
    "a missing part": lambda v: v.pop("training"),
    "an unknown part": lambda v: v.update(surprise=1),
    "another version": lambda v: v.update(schema_version=2),
    "no time": lambda v: v.update(created_at="yesterday"),
    "a local time": lambda v: v.update(created_at="2026-01-01T00:00:00+02:00"),
    "an unknown status": lambda v: v.update(status="proven"),
    "a test set of nothing": lambda v: v.update(test_sets={"a": {}}),
    "no id": lambda v: v.update(model_id="../m"),
    "the name of ensembles": lambda v: v.update(model_id="ensemble"),
    "no number": lambda v: v.update(metrics={"a": float("nan")}),
    "no slice": lambda v: v["training"].update(slice={"topic": "x"}),
    "a short probe": lambda v: v["probe"].update(rows=3),
    "weights of null": lambda v: v.update(weights=None),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_document_is_refused_in_one_line(damage: str) -> None:
    value = json.loads(model().to_canonical_json())
    DAMAGE[damage](value)
    with pytest.raises(DocumentInvalid) as caught:
        ModelDocument.from_json(value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "{}"])
def test_text_that_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(DocumentInvalid):
        ModelDocument.from_json(text)


def test_weights_of_another_type_are_refused() -> None:
    with pytest.raises(DocumentInvalid, match="float32"):
        encode_weights([("a", np.zeros(2))])
