"""Preparation: order kept, the tail is the test set, nothing lost, reused only if the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from susystream.data.prepared import Prepared, load_prepared, prepare_events
from susystream.data.scaling import Scaler
from susystream.data.scan import scan_events
from susystream.data.source import FileSource, Source, ToySource, sample_path
from susystream.errors import DataError
from susystream.schema import EventBatch, concatenate
from susystream.stream.slices import ContentDigest


def prepare(source: Source, folder: Path, fraction: float = 0.1) -> Prepared:
    return prepare_events(source, folder=folder, test_fraction=fraction, progress=lambda rows: None)


def events_of(path: Path) -> EventBatch:
    return concatenate(list(scan_events(path)))


SOURCES = [
    ToySource(1005, 1),
    ToySource(150_000, 1, offset=17),
    FileSource(sample_path()),  # its rows are not known beforehand
    FileSource(sample_path(), limit=77),
]


@pytest.mark.parametrize("source", SOURCES, ids=["toy", "long", "file", "limit"])
def test_the_parts_together_are_the_source_in_order(source: Source, tmp_path: Path) -> None:
    prepared = prepare(source, tmp_path)
    train, test = events_of(prepared.train), events_of(prepared.test)
    whole = concatenate(list(source.batches()))
    assert (len(train), len(test)) == (prepared.rows_train, prepared.rows_test)
    assert prepared.rows_test == round(len(whole) * 0.1)
    both = concatenate([train, test])
    np.testing.assert_array_equal(both.numbers, whole.numbers)
    np.testing.assert_array_equal(both.features, whole.features)
    np.testing.assert_array_equal(both.labels, whole.labels)


def test_scaler_and_digests_are_those_of_the_parts(tmp_path: Path) -> None:
    prepared = prepare(ToySource(2000, 1), tmp_path)
    train, test = events_of(prepared.train), events_of(prepared.test)
    values = train.features.astype(np.float64)
    np.testing.assert_allclose(prepared.scaler.mean, values.mean(axis=0), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(prepared.scaler.std, values.std(axis=0), rtol=1e-12)
    assert prepared.digest_train == str(ContentDigest().update(train))
    assert prepared.digest_test == str(ContentDigest().update(test))


def test_what_was_prepared_is_loaded_equal(tmp_path: Path) -> None:
    prepared = prepare(ToySource(100, 1), tmp_path)
    assert load_prepared(tmp_path) == prepared
    assert isinstance(prepared.scaler, Scaler)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "manifest.json",
        "test.parquet",
        "train.parquet",
    ]


def test_the_same_request_reuses_the_files(tmp_path: Path) -> None:
    before = prepare(ToySource(100, 1), tmp_path).train.stat().st_mtime_ns
    assert prepare(ToySource(100, 1), tmp_path).train.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("source", "fraction"),
    [(ToySource(100, 2), 0.1), (ToySource(99, 1), 0.1), (ToySource(100, 1), 0.2)],
)
def test_another_request_prepares_anew(tmp_path: Path, source: Source, fraction: float) -> None:
    before = prepare(ToySource(100, 1), tmp_path)
    assert prepare(source, tmp_path, fraction).digest_train != before.digest_train


@pytest.mark.parametrize("name", ["train.parquet", "test.parquet", "manifest.json"])
def test_a_damaged_or_missing_file_is_noticed_and_made_again(tmp_path: Path, name: str) -> None:
    prepared = prepare(ToySource(100, 1), tmp_path)
    for damage in (b"PAR1 cut", None):
        if damage is None:
            (tmp_path / name).unlink()
        else:
            (tmp_path / name).write_bytes(damage)
        with pytest.raises(DataError):
            load_prepared(tmp_path)
        assert prepare(ToySource(100, 1), tmp_path) == prepared


def test_a_file_of_another_preparation_is_noticed(tmp_path: Path) -> None:
    one, two = prepare(ToySource(100, 1), tmp_path / "1"), prepare(ToySource(90, 1), tmp_path / "2")
    one.train.write_bytes(two.train.read_bytes())
    with pytest.raises(DataError):
        load_prepared(one.folder)


def test_a_failed_preparation_leaves_no_manifest(tmp_path: Path) -> None:
    prepare(ToySource(100, 1), tmp_path)
    with pytest.raises(DataError, match="received 500"):
        prepare(FileSource(sample_path(), expected_rows=600), tmp_path)
    with pytest.raises(DataError, match="run stage=prepare first"):
        load_prepared(tmp_path)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(("fraction", "rows_test"), [(0.0, 0), (0.004, 0), (0.5, 50), (0.99, 99)])
def test_the_test_set_is_the_rounded_fraction(
    tmp_path: Path, fraction: float, rows_test: int
) -> None:
    prepared = prepare(ToySource(100, 1), tmp_path, fraction)
    assert (prepared.rows_train, prepared.rows_test) == (100 - rows_test, rows_test)
    assert len(events_of(prepared.test)) == rows_test


def test_no_training_events_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="events to train on"):
        prepare(ToySource(2, 1), tmp_path, 0.9)


def test_the_manifest_names_its_source(tmp_path: Path) -> None:
    prepare(ToySource(100, 1), tmp_path)
    source = json.loads((tmp_path / "manifest.json").read_text())["source"]
    assert (source["kind"], source["rows"], source["seed"]) == ("toy", 100, 1)
