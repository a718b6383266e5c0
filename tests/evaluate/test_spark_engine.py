"""Spark counts the same bits as the local engine, says what is wrong, and leaves no process."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
import pyarrow as pa
import pytest
from evaluate.plain import plain_tallies

from susystream.data.bad_rows import BadRows
from susystream.data.enlarge import frame_of as polars_frame
from susystream.data.enlarge import write_csv
from susystream.data.frames import EVENT_NUMBER
from susystream.data.scan import scan_events
from susystream.data.source import ToySource
from susystream.errors import DataError, EvaluationError
from susystream.evaluate.spark_engine import SparkEngine, worker
from susystream.evaluate.spark_engine.inputs import frame_of
from susystream.evaluate.tally import Tally
from susystream.evaluate.windows import Counted
from susystream.model.plan import Activation, Dense, Layer, Scaling
from susystream.model.scorer_plan import OpenVinoPlan
from susystream.schema import EventBatch, concatenate
from susystream.stream.slices import ContentDigest

PIECES = {  # so that a file of 2.7 MB is read by three tasks
    "spark.sql.files.maxPartitionBytes": "1m",
    "spark.sql.files.openCostInBytes": "512k",
}
SECRET = {
    "spark.hadoop.fs.azure.account.key.me.dfs.core.windows.net": "sesame",
    "spark.hadoop.fs.s3a.access.key": "sesame",
    "spark.hadoop.fs.s3a.encryption.key": "sesame",
    "spark.driver.extraJavaOptions": "-Dtests.trustStorePassword=sesame -Dtests.plain=yes",
}
ROWS = 6000


def plan(seed: int) -> OpenVinoPlan:
    random = np.random.default_rng(seed)
    layers: list[Layer] = [Scaling(np.full(18, 0.5, np.float32), np.full(18, 2, np.float32))]
    for size in ((18, 32), (32, 1)):
        layers.append(Dense(random.normal(size=size).astype(np.float32), None))
        layers.append(Activation("tanh"))
    return OpenVinoPlan(tuple(layers[:-1]), tuple(range(18)))


PLANS = {"one": plan(1), "two": plan(2)}


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkEngine]:
    with SparkEngine("local[2]", options=PIECES | SECRET) as engine:
        yield engine


def events(rows: int = ROWS, seed: int = 1) -> EventBatch:
    return concatenate(list(ToySource(rows, seed).batches()))


def csv(path: Path, rows: int = ROWS, seed: int = 1) -> Path:
    write_csv(iter([events(rows, seed)]), path, progress=lambda done: None)
    return path


def parquet(path: Path, *, group: int = 2000, numbers: bool = False) -> Path:
    frame = polars_frame(events()).with_columns(pl.col("label").cast(pl.UInt8))
    if numbers:
        frame = frame.with_columns(pl.Series(EVENT_NUMBER, np.arange(ROWS)[::-1].copy()))
    frame.write_parquet(path, row_group_size=group, compression="uncompressed")
    return path


def zipped(path: Path) -> Path:
    path.write_bytes(gzip.compress(csv(path.with_suffix("")).read_bytes()))
    return path


def locally(*paths: Path) -> Counted:
    """The slow, obvious way: file after file, each row with its number."""
    found: list[EventBatch] = []
    for path in paths:
        found += scan_events(path, start_number=sum(map(len, found)))
    scorers = {name: one.open() for name, one in PLANS.items()}
    digest = ContentDigest().update(concatenate(found))
    return Counted(plain_tallies(found, scorers), digest, 0, BadRows())


def tasks(spark: SparkEngine, *paths: Path | str) -> int:
    return int(frame_of(spark._session, [str(path) for path in paths]).rdd.getNumPartitions())


def counted(spark: SparkEngine, *paths: Path, **more: Any) -> Counted:
    return spark.count([str(path) for path in paths], plans=PLANS, **more)


@pytest.mark.parametrize(
    ("name", "pieces"),
    [("small.csv", 1), ("a.csv", 3), ("b.csv.gz", 1), ("c.parquet", 1), ("d.parquet", 3)],
)
def test_counts_are_those_of_the_local_engine_bit_for_bit(
    spark: SparkEngine, tmp_path: Path, name: str, pieces: int
) -> None:
    path = tmp_path / name
    match name:
        case "b.csv.gz":
            zipped(path)
        case "c.parquet":
            parquet(path)
        case "d.parquet":  # 456 kB
            spark._session.conf.set("spark.sql.files.maxPartitionBytes", "160k")
            parquet(path, group=500)
        case _:
            csv(path, rows=500 if pieces == 1 else ROWS)
    try:
        found = counted(spark, path)
        assert tasks(spark, path) == pieces
    finally:
        spark._session.conf.set("spark.sql.files.maxPartitionBytes", "1m")
    assert found == locally(path)
    assert found.tallies["one"] != found.tallies["two"]


def test_counts_of_many_tasks_are_added_up_in_a_tree(spark: SparkEngine, tmp_path: Path) -> None:
    path = csv(tmp_path / "many.csv", rows=24_000)
    assert tasks(spark, path) > 8
    shown: list[int] = []
    assert counted(spark, path, on_progress=shown.append) == locally(path)
    assert shown == sorted(shown)
    assert shown[-1] == 24_000


def test_several_files_are_numbered_in_the_order_given(spark: SparkEngine, tmp_path: Path) -> None:
    large, small = csv(tmp_path / "z.csv"), csv(tmp_path / "a.csv", rows=300, seed=2)
    assert counted(spark, large, small) == locally(large, small)
    assert counted(spark, small, large) == locally(small, large)
    assert counted(spark, small, small).digest == locally(small, small).digest
    orders = (counted(spark, large, small).digest, counted(spark, small, large).digest)
    assert orders[0] != orders[1]


def test_a_folder_is_read_in_the_order_of_its_names_by_any_number_of_tasks(
    spark: SparkEngine, tmp_path: Path
) -> None:
    folder = tmp_path / "größe 5%"
    folder.mkdir()
    small = [csv(folder / f"{rows}.csv", rows=rows, seed=rows) for rows in (50, 30, 40, 20, 60)]
    address = f"file://{folder}"
    spark._session.conf.set("spark.sql.files.openCostInBytes", "1")
    try:
        assert tasks(spark, address) < len(small)
        assert spark.count([address], plans=PLANS) == locally(*sorted(small))
    finally:
        spark._session.conf.set("spark.sql.files.openCostInBytes", "512k")
    small[1].write_text("1,2")
    with pytest.raises(DataError, match=r"file:.*größe 5%/30\.csv, line 1, number of columns"):
        spark.count([address], plans=PLANS)


def test_numbers_that_a_file_holds_are_kept(spark: SparkEngine, tmp_path: Path) -> None:
    path = parquet(tmp_path / "numbered.parquet", numbers=True)
    assert counted(spark, path) == locally(path)
    assert counted(spark, path).digest != locally(parquet(tmp_path / "plain.parquet")).digest


@pytest.mark.parametrize("limit", [1, 2500, ROWS, ROWS + 1])
def test_rows_beyond_the_limit_do_not_count(spark: SparkEngine, tmp_path: Path, limit: int) -> None:
    found = counted(spark, csv(tmp_path / "a.csv"), limit=limit)
    assert found == locally(csv(tmp_path / "first.csv", rows=min(limit, ROWS)))


TEXTS: dict[str, Callable[[str], str]] = {
    "lines that end in CR LF": lambda text: text.replace("\n", "\r\n"),
    "no line end at the end": lambda text: text[:-1],
    "a byte order mark": lambda text: "\ufeff" + text,
    "spaces before and plus signs": lambda text: text.replace(",", ", +", 1),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_text_is_read_as_the_local_engine_reads_it(
    spark: SparkEngine, tmp_path: Path, kind: str
) -> None:
    path = csv(tmp_path / "plain.csv", rows=200)
    odd = tmp_path / "größe [1] {a,b} 5%?*.csv"
    odd.write_text(TEXTS[kind](path.read_text()), newline="")
    (tmp_path / "größe 1 a 5%.csv").write_text("what a pattern would find")
    assert counted(spark, odd) == locally(odd)


BAD: dict[str, Callable[[str], str]] = {
    "not a number": lambda row: row.replace(",", ",x", 1),
    "another label": lambda row: "2" + row[1:],
    "too few": lambda row: row.rpartition(",")[0],
    "too many": lambda row: row + ",1",
    "empty": lambda row: "",
    "not finite": lambda row: row.rpartition(",")[0] + ",1e40",
    "a Java number": lambda row: row.rpartition(",")[0] + ",1f",
    "quoted": lambda row: '"' + row.replace(",", '",', 1),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_row_is_named_as_the_local_engine_names_it(
    spark: SparkEngine, tmp_path: Path, kind: str
) -> None:
    rows, at = (ROWS, 4320) if kind == "too few" else (500, 320)  # of the second task, or the first
    bad = tmp_path / "bad.csv"
    lines = csv(bad, rows=rows).read_text().splitlines()
    lines[at] = BAD[kind](lines[at])
    bad.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError) as ours:
        locally(bad)
    with pytest.raises(DataError) as found:
        counted(spark, csv(tmp_path / "good.csv", rows=100), bad)
    assert f"line {at + 1}," in str(found.value)
    assert str(found.value) == str(ours.value)


def test_a_bad_row_of_parquet_names_the_file(spark: SparkEngine, tmp_path: Path) -> None:
    frame = pl.read_parquet(parquet(tmp_path / "a.parquet"))
    for column, value in (("MT2", float("nan")), ("label", 2), ("R", None)):
        at = pl.int_range(ROWS) == 4000
        bad = frame.with_columns(pl.when(at).then(pl.lit(value)).otherwise(column).alias(column))
        bad.cast({"label": pl.UInt8, column: frame.schema[column]}).write_parquet(
            tmp_path / "bad.parquet"
        )
        with pytest.raises(DataError, match=r"bad\.parquet: expected"):
            counted(spark, tmp_path / "bad.parquet")


def test_columns_of_other_types_are_refused(spark: SparkEngine, tmp_path: Path) -> None:
    frame = pl.read_parquet(parquet(tmp_path / "a.parquet"))
    frame.drop("MT2").write_parquet(tmp_path / "few.parquet")
    frame.cast({"MT2": pl.Float64}).write_parquet(tmp_path / "wide.parquet")
    frame.cast({"label": pl.String}).write_parquet(tmp_path / "text.parquet")
    for name, word in (("few", "MT2"), ("wide", "float32"), ("text", "numeric label")):
        with pytest.raises(DataError, match=rf"{name}\.parquet.*{word}"):
            counted(spark, tmp_path / f"{name}.parquet")


def test_files_that_spark_cannot_read_are_refused(spark: SparkEngine, tmp_path: Path) -> None:
    small = csv(tmp_path / "a.csv", rows=10)
    (tmp_path / "empty.csv").touch()
    for name, word in (
        ("none.csv", "received none; correct the path"),
        ("empty.csv", "received an empty file"),
        ("_a.csv", "does not begin with _"),
        ("a.csv.gz", r"to end in \.gz"),
        ("12:30.csv", r"without a colon.*12:30\.csv; rename it, or .*engine=local"),
        ("12:30/[1].csv", r"without a colon.*12:30/\[1\]\.csv; rename it"),
    ):
        if not (tmp_path / name).exists() and name != "none.csv":
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(small.read_bytes())
        with pytest.raises(DataError, match=word):
            counted(spark, tmp_path / name)
    with pytest.raises(DataError, match="files of one kind"):
        counted(spark, small, parquet(tmp_path / "a.parquet"))
    with pytest.raises(DataError, match=r"expected a file at file:.*none\.csv that every worker"):
        spark.count([f"file://{tmp_path}/none.csv"], plans=PLANS)


def test_a_folder_may_have_a_colon(spark: SparkEngine, tmp_path: Path) -> None:
    (tmp_path / "12:30").mkdir()
    small = csv(tmp_path / "12:30" / "a.csv", rows=10)
    assert counted(spark, small) == locally(small)


def test_a_file_that_was_cut_is_one_line(spark: SparkEngine, tmp_path: Path) -> None:
    path = zipped(tmp_path / "cut.csv.gz")
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises((DataError, EvaluationError)) as caught:
        counted(spark, path)
    assert "\n" not in str(caught.value)
    assert "nexpected end" in str(caught.value) or "end of" in str(caught.value)


def test_without_a_model_there_is_nothing_to_count(spark: SparkEngine) -> None:
    with pytest.raises(EvaluationError, match="at least one model"):
        spark.count(["a.csv"], plans={})


def arrow(rows: int, *, block: int = 0) -> Any:
    text = csv(Path(tempfile.mkdtemp()) / "a.csv", rows=rows).read_text().splitlines()
    columns = {
        worker.FILE: pa.array([0] * rows, pa.int32()),
        worker.BLOCK: pa.array([block] * rows, pa.int64()),
        worker.TEXT: pa.array(text),
    }
    return pa.RecordBatch.from_pydict(columns)


def test_a_file_that_grew_meanwhile_is_noticed() -> None:
    job = worker.Job(PLANS, {(0, 0): worker.Block("a.csv", 0, 15, 1)})
    assert len(list(worker.counted(iter([arrow(15)]), job))) == 2
    for batches in ([arrow(16)], [arrow(10), arrow(10)], [arrow(15, block=7)]):
        with pytest.raises(DataError, match=r"(a\.csv|the file) to stay as it is"):
            list(worker.counted(iter(batches), job))


def test_a_worker_opens_a_model_once_and_drops_it_with_the_last_job() -> None:
    job = worker.Job(PLANS, {(0, 0): worker.Block("a.csv", 0, 15, 1)})
    list(worker.counted(iter([arrow(15)]), job))
    first = dict(worker._opened)
    list(worker.counted(iter([arrow(15)]), job))
    assert worker._opened == first
    assert len(first) == 2
    list(worker.counted(iter([arrow(15)]), worker.Job({"x": PLANS["two"]}, job.blocks)))
    assert set(worker._opened) < set(first)


def test_no_rows_make_no_part() -> None:
    job = worker.Job(PLANS, {})
    assert list(worker.counted(iter([]), job)) == []
    assert list(worker.counted(iter([arrow(3).slice(0, 0)]), job)) == []


def test_parts_add_up_to_the_whole() -> None:
    blocks = {(0, 0): worker.Block("a.csv", 0, 15, 1), (0, 9): worker.Block("a.csv", 15, 15, 16)}
    job = worker.Job({"one": PLANS["one"]}, blocks)
    both = [arrow(15), arrow(15, block=9)]
    parts = [next(worker.counted(iter([batch]), job)).to_pylist()[0] for batch in both]
    (whole,) = next(worker.counted(iter(both), job)).to_pylist()
    tally, digest = worker.merged(*((part["tally"], part["digest"]) for part in parts))
    assert Tally.from_bytes(tally) == Tally.from_bytes(whole["tally"])
    assert digest == whole["digest"]


def test_no_secret_of_the_options_stands_on_a_command_line_and_all_are_obeyed(
    spark: SparkEngine,
) -> None:
    family = psutil.Process().children(recursive=True)
    commands = [" ".join(one.cmdline()) for one in family if "java" in one.name()]
    assert any("spark.sql.files.maxPartitionBytes=1m" in one for one in commands)
    assert not [one for one in commands if "sesame" in one]
    conf = spark._session.sparkContext.getConf()
    for name, value in SECRET.items():
        assert conf.get(name).endswith(value)  # Spark puts options of its own before those of Java
    system = spark._session.sparkContext._jvm.java.lang.System
    assert system.getProperty("tests.trustStorePassword") == "sesame"
    assert system.getProperty("tests.plain") == "yes"
    assert "JDK_JAVA_OPTIONS" not in os.environ


def test_a_process_has_one_session(spark: SparkEngine, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no other session"):
        SparkEngine("local[1]").__enter__()
    small = csv(tmp_path / "a.csv", rows=100)
    assert counted(spark, small) == locally(small)
