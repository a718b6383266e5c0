"""Blocks hold every row once, wherever a file is cut; bad rows are set aside, none is lost."""

from __future__ import annotations

import gzip
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from susystream.data.bad_rows import BadRows
from susystream.data.blocks import RowRange, TextRange, blocks_of, content_of, lines_before
from susystream.data.enlarge import frame_of, write_parquet
from susystream.data.files import about_rows
from susystream.data.parts import Part, part_of, sifted_parts
from susystream.data.rows import fault_of
from susystream.data.scan import count_rows, scan_events
from susystream.data.sift import SAMPLED, sifted
from susystream.data.source import FileSource, sample_path
from susystream.errors import BadRow, DataError
from susystream.physics.toy import toy_events
from susystream.schema import EventBatch, concatenate

ROWS = sample_path().read_bytes().splitlines(keepends=True)
WRONG = [b"1,2,3\n", b"\n", b"1" + b",1" * 19 + b"\n", b"2" + b",1" * 18 + b"\n", b"# note\n"]
WRONG += [b"1," + text + b",1" * 17 + b"\n" for text in (b"nan", b"1e39", b"", b"x", b"\xff\xfe")]


def read(path: Path, *, size: int = 1 << 25, skip: int = 0) -> tuple[EventBatch, list[BadRow]]:
    """All events and bad rows of a file, block by block, numbered from the file's beginning."""
    rows = skip
    events: list[EventBatch] = []
    bad: list[BadRow] = []
    for block in blocks_of(path, size=size, skip_rows=skip):
        part = part_of(sifted(block), block, rows_before=rows, start_number=0)
        events.append(part.events)
        bad += part.bad
        rows += len(part)
    return concatenate(events), bad


def slow_twin(lines: list[bytes]) -> tuple[list[int], list[int]]:
    """Line by line: the numbers of good and of bad rows."""
    faults = [fault_of(line, first=row == 0) for row, line in enumerate(lines)]
    good = [row for row, fault in enumerate(faults) if fault is None]
    return good, [row for row, fault in enumerate(faults) if fault is not None]


def assert_same(found: EventBatch, expected: EventBatch) -> None:
    np.testing.assert_array_equal(found.numbers, expected.numbers)
    np.testing.assert_array_equal(found.features.view(np.uint32), expected.features.view(np.uint32))
    np.testing.assert_array_equal(found.labels, expected.labels)


