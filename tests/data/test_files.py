"""Several files as one source: the same events as the files one after another, from any row on."""

from __future__ import annotations

import gzip
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from susystream.data.enlarge import frame_of, write_csv, write_parquet
from susystream.data.files import FilesSource, about_rows, file_states, is_glob, matching, named_by
from susystream.data.scan import count_rows, scan_events
from susystream.data.source import FileSource, ToySource
from susystream.errors import BadRow, DataError
from susystream.physics.toy import toy_events
from susystream.schema import EventBatch, concatenate

SIZES = (30, 1, 200, 77)
EVENTS = toy_events(start=0, stop=sum(SIZES), seed=5)


def no_progress(rows: int) -> None:
    """Nobody looks."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A CSV, a CSV without its last line end, a CSV.GZ and a Parquet file under mixed names."""
    parts = [EVENTS[sum(SIZES[:i]) : sum(SIZES[: i + 1])] for i in range(4)]
    for name, part in zip(
        ("part-1.csv", "part-10.csv", "part-2.csv", "part-3"), parts, strict=True
    ):
        write_csv([part], tmp_path / f"{name}", progress=no_progress)
    (tmp_path / "part-10.csv").write_bytes((tmp_path / "part-10.csv").read_bytes().rstrip(b"\n"))
    packed = gzip.compress((tmp_path / "part-2.csv").read_bytes())
    (tmp_path / "part-2.csv").write_bytes(packed)  # its name does not say so
    frame_of(parts[3]).write_parquet(tmp_path / "part-3")
    return tmp_path


def source_of(folder: Path, pattern: str = "part-*", /, **changes: Any) -> FilesSource:
    whole = folder / pattern
    return replace(FilesSource(whole, matching(whole)), **changes)


def events_of(source: FilesSource) -> EventBatch:
    return concatenate(list(source.batches()))


def slow_twin(paths: tuple[Path, ...]) -> EventBatch:
    """Each file alone, then numbers counted anew."""
    found = concatenate([batch for path in paths for batch in scan_events(path)])
    return EventBatch(np.arange(len(found)), found.features, found.labels)


def assert_same(a: EventBatch, b: EventBatch) -> None:
    np.testing.assert_array_equal(a.numbers, b.numbers)
    np.testing.assert_array_equal(a.features.view(np.uint32), b.features.view(np.uint32))
    np.testing.assert_array_equal(a.labels, b.labels)


def test_files_of_all_forms_are_read_one_after_another_as_plainly_sorted(folder: Path) -> None:
    source = source_of(folder)
    assert [path.name for path in source.paths] == [
        *("part-1.csv", "part-10.csv", "part-2.csv", "part-3"),
    ]
    found = events_of(source)
    assert_same(found, slow_twin(source.paths))
    np.testing.assert_array_equal(found.labels, EVENTS.labels)


@pytest.mark.parametrize("batch_rows", [1, 50, 1000])
@pytest.mark.parametrize("skip", [0, 1, 29, 30, 31, 32, 230, 231, 232, 307, 308, 400])
def test_a_scan_goes_on_at_any_row(folder: Path, skip: int, batch_rows: int) -> None:
    source = source_of(folder)
    found = events_of(replace(source, skip_rows=skip, batch_rows=batch_rows))
    assert_same(found, slow_twin(source.paths)[skip:])


def test_files_that_are_passed_over_are_not_parsed(folder: Path) -> None:
    (folder / "part-1.csv").write_text("no number at all\n" * 30)
    found = events_of(source_of(folder, skip_rows=30))
    assert len(found) == sum(SIZES) - 30
    with pytest.raises(BadRow):
        events_of(source_of(folder, skip_rows=29))


@pytest.mark.parametrize("limit", [1, 30, 31, 32, 250, 308])
@pytest.mark.parametrize("skip", [0, 20, 31])
def test_a_limit_is_over_all_files(folder: Path, limit: int, skip: int) -> None:
    source = source_of(folder, limit=limit, skip_rows=skip)
    assert source.rows == limit
    assert_same(events_of(source), slow_twin(source.paths)[skip:limit])


@pytest.mark.parametrize("skip", [0, 100, 308])
@pytest.mark.parametrize("changes", [{"expected_rows": 307}, {"expected_rows": 9}, {"limit": 309}])
def test_another_number_of_rows_than_stated_is_an_error(
    folder: Path, changes: dict[str, int], skip: int
) -> None:
    with pytest.raises(DataError, match=r"rows in .*part-\*, received 308"):
        events_of(source_of(folder, skip_rows=skip, **changes))
    assert len(events_of(source_of(folder, expected_rows=308))) == 308


def test_a_bad_row_is_named_by_its_own_file_and_line(folder: Path) -> None:
    path = folder / "part-10.csv"
    path.write_bytes(path.read_bytes() + b"\n" + path.read_bytes().replace(b",", b",x", 1))
    with pytest.raises(BadRow, match=r"part-10\.csv, line 2, lepton 1 pT"):
        events_of(source_of(folder))


def test_an_empty_file_among_others_is_named(folder: Path) -> None:
    (folder / "part-15.csv").touch()
    with pytest.raises(DataError, match=r"part-15\.csv, received an empty file"):
        events_of(source_of(folder))


