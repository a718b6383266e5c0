"""Streaming files: exact values, sequential numbers, and the first bad row by name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from susystream.data.enlarge import frame_of, write_csv
from susystream.data.files import about_rows
from susystream.data.parts import sifted_parts
from susystream.data.scan import count_rows, scan_events
from susystream.data.source import FileSource, sample_path
from susystream.errors import BadRow, DataError
from susystream.physics.toy import toy_events
from susystream.schema import COLUMNS, EventBatch, concatenate

GOOD = "1" + ",0.5" * 18 + "\n"


def slow_twin(path: Path) -> EventBatch:
    """The file read by numpy, whole."""
    table = np.loadtxt(path, delimiter=",", ndmin=2)
    return EventBatch(
        np.arange(len(table)), table[:, 1:].astype(np.float32), table[:, 0].astype(np.uint8)
    )


def assert_same(a: EventBatch, b: EventBatch) -> None:
    np.testing.assert_array_equal(a.numbers, b.numbers)
    np.testing.assert_array_equal(a.features.view(np.uint32), b.features.view(np.uint32))
    np.testing.assert_array_equal(a.labels, b.labels)


def scan(path: Path) -> EventBatch:
    return concatenate(list(scan_events(path)))


def test_the_real_rows_come_as_numpy_reads_them() -> None:
    assert_same(scan(sample_path()), slow_twin(sample_path()))


@pytest.mark.parametrize("batch_rows", [1, 7, 100, 500, 131_072])
def test_numbers_count_up_over_batches_of_any_size(batch_rows: int) -> None:
    batches = list(scan_events(sample_path(), batch_rows=batch_rows, start_number=40))
    assert max(map(len, batches)) <= batch_rows
    np.testing.assert_array_equal(concatenate(batches).numbers, np.arange(40, 540))


def test_gzip_and_csv_give_the_same_events(tmp_path: Path) -> None:
    packed = tmp_path / "events.csv.gz"
    packed.write_bytes(gzip.compress(sample_path().read_bytes()))
    assert_same(scan(packed), scan(sample_path()))


def test_order_is_kept_in_a_file_of_many_batches(tmp_path: Path) -> None:
    events = toy_events(start=0, stop=30_000, seed=1)
    path = tmp_path / "events.csv"
    write_csv([events] * 5, path, progress=lambda rows: None)
    for batch in scan_events(path, batch_rows=4096):
        np.testing.assert_array_equal(batch.features, events.features[batch.numbers % 30_000])


def test_parquet_keeps_its_event_numbers(tmp_path: Path) -> None:
    events = toy_events(start=70, stop=90, seed=1)
    path = tmp_path / "events.parquet"
    frame_of(events).insert_column(0, pl.Series("event_number", events.numbers)).write_parquet(path)
    assert_same(scan(path), events)


@pytest.mark.parametrize("text", [GOOD * 3, (GOOD * 3).strip(), (GOOD * 3).replace("\n", "\r\n")])
def test_line_ends_of_every_kind_are_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(text.encode())
    assert len(scan(path)) == 3


FIELDS = {
    "hello": "a number",
    "": "a number",
    '"1"': "a number",
    "1_0": "a number",
    "0x1": "a number",
    "true": "a number",
    "\x00": "a number",
    "nan": "a finite float32",
    "-inf": "a finite float32",
    "1e39": "a finite float32",
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("text", FIELDS)
def test_a_bad_field_is_named_by_line_column_and_text(
    tmp_path: Path, text: str, packed: bool
) -> None:
    path = tmp_path / "events.csv"
    data = (GOOD * 2 + "1,1," + text + ",1" * 16 + "\n" + GOOD).encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(BadRow) as found:
        scan(path)
    assert (found.value.line, found.value.column) == (3, "lepton 1 eta")
    assert found.value.text == text
    assert f"expected {FIELDS[text]}, received" in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("label", ["2", "0.5", "-1"])
def test_a_label_other_than_0_and_1_is_named(tmp_path: Path, label: str) -> None:
    path = tmp_path / "events.csv"
    path.write_text(GOOD + label + ",1" * 18 + "\n")
    with pytest.raises(BadRow, match=r"line 2, label: expected 0 or 1"):
        scan(path)


@pytest.mark.parametrize(
    "row", ["1,2,3", "1" + ",1" * 19, "1" + ",1" * 17, "1" + ",1" * 18 + ",", "", "# note"]
)
@pytest.mark.parametrize("line", [1, 3])
def test_a_row_of_too_few_or_too_many_columns_is_named(tmp_path: Path, row: str, line: int) -> None:
    path = tmp_path / "events.csv"
    path.write_text(GOOD * (line - 1) + row + "\n" + GOOD)
    with pytest.raises(BadRow, match=f"line {line}, number of columns: expected 19 columns"):
        scan(path)


def test_a_header_is_named_as_the_first_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(",".join(COLUMNS) + "\n" + GOOD)
    with pytest.raises(BadRow, match=r"line 1, label"):
        scan(path)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(GOOD.encode() + b"1,\xff\xfe" + b",1" * 17 + b"\n")
    with pytest.raises(BadRow, match=r"line 2, lepton 1 pT"):
        scan(path)


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(b"1" * (3 << 20))
    with pytest.raises(BadRow, match="length of the row"):
        scan(path)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_name_is_no_pattern(tmp_path: Path, form: str) -> None:
    odd, other = tmp_path / f"a [12] *?.{form}", tmp_path / f"a 1 xx.{form}"
    batch = scan(sample_path())
    for path, part in ((odd, batch[:7]), (other, batch)):
        if form == "csv":
            write_csv(iter([part]), path, progress=lambda rows: None)
        else:
            frame_of(part).write_parquet(path)
    assert_same(scan(odd), batch[:7])
    assert count_rows(odd) == 7


def test_the_bad_row_is_found_late_in_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(GOOD * 150_000 + "1,oops" + ",1" * 17 + "\n")
    with pytest.raises(BadRow, match=r"line 150001, lepton 1 pT"):
        scan(path)


def test_a_cut_or_damaged_gzip_is_an_error(tmp_path: Path) -> None:
    whole = gzip.compress(sample_path().read_bytes())
    path = tmp_path / "events.csv.gz"
    for damaged in (whole[: len(whole) // 2], whole[:-4], whole[:-8] + b"xxxx" + whole[-4:]):
        path.write_bytes(damaged)
        for look in (scan, count_rows):
            with pytest.raises(DataError, match="ends early or is damaged"):
                look(path)


LOOKS: list[Callable[[Path], object]] = [
    scan,
    count_rows,
    lambda path: list(sifted_parts(path, batch_rows=100)),
]
TAILS = [b"\0", b"\0" * 512, b"\n", b"garbage" * 20, b"\x1f\x8b", gzip.compress(b"", mtime=0)[:-1]]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("tail", TAILS)
def test_what_stands_behind_the_end_of_a_gzip_is_refused_by_all(
    tmp_path: Path, look: Callable[[Path], object], tail: bytes
) -> None:
    path = tmp_path / "events.csv.gz"
    path.write_bytes(gzip.compress(sample_path().read_bytes()) + tail)
    with pytest.raises(DataError, match="has more behind its end") as found:
        look(path)
    assert "\n" not in str(found.value)


def test_members_of_a_gzip_are_read_on_by_all(tmp_path: Path) -> None:
    text = sample_path().read_bytes()
    path = tmp_path / "events.csv.gz"
    parts = (text[:300], b"", text[300:90_000], text[90_000:], b"")
    path.write_bytes(b"".join(map(gzip.compress, parts)))
    assert count_rows(path) == 500
    assert_same(scan(path), scan(sample_path()))
    (part,) = sifted_parts(path, batch_rows=500)
    assert_same(part.events, scan(sample_path()))


def packed_otherwise(kind: str) -> bytes:
    text = sample_path().read_bytes()
    if kind == "zstd":
        return bytes(pa.compress(text, codec="zstd", asbytes=True))
    if kind == "zip":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("SUSY.csv", text)
        return file.getvalue()
    packers: dict[str, Callable[[bytes], bytes]] = {
        "zlib": zlib.compress,
        "bzip2": bz2.compress,
        "xz": lzma.compress,
    }
    return packers[kind](text)


@pytest.mark.parametrize("kind", ["zstd", "zlib", "bzip2", "xz", "zip"])
@pytest.mark.parametrize(
    "look", [*LOOKS, lambda path: about_rows(FileSource(path)), lambda p: FileSource(p).describe()]
)
def test_text_packed_otherwise_than_by_gzip_is_refused_by_all(
    tmp_path: Path, kind: str, look: Callable[[Path], object]
) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(packed_otherwise(kind))
    with pytest.raises(DataError, match=f"expected CSV, CSV.GZ or Parquet in .*received {kind};"):
        look(path)


def test_plain_text_that_begins_as_if_packed_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + sample_path().read_bytes())
    with pytest.raises(DataError, match="received zstd; unpack it first"):
        scan(path)


@pytest.mark.parametrize("data", [b"", gzip.compress(b"", mtime=0)])
def test_a_file_without_events_is_an_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(data)
    with pytest.raises(DataError, match="expected events in"):
        scan(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="received none; correct the path"):
        scan(tmp_path / "none.csv")


def test_a_folder_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="received a folder"):
        scan(tmp_path)
    with pytest.raises(DataError, match="received a folder"):
        FileSource(tmp_path).describe()


@pytest.fixture
def without_rights() -> Iterator[None]:
    """Root may read everything; another user of this process may not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.mark.usefixtures("without_rights")
