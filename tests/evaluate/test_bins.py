"""Bins of float32 logits, against decimal arithmetic on Python numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from susystream.evaluate import bins
from susystream.evaluate.bins import MAX_LEVEL, POSITIVE
from susystream.evaluate.dense_bins import DenseBins, bin_ordinals, ordinal_keys

LOGITS = st.floats(allow_nan=False, allow_infinity=False, width=32)
LEVELS = st.integers(0, MAX_LEVEL)
BIGGEST = float(np.finfo(np.float32).max)
SMALLEST = float(np.float32(1e-45))
EDGES = [0.0, -0.0, SMALLEST, -SMALLEST, 2.0**-126, 0.5, 1.0, -1.0, 2.0, BIGGEST, -BIGGEST]


def key_of(logit: float, level: int = 0) -> int:
    keys = bins.score_keys(np.array([logit], np.float32))
    return int(bins.coarse_keys(keys, level)[0])


def slow_cut(logit: float, level: int) -> tuple[bool, float]:
    """The bin as the module's docstring defines it: the side of zero and the logit, cut."""
    magnitude = abs(logit)
    if level == 0 or magnitude == 0:
        return logit > 0, magnitude
    mantissa_bits = min(149 - level, 23)
    step = 2.0 ** (math.floor(math.log2(magnitude)) - mantissa_bits)
    step = max(step, 2.0 ** (level - 150))
    return logit > 0, math.floor(magnitude / step) * step


@given(LOGITS, LOGITS)
def test_keys_are_ordered_as_the_floats(first: float, second: float) -> None:
    assert (key_of(first) < key_of(second)) == (first < second)
    assert (key_of(first) == key_of(second)) == (first == second)


@given(LOGITS | st.sampled_from(EDGES), LEVELS)
def test_a_bin_is_what_the_docstring_says(logit: float, level: int) -> None:
    is_positive, cut = slow_cut(logit, level)
    key = key_of(logit, level)
    assert (key >= int(POSITIVE)) == is_positive
    one = np.array([1], np.uint32)
    counts = bins.BinCounts(np.array([key], np.uint32), one, one - 1, level, 1)
    near, far = bins.bin_edges(counts)
    assert abs(near[0]) == cut
    assert abs(near[0]) <= abs(logit) <= abs(far[0])
    assert level == 0 or abs(logit) < abs(far[0])


@given(LOGITS, LOGITS, LEVELS, LEVELS)
def test_levels_are_nested_and_keep_the_order(a: float, b: float, one: int, two: int) -> None:
    fine, coarse = sorted((one, two))
    keys = np.array([key_of(a), key_of(b)], np.uint32)
    through = bins.coarse_keys(bins.coarse_keys(keys, fine), coarse)
    assert (through == bins.coarse_keys(keys, coarse)).all()
    assert (keys[0] <= keys[1]) <= (through[0] <= through[1])


@given(LOGITS, LOGITS)
def test_neighbours_join_at_the_lowest_level_where_their_bins_are_one(a: float, b: float) -> None:
    keys = np.array(sorted({key_of(a), key_of(b)}), np.uint32)
    slow = [level for level in range(MAX_LEVEL + 1) if len(set(bins.coarse_keys(keys, level))) == 1]
    fast = bins._joining_levels(keys).tolist()
    assert fast == ([slow[0] if slow else MAX_LEVEL + 1] if len(keys) == 2 else [])


@given(st.lists(LOGITS, min_size=1), LEVELS)
def test_bins_are_numbered_in_order_without_gaps_at_zero(logits: list[float], level: int) -> None:
    keys = bins.coarse_keys(np.unique([key_of(x) for x in logits]).astype(np.uint32), level)
    keys = np.unique(keys)
    numbers = bin_ordinals(keys, level)
    assert (np.diff(numbers) > 0).all()
    assert (ordinal_keys(numbers, level) == keys).all()
    zero = bin_ordinals(np.array([POSITIVE - np.uint32(1), POSITIVE]), level)
    assert zero[1] - zero[0] == 1


