"""The quick look at a row never says more than the slow one."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from susystream.data.rows import fault_of, is_usual
from susystream.data.sift import events_of
from susystream.data.source import sample_path

ROWS = sample_path().read_bytes().splitlines()
FIELDS = st.one_of(
    st.floats().map(str),
    st.sampled_from(["1_0", "+.5", "1.", "", ".", " 1", "1\r", "1\x1c", "nan", "1e39", "-1e-99"]),
    st.text(max_size=4),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(FIELDS, min_size=17, max_size=19), st.sampled_from(["0", "1.0e+00", "2", "-0", ""]))
def test_what_looks_like_an_event_is_without_fault(fields: list[str], label: str) -> None:
    line = ",".join([label, *fields]).encode()
    assert not is_usual(line) or fault_of(line) is None


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 18), FIELDS)
@example(3, "1" * (1 << 20))
def test_one_odd_field_is_not_overlooked(place: int, text: str) -> None:
    fields = ROWS[7].split(b",")
    fields[place] = text.encode()
    line = b",".join(fields)
    assert not is_usual(line) or fault_of(line) is None


def test_real_rows_look_like_events() -> None:
    assert all(is_usual(row) and is_usual(row + b"\r") for row in ROWS)


@pytest.mark.parametrize(
    "text", ["3.4028234663852886e38", "3.4028235e38", "-3.4028235677973362e38", "3.4028236e38"]
)
def test_the_largest_float32_is_finite_for_all_who_look(text: str) -> None:
    line = b"1" + b",1" * 17 + b"," + text.encode()
    parsed = events_of(line + b"\n", 1, number=0, at_start=False) is not None
    assert is_usual(line) == (fault_of(line) is None) == parsed == ("36e38" not in text)