def test_what_matches_is_files_each_once_at_any_depth(tmp_path: Path) -> None:
    for name in ("b/x.csv", "a/x.csv", "a/deep/er/x.csv", "x.csv", "a/.hidden.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.csv").mkdir()
    found = matching(tmp_path / "**" / "*.csv")
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == sorted(["a/deep/er/x.csv", "a/x.csv", "b/x.csv", "x.csv"])
    assert matching(tmp_path / "**" / "**" / "*.csv") == found
    assert [path.parent.name for path in matching(tmp_path / "?" / "x.csv")] == ["a", "b"]


def test_nothing_that_matches_is_one_line_with_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"match .*/part-\*\.csv, received none") as caught:
        matching(tmp_path / "part-*.csv")
    assert "\n" not in str(caught.value)


def test_a_file_that_exists_is_no_glob_whatever_its_name(tmp_path: Path) -> None:
    for name in ("a[1].csv", "b*.csv", "c?.csv"):
        assert is_glob(tmp_path / name)
        (tmp_path / name).touch()
        assert not is_glob(tmp_path / name)
    assert not is_glob(tmp_path / "plain.csv")


def test_the_description_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    for name in ("a/x.csv", "b/x.csv"):
        (tmp_path / name).parent.mkdir()
        write_csv(ToySource(3, 1).batches(), tmp_path / name, progress=no_progress)
    assert source_of(tmp_path, "**/*.csv", limit=4).describe() == {
        "kind": "file",
        "file": "**/*.csv",
        "files": 2,
        "names": ["a/x.csv", "b/x.csv"],
        "limit": 4,
    }


def test_a_description_lists_the_first_hundred_names(tmp_path: Path) -> None:
    for number in range(101):
        (tmp_path / f"{number:03d}.csv").touch()
    described = source_of(tmp_path, "*.csv").describe()
    assert described["files"] == 101
    assert described["names"] == [f"{number:03d}.csv" for number in range(100)]


def test_the_state_of_files_changes_with_each_of_them(folder: Path) -> None:
    source = source_of(folder)
    before = file_states(source)
    assert [Path(path).name for path, _, _ in before] == [path.name for path in source.paths]
    os.utime(source.paths[2], ns=(1, 1))
    changed = [a == b for a, b in zip(before, file_states(source), strict=True)]
    assert changed == [True, True, False, True]
    assert file_states(FileSource(source.paths[0])) == before[:1]
    assert (file_states(ToySource(3, 1)), named_by(ToySource(3, 1))) == ([], None)
    assert named_by(source) == str(folder / "part-*")


@pytest.mark.parametrize("text", ["", "1\n", "1", "1\n2\n", "1\n2", "1\r\n2"])
def test_rows_are_counted_with_or_without_a_last_line_end(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv").write_bytes(text.encode())
    assert count_rows(tmp_path / "x.csv") == len(text.splitlines())


def test_rows_are_estimated_where_that_is_quick(tmp_path: Path) -> None:
    events = toy_events(start=0, stop=5000, seed=1)
    csv, parquet, packed = (tmp_path / f"a.{end}" for end in ("csv", "parquet", "csv.gz"))
    write_csv([events], csv, progress=lambda rows: None)
    write_parquet([events], parquet, progress=lambda rows: None)
    packed.write_bytes(gzip.compress(csv.read_bytes()))
    assert about_rows(FileSource(parquet)) == 5000
    found = about_rows(FileSource(csv))
    assert found is not None
    assert 4990 <= found <= 5010
    assert 4500 <= (about_rows(FileSource(packed)) or 0) <= 5500
    packed.write_bytes(packed.read_bytes()[:100])
    assert about_rows(FileSource(packed)) is None
    assert about_rows(FileSource(csv, expected_rows=7)) == 7
    both = FilesSource(tmp_path / "a.*", (csv, parquet))
    assert 9990 <= (about_rows(both) or 0) <= 10_010
    assert about_rows(FilesSource(tmp_path / "*", (csv, packed))) is None
    empty = tmp_path / "none.csv"
    empty.touch()
    assert about_rows(FileSource(empty)) is None


@pytest.mark.parametrize("packed", [False, True])
def test_an_estimate_looks_into_few_files_and_takes_the_sizes_of_all(
    tmp_path: Path, packed: bool
) -> None:
    paths = [tmp_path / f"{number:02d}.csv" for number in range(12)]
    for number, path in enumerate(paths):
        events = toy_events(start=0, stop=500 + 300 * (number % 5), seed=number)
        write_csv([events], path, progress=no_progress)
        if packed:
            path.write_bytes(gzip.compress(path.read_bytes()))
    rows = sum(map(count_rows, paths))
    for number in set(range(12)) - {0, 3, 7, 11}:
        size = paths[number].stat().st_size
        paths[number].write_bytes(paths[number].read_bytes()[:100] + b"\0" * (size - 100))
    found = about_rows(FilesSource(tmp_path / "*", tuple(paths)))
    assert found == pytest.approx(rows, rel=0.02)
    paths[7].write_bytes(paths[7].read_bytes()[:100])
    assert about_rows(FilesSource(tmp_path / "*", tuple(paths))) is None
