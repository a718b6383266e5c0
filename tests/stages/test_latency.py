"""The histogram agrees with all durations kept."""

from __future__ import annotations

import numpy as np
import pytest

from susystream.stages.latency import PERCENTILES, Latency


@pytest.mark.parametrize("scale", [0.05, 3.0, 50_000.0])
def test_percentiles_agree_with_those_of_all_durations(scale: float) -> None:
    random = np.random.default_rng(1)
    found, every = Latency(), list[float]()
    for _ in range(20):
        durations = random.lognormal(np.log(scale), 0.7, 500)
        events = random.integers(1, 50, 500)
        found.add(durations, events)
        every.extend(np.repeat(durations, events))
    assert found.events == len(every)
    expected = np.percentile(every, PERCENTILES, method="inverted_cdf")
    assert found.percentiles() == pytest.approx(expected, rel=0.02)


def test_nothing_has_no_percentiles() -> None:
    assert Latency().percentiles() == []
    assert Latency().metrics("x") == {}


def test_a_clock_that_went_back_counts_as_no_time() -> None:
    found = Latency()
    found.add(np.array([-5.0]), np.array([3]))
    assert found.percentiles((100.0,)) == pytest.approx([0.01], rel=0.02)


def test_the_names_tell_percentile_and_unit() -> None:
    found = Latency()
    found.add(np.array([7.0]), np.array([1]))
    assert list(found.metrics("score/latency")) == [
        "score/latency_p50_ms",
        "score/latency_p90_ms",
        "score/latency_p99_ms",
        "score/latency_p99.9_ms",
    ]
