"""A tally is the same for every order, batching and tree of merges."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from susystream.errors import EvaluationError
from susystream.evaluate import bins
from susystream.evaluate import tally as module
from susystream.evaluate.tally import Tally

LIMIT = bins.MIN_LIMIT
Events: TypeAlias = tuple[NDArray[np.float32], NDArray[np.uint8]]


def f32(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def u8(*values: int) -> NDArray[np.uint8]:
    return np.array(values, np.uint8)


def events(rows: int, seed: int, scale: float = 1.0) -> Events:
    random = np.random.default_rng(seed)
    labels = (random.random(rows) < 0.5).astype(np.uint8)
    logits = scale * (random.normal(size=rows) + labels)
    return logits.astype(np.float32), labels


def tally_of(logits: NDArray[np.float32], labels: NDArray[np.uint8], limit: int = LIMIT) -> Tally:
    return Tally.empty(limit=limit).update(logits, labels)


def slow_level(logits: NDArray[np.float32], limit: int) -> int:
    """The lowest level at which the logits fill at most `limit` bins, by trying each."""
    keys = bins.score_keys(logits)
    return next(
        level
        for level in range(bins.MAX_LEVEL + 1)
        if len(set(bins.coarse_keys(keys, level).tolist())) <= limit
    )


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(0, 3000),
    seed=st.integers(0, 2**32),
    scale=st.sampled_from([1e-30, 1e-3, 1.0, 40.0]),
    buffer=st.integers(1, 2000),
    cuts=st.lists(st.integers(0, 3000), max_size=6),
    tree=st.randoms(use_true_random=False),
)
def test_order_batches_and_merge_tree_do_not_matter(rows, seed, scale, buffer, cuts, tree) -> None:  # type: ignore[no-untyped-def]
    logits, labels = events(rows, seed, scale)
    whole = tally_of(logits, labels)
    level = slow_level(logits, LIMIT)
    order = np.random.default_rng(seed + 1).permutation(rows)
    logits, labels = logits[order], labels[order]
    bounds = sorted({0, rows, *(min(cut, rows) for cut in cuts)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BUFFER", buffer)
        parts = [tally_of(logits[a:b], labels[a:b]) for a, b in pairwise(bounds)] or [
            Tally.empty(limit=LIMIT)
        ]
        while len(parts) > 1:
            one, two = parts.pop(tree.randrange(len(parts))), parts.pop(tree.randrange(len(parts)))
            parts.append(one.merge(two))
    assert parts[0] == whole
    assert parts[0].to_bytes() == whole.to_bytes()
    assert whole.counts.level == level


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([-0.0, 0.0, 1.5, -2.0, 1e-45]), st.booleans())))
def test_while_exact_each_score_is_counted_by_itself(pairs: list[tuple[float, bool]]) -> None:
    logits = np.array([pair[0] for pair in pairs], np.float32)
    labels = np.array([pair[1] for pair in pairs], np.uint8)
    counted = tally_of(logits, labels)
    counts = counted.counts
    values, _ = bins.bin_edges(counts)
    slow = Counter((float(np.float32(x)) + 0.0, bool(y)) for x, y in pairs)
    fast = Counter(
        {(float(v) + 0.0, True): int(n) for v, n in zip(values, counts.signal, strict=True) if n}
    ) + Counter(
        {(float(v) + 0.0, False): int(n) for v, n in zip(values, counts.background, strict=True)}
    )
    assert counts.level == 0
    assert fast == slow


def test_no_count_is_lost_when_bins_are_joined() -> None:
    logits, labels = events(50_000, 3)
    counted = tally_of(logits, labels)
    assert counted.counts.level > 0
    assert len(counted.counts) <= LIMIT
    assert (counted.signal, counted.background) == (labels.sum(), (1 - labels).sum())


def test_the_arrays_given_may_be_reused() -> None:
    logits, labels = events(1000, 5)
    expected = tally_of(logits.copy(), labels.copy())
    counted = tally_of(logits, labels)
    logits[:], labels[:] = 0, 0
    assert counted == expected


def test_strided_arrays_are_counted() -> None:
    logits, labels = events(1000, 5)
    assert tally_of(logits[::2], labels[::2]) == tally_of(logits[::2].copy(), labels[::2].copy())


def test_merge_changes_neither_side() -> None:
    one, two = tally_of(*events(1000, 1)), tally_of(*events(1000, 2))
    before = one.to_bytes(), two.to_bytes()
    one.merge(two)
    assert (one.to_bytes(), two.to_bytes()) == before


def test_updating_after_reading_goes_on() -> None:
    logits, labels = events(1000, 1)
    counted = Tally.empty(limit=LIMIT)
    for start in range(0, 1000, 100):
        counted.update(logits[start : start + 100], labels[start : start + 100])
        assert counted.rows == start + 100
    assert counted == tally_of(logits, labels)


def test_different_content_is_unequal() -> None:
    logits, labels = events(1000, 1)
    assert tally_of(logits, labels) != tally_of(logits, labels ^ np.uint8(1))
    assert tally_of(logits, labels) != tally_of(logits, labels, limit=LIMIT + 1)
    assert tally_of(logits, labels) != "a tally"


@pytest.mark.parametrize("rows", [0, 10, 20_000])
def test_a_tally_comes_back_equal_from_bytes_and_from_arrays(rows: int) -> None:
    counted = tally_of(*events(rows, 7))
    assert Tally.from_bytes(counted.to_bytes()) == counted
    assert Tally.from_arrays(counted.to_arrays()) == counted


def test_damaged_bytes_are_refused_wherever_the_damage_is() -> None:
    good = tally_of(*events(300, 7)).to_bytes()
    for at in range(len(good)):
        with pytest.raises(EvaluationError, match="expected a whole tally"):
            Tally.from_bytes(good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :])
    for length in (0, 10, 90, len(good) - 1):
        with pytest.raises(EvaluationError, match="expected a whole tally"):
            Tally.from_bytes(good[:length])


def test_foreign_arrays_are_refused() -> None:
    arrays = tally_of(*events(300, 7)).to_arrays()
    with pytest.raises(EvaluationError, match="version"):
        Tally.from_arrays({**arrays, "header": np.array([99, LIMIT, 0])})
    with pytest.raises(EvaluationError, match="ascending"):
        Tally.from_arrays({**arrays, "keys": arrays["keys"][::-1]})
    with pytest.raises(EvaluationError, match="version"):
        Tally.from_arrays({"keys": arrays["keys"]})


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (f32(1, np.nan, np.inf), u8(0, 1, 1), "for 2 of 3"),
        (np.array([1.0]), u8(0), "float32"),
        (f32(1)[:, None], u8(0)[:, None], r"\(n,\)"),
        (f32(1), u8(0, 1), "one label"),
        (f32(1), np.array([0]), "uint8"),
        (f32(1), u8(2), "0 or 1"),
    ],
)
def test_what_cannot_be_counted_is_refused_and_nothing_added(logits, labels, message) -> None:  # type: ignore[no-untyped-def]
    counted = Tally.empty()
    with pytest.raises(EvaluationError, match=message):
        counted.update(logits, labels)
    assert counted.rows == 0


def test_limits_must_agree_and_be_large_enough() -> None:
    with pytest.raises(EvaluationError, match="limit"):
        Tally.empty(limit=LIMIT).merge(Tally.empty(limit=LIMIT + 1))
    with pytest.raises(EvaluationError, match="at least 260"):
        Tally.empty(limit=259)


def test_counts_beyond_32_bits_add_up() -> None:
    arrays = tally_of(f32(-1, 0.5, 2), u8(0, 1, 1)).to_arrays()
    arrays["signal"] = arrays["signal"] * (2**32 - 3)
    large = Tally.from_arrays(arrays)
    larger = large.merge(large).merge(tally_of(f32(0.5, 3), u8(1, 0)))
    assert larger.counts.signal.tolist() == [0, 2**33 - 5, 2**33 - 6, 0]
    assert larger.rows == 4 * (2**32 - 3) + 4
    assert Tally.from_bytes(larger.to_bytes()) == larger


def test_the_default_limit_holds_for_millions_of_rows() -> None:
    logits, labels = events(7_000_000, 11)
    whole = Tally.empty()
    for start in range(0, len(logits), 1 << 20):
        whole.update(logits[start : start + (1 << 20)], labels[start : start + (1 << 20)])
    halves = [Tally.empty().update(logits[i::2], labels[i::2]) for i in (1, 0)]
    assert halves[0].merge(halves[1]) == whole
    assert whole.counts.level > 0
    assert len(whole.counts) <= whole.limit
    assert whole.signal == labels.sum()