@pytest.mark.parametrize("read", [scan, lambda path: FileSource(path).describe()])
def test_a_file_nobody_may_read_is_an_error(read: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.csv"
        path.write_text(GOOD)
        path.chmod(0)
        with pytest.raises(DataError, match=r"expected to read .*permission denied"):
            read(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.drop("MT2"), "MT2"),
        (lambda f: f.with_columns(pl.col("MT2").cast(pl.Float64)), "Float32 features"),
        (lambda f: f.with_columns(pl.col("label").cast(pl.String)), "numeric label"),
        (lambda f: f.with_columns(label=pl.lit(3.0)), "label: expected 0 or 1"),
        (lambda f: f.with_columns(MT2=pl.lit(None, pl.Float32)), "row 1, MT2: .*None"),
        (lambda f: f.with_columns(MT2=pl.lit(float("nan"), pl.Float32)), "MT2: expected a finite"),
        (lambda f: f.with_columns(event_number=pl.lit(2**63, pl.UInt64)), "below 2\\^63"),
    ],
)
def test_parquet_of_another_schema_is_refused(tmp_path: Path, change: object, words: str) -> None:
    path = tmp_path / "events.parquet"
    assert callable(change)
    change(frame_of(scan(sample_path()))).write_parquet(path)
    with pytest.raises(DataError, match=words) as found:
        scan(path)
    assert str(path) in str(found.value)


def test_damaged_parquet_is_an_error_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    path.write_bytes(b"PAR1 and then nothing of use")
    with pytest.raises(DataError) as found:
        scan(path)
    assert "\n" not in str(found.value)


def test_an_error_of_the_caller_passes_through() -> None:
    batches = scan_events(sample_path())
    next(batches)
    with pytest.raises(DataError, match="mine"):
        batches.throw(DataError("mine"))  # type: ignore[attr-defined]
