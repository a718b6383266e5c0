from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from susystream.errors import ModelError
from susystream.model.network import (
    architecture_of,
    build_network,
    named_weights,
    network_from_json,
)
from susystream.model.tensorflow_scorer import TensorFlowScorer
from susystream.registry.document import canonical_json, decode_weights, encode_weights

COLUMNS = tuple(range(18))


def network(features: int = 18) -> Any:
    return build_network(
        features=features,
        hidden=(128, 256, 128),
        dropout=(0.2, 0.4, 0.4),
        activation="relu",
        mean=[0.2] * features,
        std=[1.1] * features,
        seed=9,
    )


def rows(n: int = 5000) -> Any:
    return np.random.default_rng(2).normal(size=(n, 18)).astype(np.float32)


def bits(folder: Path) -> str:
    """What a fresh process makes of a stored model."""
    import json

    from susystream.registry.document import Weight

    stored = json.loads((folder / "model.json").read_text())
    net = network_from_json(stored["architecture"])
    net.set_weights(decode_weights([Weight(**weight) for weight in stored["weights"]]))
    return hashlib.sha256(TensorFlowScorer(net, COLUMNS, 1024).logits(rows()).tobytes()).hexdigest()


def test_logits_are_bit_identical_however_the_rows_are_cut() -> None:
    scorer, events = TensorFlowScorer(network(), COLUMNS, 1024), rows()
    whole = scorer.logits(events)
    assert whole.dtype == np.float32
    assert whole.shape == (5000,)
    for size in (1, 7, 500, 1024, 1025, 4999):
        starts = range(0, 200 if size == 1 else len(events), size)
        parts = np.concatenate([scorer.logits(events[i : i + size]) for i in starts])
        assert parts.tobytes() == whole[: len(parts)].tobytes()


def test_a_fresh_process_gives_the_same_bits_from_the_stored_form(tmp_path: Path) -> None:
    net = network()
    stored = {
        "architecture": architecture_of(net),
        "weights": [
            weight.model_dump(mode="json") for weight in encode_weights(named_weights(net))
        ],
    }
    (tmp_path / "model.json").write_text(canonical_json(stored))
    code = (
        f"import runpy, pathlib; module = runpy.run_path({str(Path(__file__))!r});"
        f"print(module['bits'](pathlib.Path({str(tmp_path)!r})))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=200
    )
    mine = hashlib.sha256(TensorFlowScorer(net, COLUMNS, 1024).logits(rows()).tobytes()).hexdigest()
    assert other.stdout.split()[-1] == mine


def test_the_networks_columns_are_chosen_from_the_18() -> None:
    net, chosen = network(3), (17, 0, 4)
    scored = TensorFlowScorer(net, chosen, 1024).logits(rows(1000))
    direct = np.asarray(net(rows(1000)[:, list(chosen)]))[:, 0]
    np.testing.assert_allclose(scored, direct, rtol=1e-4, atol=1e-5)


def test_no_rows_give_no_logits() -> None:
    assert TensorFlowScorer(network(), COLUMNS, 16).logits(rows(0)).shape == (0,)


@pytest.mark.parametrize("wrong", [np.zeros((3, 17), np.float32), np.zeros((3, 18))])
def test_other_arrays_are_refused(wrong: Any) -> None:
    with pytest.raises(ModelError, match="expected float32"):
        TensorFlowScorer(network(), COLUMNS, 16).logits(wrong)


def test_a_network_of_other_columns_is_refused() -> None:
    with pytest.raises(ModelError, match="3 columns"):
        TensorFlowScorer(network(), (0, 1, 2))