@pytest.mark.parametrize("size", [1, 100, 451, 5000, 1 << 25])
@pytest.mark.parametrize("skip", [0, 1, 250, 499, 500, 600])
@pytest.mark.parametrize("packed", [False, True])
def test_blocks_hold_each_row_once_in_order(
    tmp_path: Path, size: int, skip: int, packed: bool
) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(gzip.compress(b"".join(ROWS)) if packed else b"".join(ROWS))
    blocks = list(blocks_of(path, size=size, skip_rows=skip))
    contents = [content_of(block) for block in blocks if not isinstance(block, RowRange)]
    assert b"".join(contents) == b"".join(ROWS[skip:])
    assert all(content.endswith(b"\n") for content in contents)
    if size == 1:
        assert contents == ROWS[skip:]


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_the_last_line_needs_no_end(tmp_path: Path, ending: bytes) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(b"".join(ROWS).rstrip() + ending)
    events, bad = read(path, size=3000)
    assert (len(events), bad) == (500, [])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 599), max_size=12, unique=True),
    st.sampled_from([1, 700, 40_000, 1 << 25]),
    st.sampled_from([1, 2, 50, 4096]),
    st.data(),
)
def test_good_rows_are_kept_and_bad_ones_named_as_the_slow_twin_does(
    tmp_path_factory: pytest.TempPathFactory,
    places: list[int],
    size: int,
    few: int,
    data: st.DataObject,
) -> None:
    lines = [ROWS[row % 500] for row in range(600)]
    for place in places:
        lines[place] = data.draw(st.sampled_from(WRONG))
    path = tmp_path_factory.mktemp("sift") / "events.csv"
    path.write_bytes(b"".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("susystream.data.sift._FEW", few)
        events, bad = read(path, size=size)
    good, wrong = slow_twin(lines)
    assert events.numbers.tolist() == good
    assert [one.line - 1 for one in bad] == wrong == sorted(places)
    assert_same(
        EventBatch(np.arange(len(good)), events.features, events.labels),
        scanned(b"".join(lines[row] for row in good), path.with_name("good.csv")),
    )


def scanned(content: bytes, path: Path) -> EventBatch:
    path.write_bytes(content)
    return concatenate(list(scan_events(path)))


@pytest.mark.parametrize("every", [100, 1000])
def test_bad_rows_do_not_send_the_good_ones_through_the_parser_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    lines = ROWS * 60
    lines[50::every] = [b"1,2,3\n"] * len(lines[50::every])
    path = tmp_path / "events.csv"
    path.write_bytes(b"".join(lines))
    calls = 0
    reader = pl.read_csv

    def counted(*arguments: Any, **settings: Any) -> pl.DataFrame:
        nonlocal calls
        calls += 1
        return reader(*arguments, **settings)

    monkeypatch.setattr(pl, "read_csv", counted)
    events, bad = read(path)
    good, wrong = slow_twin(lines)
    assert events.numbers.tolist() == good
    assert [one.line - 1 for one in bad] == wrong
    assert calls < 60


@pytest.mark.parametrize("few", [1, 4096])
def test_a_number_that_only_the_parser_refuses_is_a_bad_row_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("susystream.data.sift._FEW", few)
    lines = list(ROWS)
    lines[0] = lines[77] = lines[499] = ROWS[0].replace(b",", b" ,", 1)
    lines[78], lines[300] = WRONG[0], WRONG[1]
    path = tmp_path / "events.csv"
    path.write_bytes(b"".join(lines))
    events, bad = read(path)
    assert [one.line - 1 for one in bad] == [0, 77, 78, 300, 499]
    assert [one.column for one in bad[:3]] == ["row", "row", "number of columns"]
    assert events.numbers.tolist() == [r for r in range(500) if r not in {0, 77, 78, 300, 499}]


PACKED_ROW = gzip.compress(b"".join(ROWS[:1]), mtime=0).split(b"\n")[0]


@pytest.mark.parametrize("size", [1, 1 << 25])
@pytest.mark.parametrize(
    "line",
    [b"\x28\xb5\x2f\xfd", b"x\x9c", b"x\x01", PACKED_ROW],
)
def test_a_line_that_looks_packed_is_a_bad_row_wherever_it_is_cut(
    tmp_path: Path, size: int, line: bytes
) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(b"".join(ROWS[:250]) + line + b"\n" + b"".join(ROWS[250:]))
    events, bad = read(path, size=size)
    assert (len(events), [one.line for one in bad]) == (500, [251])


def test_every_row_may_be_bad(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(b"1,2,3\n" * 3000)
    (part,) = sifted_parts(path, batch_rows=5000)
    assert (len(part.events), len(part)) == (0, 3000)  # all are counted, and the first are kept
    bad = part.bad
    assert [one.line for one in bad] == list(range(1, 1 + SAMPLED))
    assert str(bad[6]).startswith(f"{path}, line 7, number of columns: expected 19 columns, not 3")


def test_a_file_of_something_else_is_refused_at_its_first_row_in_little_memory(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(b"1\n" * (50 << 20))
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from susystream.data.sift import first_bad_row\n"
        "def peak():\n"
        "    status = Path('/proc/self/status').read_text()\n"
        "    return int(status.split('VmHWM:')[1].split()[0])\n"
        "before, found = peak(), first_bad_row(Path(sys.argv[1]))\n"
        "print(found.line, (peak() - before) >> 10)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60
    )
    line, mebibytes = done.stdout.split()
    assert line == "1", done.stderr
    assert int(mebibytes) < 100  # less than the file; columns of all lines would take 8 GB


def test_the_text_of_a_bad_row_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(b"x" * 500_000 + b"\n" + ROWS[0])
    (part,) = sifted_parts(path, batch_rows=10)
    assert len(part.bad[0].text) == 200
    assert len(part.events) == 1


def test_a_byte_order_mark_is_passed_over_at_the_beginning_only(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(b"\xef\xbb\xbf" + ROWS[0] + b"1,2,3\n" + b"\xef\xbb\xbf" + ROWS[1])
    for size in (1, 1 << 25):  # each line a block, or all of them one
        events, bad = read(path, size=size)
        assert events.numbers.tolist() == [0]
        assert [one.line for one in bad] == [2, 3]


@pytest.mark.parametrize("size", [10, 1 << 25])
def test_a_line_without_an_end_is_an_error_wherever_it_is_cut(tmp_path: Path, size: int) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(ROWS[0] + b"1" * (3 << 20))
    with pytest.raises(BadRow, match="line 2, length of the row: expected at most 1 MiB"):
        read(path, size=size)
    path.write_bytes(b"".join(ROWS) + b"1" * (3 << 20))
    with pytest.raises(BadRow, match="line 501, length of the row: expected at most 1 MiB"):
        read(path, size=70_000)


def test_lines_are_counted_up_to_a_position(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(b"".join(ROWS))
    for block in blocks_of(path, size=9000):
        assert isinstance(block, TextRange)
        assert lines_before(path, block.start) == b"".join(ROWS)[: block.start].count(b"\n")


def test_a_file_cut_after_it_was_planned_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(b"".join(ROWS))
    *_, last = blocks_of(path, size=9000)
    path.write_bytes(b"".join(ROWS[:-1]))
    with pytest.raises(DataError, match="the file was changed"):
        sifted(last)


def test_parquet_is_cut_by_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("susystream.data.blocks.BLOCK_ROWS", 300)
    events = toy_events(start=0, stop=1000, seed=1)
    path = tmp_path / "events.parquet"
    write_parquet([events[:100], events[100:]], path, progress=lambda rows: None)
    assert [b.stop - b.start for b in blocks_of(path, skip_rows=50)] == [300, 300, 300, 50]  # type: ignore[union-attr]
    for skip in (0, 50, 100, 999, 1000):
        found, bad = read(path, skip=skip)
        assert_same(found, events[skip:])
        assert not bad


def test_parquet_keeps_numbers_of_its_own_and_names_bad_rows(tmp_path: Path) -> None:
    events = toy_events(start=70, stop=90, seed=1)
    frame = frame_of(events).insert_column(0, pl.Series("event_number", events.numbers))
    frame[3, "MT2"], frame[5, "R"], frame[7, "label"] = None, float("inf"), 2.0
    path = tmp_path / "events.parquet"
    frame.write_parquet(path)
    found, bad = read(path)
    keep = [row for row in range(20) if row not in (3, 5, 7)]
    assert_same(found, EventBatch(events.numbers[keep], events.features[keep], events.labels[keep]))
    named = [(one.line, one.column, one.text) for one in bad]
    assert named == [(4, "MT2", "None"), (6, "R", "inf"), (8, "label", "2.0")]
    with pytest.raises(BadRow, match=r"events\.parquet, row 4, MT2: expected a finite number"):
        list(scan_events(path))


@pytest.mark.parametrize("cut", [0.5, 0.99])
@pytest.mark.parametrize("look", [read, count_rows, lambda path: about_rows(FileSource(path))])
def test_a_cut_parquet_file_is_one_line(tmp_path: Path, cut: float, look: Any) -> None:
    path = tmp_path / "events.parquet"
    write_parquet([toy_events(start=0, stop=5000, seed=1)], path, progress=lambda rows: None)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises(DataError, match=r"expected a whole Parquet file at .*events\.parquet") as e:
        look(path)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("cut", [0.5, 0.999])
def test_a_cut_gzip_is_an_error(tmp_path: Path, cut: float) -> None:
    whole = gzip.compress(b"".join(ROWS))
    path = tmp_path / "events.csv.gz"
    path.write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises(DataError, match="ends early or is damaged"):
        read(path)


def test_an_empty_file_has_no_blocks(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.touch()
    with pytest.raises(DataError, match="received an empty file"):
        list(blocks_of(path))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 99), max_size=9, unique=True),
    st.lists(st.integers(0, 100), min_size=2, max_size=2),
)
def test_a_part_is_cut_at_any_row(
    tmp_path_factory: pytest.TempPathFactory, places: list[int], ends: list[int]
) -> None:
    lines = [WRONG[0] if row in places else ROWS[row] for row in range(100)]
    path = tmp_path_factory.mktemp("parts") / "events.csv"
    path.write_bytes(b"".join(lines))
    (whole,) = sifted_parts(path, batch_rows=1000, start_number=7)
    start, stop = sorted(ends)
    part = whole[start:stop]
    assert len(part) == stop - start
    inside = [row for row in range(start, stop) if row not in places]
    assert part.events.numbers.tolist() == [7 + row for row in inside]
    assert part.places.tolist() == [row - start for row in inside]
    assert [one.line - 1 for one in part.bad] == sorted({*range(start, stop)} & {*places})
    assert (part.bad_places + start).tolist() == [one.line - 1 for one in part.bad]


@pytest.mark.parametrize("batch_rows", [1, 7, 500, 1000])
def test_parts_without_a_bad_row_are_the_batches_of_a_scan(batch_rows: int) -> None:
    path = sample_path()
    for skip in (0, 3, 499):
        parts = list(sifted_parts(path, batch_rows=batch_rows, start_number=9, skip_rows=skip))
        batches = list(scan_events(path, batch_rows=10, start_number=9, skip_rows=skip))
        assert max(map(len, parts)) <= batch_rows
        assert_same(concatenate([one.events for one in parts]), concatenate(batches))


def test_events_alone_are_a_part() -> None:
    events = toy_events(start=5, stop=25, seed=1)
    assert_same(Part.of(events)[3:9].events, events[3:9])
    assert len(Part.of(events)) == 20


def test_bad_rows_are_counted_and_the_first_ones_shown() -> None:
    found = BadRows()
    for _ in range(2):
        found.add(750, (BadRow(f"/a/b{i}.csv", i, "MT2", "x", "a number") for i in range(700)))
    assert found.count == 1500
    lines = found.table().splitlines()
    assert len(lines) == 1 + SAMPLED
    assert lines[:2] == ["file,line,column,expected,received", "b0.csv,0,MT2,a number,x"]


def test_a_bad_row_survives_the_way_between_processes() -> None:
    row = BadRow("a.csv", 3, "MT2", "x", "a number")
    again = pickle.loads(pickle.dumps(row))
    assert (str(again), again.line, again.expected) == (str(row), 3, "a number")
