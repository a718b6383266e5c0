"""Sources: the same events each time they are asked, in order, counted."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from susystream.data.source import (
    FileSource,
    RealLowLevelSource,
    Source,
    ToySource,
    real_sample,
    sample_path,
)
from susystream.errors import DataError
from susystream.physics.toy import toy_events
from susystream.schema import EventBatch, concatenate


def events_of(source: Source) -> EventBatch:
    return concatenate(list(source.batches()))


@pytest.mark.parametrize("source", [ToySource(200_000, 1), real_sample()], ids=["toy", "real"])
def test_a_source_gives_the_same_events_twice_as_many_as_it_says(source: Source) -> None:
    first, second = events_of(source), events_of(source)
    assert len(first) == source.rows
    np.testing.assert_array_equal(first.features, second.features)
    np.testing.assert_array_equal(first.numbers, np.arange(len(first)))


def test_a_toy_source_with_an_offset_goes_on_where_another_ends() -> None:
    both = events_of(ToySource(300, 7))
    tail = events_of(ToySource(200, 7, offset=100))
    np.testing.assert_array_equal(tail.features, both.features[100:])


def test_the_toy_events_do_not_depend_on_batches() -> None:
    np.testing.assert_array_equal(
        events_of(ToySource(140_000, 2)).features,
        toy_events(start=0, stop=140_000, seed=2).features,
    )


def test_the_real_rows_are_the_shipped_text() -> None:
    table = np.loadtxt(sample_path(), delimiter=",")
    events = events_of(real_sample())
    np.testing.assert_array_equal(events.features, table[:, 1:].astype(np.float32))
    np.testing.assert_array_equal(events.labels, table[:, 0])
    assert "10.24432/C54606" in (sample_path().parent / "ATTRIBUTION.md").read_text()


def test_the_low_level_rows_are_the_shipped_text_and_their_high_level_columns_physical() -> None:
    text = sample_path().with_name("susy_real_low_level_10k.csv.gz")
    with gzip.open(text, "rt") as file:
        table = np.loadtxt(file, delimiter=",", skiprows=1)
    events = events_of(RealLowLevelSource())
    np.testing.assert_array_equal(events.features[:, :8], table[:, 1:].astype(np.float32))
    np.testing.assert_array_equal(events.labels, table[:, 0])
    full = events_of(real_sample())
    # of the same distribution as UCI's own columns: means within 5 standard errors
    for column in range(9, 18):  # but MET_rel, which needs jets
        ours, theirs = events.features[:, column], full.features[:, column]
        error = np.hypot(ours.std() / len(ours) ** 0.5, theirs.std() / len(theirs) ** 0.5)
        assert abs(ours.mean() - theirs.mean()) < 5 * error, column


@pytest.mark.parametrize("limit", [1, 499, 500])
def test_a_limit_takes_the_first_rows(limit: int) -> None:
    source = FileSource(sample_path(), limit=limit)
    assert source.rows == limit
    np.testing.assert_array_equal(
        events_of(source).features, events_of(real_sample()).features[:limit]
    )


@pytest.mark.parametrize(
    "source", [FileSource(sample_path(), expected_rows=501), FileSource(sample_path(), limit=501)]
)
def test_too_few_rows_are_an_error(source: FileSource) -> None:
    with pytest.raises(DataError, match="received 500"):
        events_of(source)


def test_the_description_follows_content_and_not_the_folder(tmp_path: Path) -> None:
    text = sample_path().read_bytes()
    for folder, data in (("a", text), ("b", text), ("c", text.replace(b"1.", b"2.", 1))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.csv").write_bytes(data)
    a, b, c = (FileSource(tmp_path / folder / "x.csv").describe() for folder in "abc")
    assert a == b
    assert a != c
    with pytest.raises(DataError, match="received none"):
        FileSource(tmp_path / "none.csv").describe()
