"""The picture of prepared events compares them with real ones, but not with themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from plots.looking import texts

from susystream.data.prepared import prepare_events
from susystream.data.source import FileSource, Source, ToySource, real_sample, sample_path
from susystream.stages.features_picture import features_picture


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (ToySource(900, 1), "810 events beside 10,499 real ones (500 of MET_rel)"),
        (real_sample(), "450 events, alone: the real ones to compare with may be among them"),
        (FileSource(sample_path()), "450 events, alone: the real ones to compare with may be"),
    ],
    ids=["toy", "shipped", "a file"],
)
def test_only_events_that_cannot_be_the_real_ones_have_pulls(
    source: Source, told: str, tmp_path: Path
) -> None:
    prepared = prepare_events(source, under=tmp_path, test_fraction=0.1, progress=lambda done: None)
    said = texts(features_picture("some", prepared))
    assert any(one.startswith(told) for one in said)
    assert ("pull" in said) == (source.name == "toy")
