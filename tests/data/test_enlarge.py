"""Writing text from which every float32 comes back exactly."""

from __future__ import annotations

import codecs
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from susystream.data.enlarge import repeat_text, write_csv, write_events, write_parquet
from susystream.data.scan import scan_events
from susystream.data.source import ToySource, sample_path
from susystream.errors import DataError
from susystream.schema import EventBatch, concatenate


def ignore(rows: int) -> None:
    pass


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    values=st.lists(
        st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=18, max_size=18
    ),
    label=st.integers(0, 1),
)
def test_every_float32_comes_back_bit_for_bit(
    tmp_path: Path, values: list[float], label: int
) -> None:
    features = np.array([values], np.float32)
    events = EventBatch(np.zeros(1, np.int64), features, np.array([label], np.uint8))
    path = tmp_path / "events.csv"
    assert write_csv([events], path, progress=ignore) == 1
    back = concatenate(list(scan_events(path)))
    np.testing.assert_array_equal(back.features.view(np.uint32), features.view(np.uint32))
    assert back.labels[0] == label
    numpys = np.array([float(text) for text in path.read_text().split(",")[1:]], np.float32)
    np.testing.assert_array_equal(numpys, features[0])


def test_the_real_rows_written_and_read_are_the_same(tmp_path: Path) -> None:
    rows = concatenate(list(scan_events(sample_path())))
    path = tmp_path / "events.csv"
    write_csv([rows], path, progress=ignore)
    back = concatenate(list(scan_events(path)))
    np.testing.assert_array_equal(back.features.view(np.uint32), rows.features.view(np.uint32))
    assert len(path.read_text().split(",")[1]) >= len("9.728614687919616699e-1")  # UCI's digits


def test_batches_are_streamed_in_order_with_progress(tmp_path: Path) -> None:
    seen: list[int] = []
    source, path = ToySource(150_000, 4), tmp_path / "events.csv"
    assert write_csv(source.batches(), path, progress=seen.append) == 150_000
    assert seen[-1] == 150_000
    back, events = concatenate(list(scan_events(path))), concatenate(list(source.batches()))
    np.testing.assert_array_equal(back.features, events.features)
    np.testing.assert_array_equal(back.labels, events.labels)


def test_a_broken_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("old")

    def broken() -> Iterator[EventBatch]:
        yield from ToySource(10, 1).batches()
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_csv(broken(), path, progress=ignore)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["events.csv"]


@pytest.mark.parametrize("name", ["events.csv", "events.parquet"])
def test_both_forms_give_the_same_events_back(tmp_path: Path, name: str) -> None:
    source = ToySource(140_000, 4)
    assert write_events(source.batches(), tmp_path / name, progress=ignore) == 140_000
    back = concatenate(list(scan_events(tmp_path / name)))
    events = concatenate(list(source.batches()))
    np.testing.assert_array_equal(back.features.view(np.uint32), events.features.view(np.uint32))
    np.testing.assert_array_equal(back.labels, events.labels)


def test_an_ending_that_names_no_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.csv or \.parquet, received 'x\.txt'"):
        write_events([], tmp_path / "x.txt", progress=ignore)


@pytest.mark.parametrize("ends", [b"\n", b""])
def test_a_file_repeated_has_each_row_so_many_times(tmp_path: Path, ends: bytes) -> None:
    source, path = tmp_path / "SUSY.csv", tmp_path / "big.csv"
    source.write_bytes(sample_path().read_bytes().rstrip(b"\n") + ends)
    assert repeat_text(source, 15, path, progress=ignore) == path.stat().st_size
    rows, once = (concatenate(list(scan_events(one))) for one in (path, source))
    assert len(rows) == 7500
    np.testing.assert_array_equal(rows.features, np.tile(once.features, (15, 1)))


@pytest.mark.parametrize("name", ["big.parquet", "big.csv.gz", "big"])
def test_text_is_written_under_the_name_of_text_only(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"ends in .csv for repeated text, received '{name}'"):
        repeat_text(sample_path(), 2, tmp_path / name, progress=ignore)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("link", [None, Path.symlink_to, Path.hardlink_to])
def test_a_file_is_not_replaced_by_its_repetition(
    tmp_path: Path, link: Callable[[Path, Path], None] | None
) -> None:
    source = target = tmp_path / "SUSY.csv"
    source.write_bytes(sample_path().read_bytes())
    if link is not None:
        target = tmp_path / "big.csv"
        link(target, source)
    with pytest.raises(DataError, match="expected another file than"):
        repeat_text(source, 2, target, progress=ignore)
    assert source.read_bytes() == target.read_bytes() == sample_path().read_bytes()


def test_a_byte_order_mark_is_not_repeated(tmp_path: Path) -> None:
    source, path = tmp_path / "SUSY.csv", tmp_path / "big.csv"
    source.write_bytes(codecs.BOM_UTF8 + sample_path().read_bytes())
    assert repeat_text(source, 3, path, progress=ignore) == path.stat().st_size
    assert len(concatenate(list(scan_events(path)))) == 1500


def test_only_plain_text_with_rows_is_repeated(tmp_path: Path) -> None:
    for name, content in (
        ("a.csv.gz", b"\x1f\x8b\x08"),
        ("b.csv", b""),
        ("c.parquet", b"PAR1"),
        ("d.csv", codecs.BOM_UTF8),
        ("e.csv", b"PAR1"),
        ("f.csv", b"\x28\xb5\x2f\xfd"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError):
            repeat_text(tmp_path / name, 2, tmp_path / "out.csv", progress=ignore)
    with pytest.raises(DataError, match="received none"):
        repeat_text(tmp_path / "none.csv", 2, tmp_path / "out.csv", progress=ignore)
    assert not (tmp_path / "out.csv").exists()


def test_a_killed_write_leaves_no_file_under_the_name(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal, sys; from susystream.data.enlarge import write_parquet; "
        "from susystream.data.source import ToySource; "
        "write_parquet(ToySource(300_000, 1).batches(), pathlib.Path(sys.argv[1]), "
        "progress=lambda rows: os.kill(os.getpid(), signal.SIGKILL))"
    )
    path = tmp_path / "x.parquet"
    done = subprocess.run([sys.executable, "-c", code, str(path)], timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    assert [left.suffix for left in tmp_path.iterdir()] == [".part"]
    write_parquet(ToySource(10, 1).batches(), path, progress=ignore)
    assert len(concatenate(list(scan_events(path)))) == 10
    assert list(tmp_path.iterdir()) == [path]  # what the killed one left is gone
