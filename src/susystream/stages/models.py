"""Between networks and stored documents.

In: a trained network, or a document. Out: a document, or a network with exactly those weights,
and the proof that both predict the same bits; or how to score, proven on the recorded logits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from susystream.data.scan import scan_events
from susystream.data.source import sample_path
from susystream.errors import DocumentInvalid, ModelError
from susystream.model.layers import plan_of
from susystream.model.network import (
    Network,
    architecture_of,
    named_weights,
    network_from_json,
)
from susystream.model.openvino_scorer import Precision, available
from susystream.model.scorer_plan import OpenVinoPlan, ScorerPlan, TensorFlowPlan
from susystream.model.tensorflow_scorer import TensorFlowScorer
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
from susystream.schema import Float32Array, feature_indices
from susystream.settings import Settings, public_config
from susystream.stages.starting import Origin
from susystream.stages.weights import take_weights
from susystream.tracking.code import code_state, library_versions

_PROBE_ROWS = 32
_FRESH = Origin()
# How far OpenVINO's logits may be from those that were recorded, plus that part of each. In float32
# they are 1e-5 away; what is not the same network is further. bfloat16 rounds to 0.4 %, so some
# layers of it move a logit in its second decimal: beyond this bound its scores mean nothing, and
# below it what they cost is told by the AUC.
_ALLOWED: Mapping[Precision, tuple[float, float]] = {
    "float32": (1e-4, 1e-4),
    "bfloat16": (0.5, 0.05),
}
_OTHERWISE: Mapping[Precision, str] = {
    "float32": "set evaluate.scorer=tensorflow",
    "bfloat16": "set evaluate.precision=float32",
}


def document_of(
    network: Network,
    *,
    settings: Settings,
    record: DatasetRecord,
    link: MlflowLink,
    metrics: Mapping[str, float],
    origin: Origin = _FRESH,
) -> ModelDocument:
    """The document of a trained network."""
    weights = encode_weights(named_weights(network))
    names = settings.model.feature_names
    return ModelDocument(
        model_id=new_id("m"),
        created_at=now_iso(),
        name=settings.model.name,
        architecture=Architecture.of(architecture_of(network)),
        weights=weights,
        weights_sha256=weights_digest(weights),
        preprocessing=origin.scaler(record),
        features=names,
        training=Training(
            dataset_id=record.dataset_id,
            slice=record.slice,
            seed=settings.seed,
            epochs=settings.train.epochs,
            config=public_config(settings),
            parent_model_id=origin.parent.model_id if origin.parent else None,
            chain=origin.chain,
        ),
        mlflow=link,
        metrics=dict(metrics),
        code=_code(),
        versions=dict(library_versions()),
        probe=_probe(network, names),
    )


def _code() -> Code:
    """Of what is in no checkout, such as an installed wheel, nothing is known."""
    commit, dirty = code_state()
    known = commit != "unknown"
    return Code(commit=commit if known else None, dirty=dirty if known else None)


def network_of(document: ModelDocument) -> Network:
    """The network of a document, with its weights.

    Raises:
        ModelError: The architecture holds a layer that is not on the allow-list.
        DocumentInvalid: The weights do not fit it.
    """
    network = network_from_json(document.architecture.config)
    take_weights(network, document)
    return network


def scorer_plan_of(
    document: ModelDocument,
    *,
    scorer: Literal["auto", "openvino", "tensorflow"] = "auto",
    precision: Precision = "float32",
) -> ScorerPlan:
    """How to score events by a stored model, in this or another process.

    A plan for OpenVINO is opened here once, to see that it gives the logits the model was stored
    with: a wrong one would look like a worse model. That takes some 20 ms.

    Raises:
        ModelError: OpenVINO was asked for and cannot take the network, or gives other logits.
    """
    columns, network = feature_indices(document.features), network_of(document)
    may_fall_back = scorer == "auto" and precision == "float32"
    if scorer == "tensorflow" or (may_fall_back and not available()):
        return _tensorflow_plan(document, columns)
    try:
        plan = OpenVinoPlan(plan_of(network), columns, precision)
        _check_logits(document, plan)
        return plan
    except ModelError:
        if not may_fall_back:
            raise
        return _tensorflow_plan(document, columns)


def _check_logits(document: ModelDocument, plan: OpenVinoPlan) -> None:
    """Compares a plan's logits of the recorded events with the recorded ones.

    In float32 too if the plan is in bfloat16, whose bound would hide a wrong layer.

    Raises:
        ModelError: They differ.
    """
    features, expected = document.probe.arrays()
    precisions: tuple[Precision, ...] = ("float32", plan.precision)
    for precision in dict.fromkeys(precisions):
        found = replace(plan, precision=precision).open(threads=1).logits(features)
        least, part = _ALLOWED[precision]
        if not np.isclose(found, expected, rtol=part, atol=least, equal_nan=True).all():
            raise ModelError(
                f"expected OpenVINO to give the recorded logits of model {document.model_id} in "
                f"{precision}, received some up to {_worst(found, expected):.1e} away; "
                f"{_OTHERWISE[precision]}"
            )


def _worst(found: Float32Array, expected: Float32Array) -> float:
    return float(np.abs(found.astype(float) - expected).max())


def _tensorflow_plan(document: ModelDocument, columns: tuple[int, ...]) -> TensorFlowPlan:
    architecture = canonical_json(document.architecture.config)
    return TensorFlowPlan(architecture, tuple(decode_weights(document.weights)), columns)


def prove_stored(document: ModelDocument) -> None:
    """Rebuilds a stored model and compares its predictions with the recorded ones, bit for bit.

    Raises:
        DocumentInvalid: They differ.
    """
    features, expected = document.probe.arrays()
    columns = feature_indices(document.features)
    received = TensorFlowScorer(network_of(document), columns, document.probe.rows).logits(features)
    if not np.array_equal(expected.view(np.uint32), received.view(np.uint32)):
        worst = _worst(received, expected)
        raise DocumentInvalid(
            f"expected model {document.model_id} to predict its recorded probe bit for bit, "
            f"received logits up to {worst:.1e} away; the TensorFlow or processor differs "
            f"(stored with {document.versions.get('tensorflow')}), or the document is damaged"
        )


def checks_of(document: ModelDocument, tags: Mapping[str, str]) -> dict[str, bool]:
    """What is proven of a stored model; that its digests are right, it proves when it is loaded.

    Args:
        document: The model.
        tags: Of the run it names; none if there is no such run.

    Raises:
        DocumentInvalid: It does not predict what was recorded.
    """
    prove_stored(document)
    linked = tags.get("model_id") == document.model_id
    return {"digests": True, "predictions": True, "mlflow link": linked}


def _probe(network: Network, names: tuple[str, ...]) -> Probe:
    features: Float32Array = next(iter(scan_events(sample_path()))).features[:_PROBE_ROWS]
    scorer = TensorFlowScorer(network, feature_indices(names), batch_rows=_PROBE_ROWS)
    return Probe.of(features, scorer.logits(features))