@given(st.lists(LOGITS | st.floats(-2, 2, width=32), min_size=1), LEVELS, st.integers(1, 600))
def test_dense_bins_and_what_is_outside_add_up(logits: list[float], level: int, width: int) -> None:
    labels = (np.arange(len(logits)) % 2).astype(np.uint8)
    keys = bins.score_keys(np.array(logits, np.float32))
    whole = bins.count(bins.packed(keys, labels), level=level)
    dense = DenseBins(whole, width=width)
    outside = dense.add(keys, labels)
    rest = bins.count(bins.packed(keys[outside], labels[outside]), level=level)
    assert_equal(bins.combine(dense.counts(), rest, limit=10_000), whole)
    again = DenseBins(whole, width=width)
    rest = again.absorb(whole)
    assert_equal(bins.combine(again.counts(), rest, limit=10_000), whole)


def assert_equal(one: bins.BinCounts, two: bins.BinCounts) -> None:
    assert (one.level, one.events) == (two.level, two.events)
    for name in ("keys", "signal", "background"):
        assert (getattr(one, name) == getattr(two, name)).all()


def test_the_coarsest_level_has_the_least_limit_of_bins() -> None:
    powers = np.ldexp(np.float32(1), np.arange(-149, 128)).astype(np.float32)
    every = np.concatenate([-powers, [np.float32(0)], powers])
    rows = bins.packed(bins.score_keys(every), np.zeros(len(every), np.uint8))
    assert len(bins.count(rows, level=MAX_LEVEL)) == bins.MIN_LIMIT


@pytest.mark.parametrize("level", [0, 1, 100, 126, 127, 149])
def test_edges_of_the_float_range_are_binned(level: int) -> None:
    for logit in EDGES:
        assert (key_of(logit, level) >= int(POSITIVE)) == (logit > 0)


@pytest.mark.parametrize("level", [0, 120, 149])
def test_rows_of_one_score_are_counted_together_wherever_pieces_end(level: int) -> None:
    """Long runs of equal scores lie across the ends of pieces."""
    random = np.random.default_rng(1)
    logits = np.repeat(np.array([-2, -0.5, 0, 0.25, 3, 3.5], np.float32), bins.CHUNK // 3 + 1)
    labels = random.integers(0, 2, len(logits)).astype(np.uint8)
    found = bins.count(bins.packed(bins.score_keys(logits), labels), level=level)
    keys = bins.coarse_keys(bins.score_keys(logits), level)
    expected = {
        int(key): (int(labels[keys == key].sum()), int((labels[keys == key] == 0).sum()))
        for key in np.unique(keys)
    }
    pairs = zip(found.signal.tolist(), found.background.tolist(), strict=True)
    assert dict(zip(found.keys.tolist(), pairs, strict=True)) == expected
    assert found.events == len(logits)


PAIRS = st.dictionaries(st.integers(0, 2**32 - 2), st.tuples(st.integers(0, 9), st.integers(1, 9)))


def counts_of(found: dict[int, tuple[int, int]], level: int) -> bins.BinCounts:
    keys = np.array(sorted(found), np.uint32)
    signal, background = (np.array([found[int(k)][i] for k in keys], np.uint32) for i in (0, 1))
    events = int(signal.sum() + background.sum())
    return bins.coarsened(bins.BinCounts(keys, signal, background, 0, events), level)


@given(PAIRS, PAIRS, LEVELS, LEVELS, st.sampled_from([1, 3, 1 << 18]), st.integers(260, 400))
def test_counts_add_up_wherever_pieces_end(
    one: dict[int, tuple[int, int]],
    two: dict[int, tuple[int, int]],
    first: int,
    second: int,
    chunk: int,
    limit: int,
) -> None:
    a, b = counts_of(one, first), counts_of(two, second)
    before = [c.copy() for part in (a, b) for c in (part.keys, part.signal, part.background)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bins, "CHUNK", chunk)
        found = bins.combine(a, b, limit=limit)
    assert found.level == max(first, second)
    expected: dict[int, list[int]] = {}
    for part in (a, b):
        for key, s, n in zip(
            bins.coarse_keys(part.keys, found.level).tolist(),
            part.signal.tolist(),
            part.background.tolist(),
            strict=True,
        ):
            total = expected.setdefault(key, [0, 0])
            total[0], total[1] = total[0] + s, total[1] + n
    pairs = map(list, zip(found.signal.tolist(), found.background.tolist(), strict=True))
    assert dict(zip(found.keys.tolist(), pairs, strict=True)) == expected
    assert found.keys.tolist() == sorted(expected)
    after = [c for part in (a, b) for c in (part.keys, part.signal, part.background)]
    assert all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))
