"""How a stored model is scored is proven on the logits that were recorded with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from susystream.composition import config_folder, settings_of
from susystream.errors import ModelError
from susystream.model.network import Network, network_from_json
from susystream.model.openvino_scorer import has_bfloat16
from susystream.model.scorer_plan import OpenVinoPlan, TensorFlowPlan
from susystream.registry.document import (
    DatasetRecord,
    MlflowLink,
    ModelDocument,
    Probe,
    new_id,
    now_iso,
)
from susystream.stages.models import document_of, prove_stored, scorer_plan_of

SCALER = {"mean": [0.5] * 18, "std": [2.0] * 18}


def network(*between: dict[str, Any], **scaling: Any) -> Network:
    constants = {"mean": SCALER["mean"], "variance": [4.0] * 18}
    layers = [
        layer("InputLayer", "columns", batch_shape=[None, 18]),
        layer("Normalization", "scaler", **constants, **scaling),
        layer("Dense", "hidden", units=16),
        *between,
        layer("Dense", "logit", units=1),
    ]
    return network_from_json({"class_name": "Sequential", "layers": layers})


def layer(class_name: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, **config}}


def stored(network: Network) -> ModelDocument:
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        settings = settings_of(compose("config"))
    record = DatasetRecord(
        dataset_id=new_id("d"),
        created_at=now_iso(),
        name="toy",
        slice={"topic": "susy", "partitions": {"0": [0, 5]}},
        codec="block",
        events_per_message=1000,
        rows=5,
        digest="m2:" + "0" * 32,
        cluster_id="abc",
        source={"kind": "toy"},
        split={},
        scaler=SCALER,
        run_id="r0",
    )
    link = MlflowLink(experiment="susystream", run_id="r1", tracking_uri="sqlite:///x")
    return document_of(network, settings=settings, record=record, link=link, metrics={})


def other_logits(document: ModelDocument, by: float) -> ModelDocument:
    """The document, as if one event had been recorded with another logit."""
    features, logits = document.probe.arrays()
    logits[7] += by
    return document.model_copy(update={"probe": Probe.of(features, logits)})


ODD = {
    "a ReLU with a threshold": network(layer("ReLU", "r", threshold=1.0)),
    "a ReLU with a largest value": network(layer("ReLU", "r", max_value=0.5)),
    "a ReLU that leaks": network(layer("ReLU", "r", negative_slope=0.1)),
    "scaling backwards": network(invert=True),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_openvino_does_not_build_is_scored_as_it_was_stored(kind: str) -> None:
    document = stored(ODD[kind])
    prove_stored(document)
    features, expected = document.probe.arrays()
    found = scorer_plan_of(document).open().logits(features)
    assert np.abs(found - expected).max() < 1e-5
    with pytest.raises(ModelError, match=r"set evaluate\.scorer=tensorflow$"):
        scorer_plan_of(document, scorer="openvino")


def test_a_layer_that_is_set_as_it_is_built_is_scored_by_openvino() -> None:
    document = stored(network(layer("ReLU", "r")))
    for scorer in ("auto", "openvino"):
        assert isinstance(scorer_plan_of(document, scorer=scorer), OpenVinoPlan)


def test_logits_that_are_not_the_recorded_ones_are_not_openvinos() -> None:
    document = stored(network(layer("ReLU", "r")))
    assert isinstance(scorer_plan_of(other_logits(document, 5e-5)), OpenVinoPlan)
    wrong = other_logits(document, 1e-2)
    assert isinstance(scorer_plan_of(wrong), TensorFlowPlan)
    message = r"in float32, received some up to 1\.0e-02 away; set evaluate\.scorer=tensorflow$"
    with pytest.raises(ModelError, match=message):
        scorer_plan_of(wrong, scorer="openvino")
    with pytest.raises(ModelError, match=message):
        scorer_plan_of(wrong, precision="bfloat16")


def test_large_logits_may_differ_in_proportion_and_lost_ones_may_not() -> None:
    net = network(layer("ReLU", "r"))
    weights = net.get_weights()
    net.set_weights([*weights[:-2], 1e4 * weights[-2], weights[-1]])
    document = stored(net)
    largest = float(np.abs(document.probe.arrays()[1]).max())
    assert largest > 1e3
    assert isinstance(scorer_plan_of(document), OpenVinoPlan)
    assert isinstance(scorer_plan_of(other_logits(document, float("nan"))), TensorFlowPlan)


@pytest.mark.skipif(not has_bfloat16(), reason="the processor has no bfloat16")
def test_bfloat16_may_round_and_not_be_something_else() -> None:
    net = network(layer("ReLU", "r"))
    assert isinstance(scorer_plan_of(stored(net), precision="bfloat16"), OpenVinoPlan)
    # hidden values near 100 that cancel: float32 keeps their differences, bfloat16 rounds to 0.5
    kernel, bias, last, end = net.get_weights()[-4:]
    signs = np.resize([1.0, -1.0], last.shape)
    net.set_weights([*net.get_weights()[:-4], kernel, bias + 100, signs, end])
    document = stored(net)
    assert isinstance(scorer_plan_of(document), OpenVinoPlan)
    with pytest.raises(ModelError, match=r"in bfloat16.*set evaluate\.precision=float32$"):
        scorer_plan_of(document, precision="bfloat16")
