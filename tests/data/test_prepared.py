"""Preparation: order kept, the tail is the test set, nothing lost, reused only if the same."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
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


def prepare(source: Source, under: Path, fraction: float = 0.1) -> Prepared:
    return prepare_events(source, under=under, test_fraction=fraction, progress=lambda rows: None)


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
    assert load_prepared(prepared.folder) == prepared
    assert isinstance(prepared.scaler, Scaler)
    assert list(tmp_path.iterdir()) == [prepared.folder]
    assert sorted(p.name for p in prepared.folder.iterdir()) == [
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
            (prepared.folder / name).unlink()
        else:
            (prepared.folder / name).write_bytes(damage)
        with pytest.raises(DataError):
            load_prepared(prepared.folder)
        assert prepare(ToySource(100, 1), tmp_path) == prepared


def test_one_preparation_does_not_touch_another(tmp_path: Path) -> None:
    before = prepare(ToySource(2000, 1), tmp_path)
    after = prepare(ToySource(200, 1), tmp_path)
    assert before.folder != after.folder
    assert load_prepared(before.folder) == before


def test_two_preparations_at_once_do_not_mix(tmp_path: Path) -> None:
    """One starts while another of the same events, and one of others, is half done."""
    ours, others = ToySource(300, 1), ToySource(300, 2)

    class Interrupted(Source):
        name, rows = "toy", 300

        def describe(self) -> dict[str, object]:
            return ours.describe()

        def batches(self) -> Iterator[EventBatch]:
            (batch,) = ours.batches()
            yield batch[:150]
            prepare(others, tmp_path)
            prepare(ours, tmp_path)
            yield batch[150:]

    first = prepare(Interrupted(), tmp_path)
    for prepared in (first, prepare(others, tmp_path)):
        for path, digest in (
            (prepared.train, prepared.digest_train),
            (prepared.test, prepared.digest_test),
        ):
            assert str(ContentDigest().update(events_of(path))) == digest
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_of_another_preparation_is_noticed(tmp_path: Path) -> None:
    one, two = prepare(ToySource(100, 1), tmp_path), prepare(ToySource(90, 1), tmp_path)
    one.train.write_bytes(two.train.read_bytes())
    with pytest.raises(DataError):
        load_prepared(one.folder)


def test_a_failed_preparation_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="received 500"):
        prepare(FileSource(sample_path(), expected_rows=600), tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_preparation_left_is_removed_by_the_next(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal, sys; from susystream.data.prepared import prepare_events; "
        "from susystream.data.source import ToySource; "
        "prepare_events(ToySource(300_000, 1), under=pathlib.Path(sys.argv[1]), test_fraction=0.1, "
        "progress=lambda rows: os.kill(os.getpid(), signal.SIGKILL))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    prepared = prepare(ToySource(100, 1), tmp_path)
    assert list(tmp_path.iterdir()) == [prepared.folder]


def test_nothing_prepared_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run stage=prepare first"):
        load_prepared(tmp_path)


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
    prepared = prepare(ToySource(100, 1), tmp_path)
    source = json.loads((prepared.folder / "manifest.json").read_text())["source"]
    assert (source["kind"], source["rows"], source["seed"]) == ("toy", 100, 1)


def test_what_another_version_prepared_is_prepared_again(tmp_path: Path) -> None:
    prepared = prepare(ToySource(100, 1), tmp_path)
    manifest = prepared.folder / "manifest.json"
    older = json.loads(manifest.read_text()) | {"schema_version": 1, "digest_train": "m1:0"}
    manifest.write_text(json.dumps(older))
    assert prepare(ToySource(100, 1), tmp_path) == prepared


def test_a_preparation_is_not_reused_for_another_number_of_rows(tmp_path: Path) -> None:
    prepare(FileSource(sample_path()), tmp_path)
    with pytest.raises(DataError, match="expected 600 rows"):
        prepare(FileSource(sample_path(), expected_rows=600), tmp_path)
