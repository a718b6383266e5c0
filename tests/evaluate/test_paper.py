"""The publication's figures are found by features."""

from __future__ import annotations

import pytest

from susystream.evaluate.paper import TABLE_II, feature_set
from susystream.schema import FEATURE_SETS, FEATURES


def test_table_ii_has_the_published_areas() -> None:
    assert TABLE_II["complete"]["deep network"] == 0.876
    assert TABLE_II["low"]["boosted trees"] == 0.850
    assert TABLE_II["high"]["deep network, dropout"] == 0.869
    assert {len(one) for one in TABLE_II.values()} == {5}


@pytest.mark.parametrize("name", list(TABLE_II))
def test_a_set_of_features_is_known_in_any_order(name: str) -> None:
    assert feature_set(reversed(FEATURE_SETS[name])) == name


def test_another_choice_of_features_is_none_of_them() -> None:
    assert feature_set(FEATURES[:7]) is None
    assert feature_set(()) is None
