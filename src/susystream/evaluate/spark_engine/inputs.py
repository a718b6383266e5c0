"""Files as one Spark frame, and the number of each row among them.

In: paths that the workers see too. Out: a frame, and where its blocks lie.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from susystream.data.frames import EVENT_NUMBER, first_bytes
from susystream.errors import DataError
from susystream.evaluate.spark_engine.worker import BLOCK, FILE, TEXT, Block
from susystream.schema import COLUMNS, FEATURES, LABEL

_NUMBER, _PATH = "susystream number", "susystream path"
_GLOB = re.compile(r"([*?\[\]{}\\])")  # Spark takes a path for a pattern
_WHOLE = {"tinyint", "smallint", "int", "bigint", "decimal(20,0)"}  # the last is unsigned 64
_NUMBERS = {*_WHOLE, "float", "double"}


def frame_of(session: Any, paths: Sequence[str]) -> Any:
    """The rows of files, each with the file and the block it stands in.

    Args:
        session: Of Spark.
        paths: Local ones, or addresses of files or folders that Spark knows (`hdfs://...`).

    Raises:
        DataError: A file is not there, or none of those that Spark can read here.
    """
    frames = [_read(session, path, number) for number, path in enumerate(paths)]
    for path, frame in zip(paths, frames, strict=True):
        if frame.columns != frames[0].columns:
            raise DataError(
                f"expected files of one kind, as Spark reads them, received {paths[0]} and {path}; "
                "evaluate them apart, or all by evaluate/engine=local"
            )
    return reduce(lambda one, other: one.unionAll(other), frames)


def blocks_of(frame: Any, paths: Sequence[str]) -> dict[tuple[int, int], Block]:
    """Where each block begins: files in the order given, those of a folder by name.

    A digest of content holds the number of each event, which only the rows before it tell; Spark
    counts lines without parsing.
    """
    found = frame.groupBy(_NUMBER, _PATH, FILE, BLOCK).count().collect()
    blocks: dict[tuple[int, int], Block] = {}
    first, line, before = 0, 1, None
    for number, path, file, start, rows in sorted(tuple(row) for row in found):
        line = line if file == before else 1
        shown = unquote(path) if "://" in paths[number] else paths[number]
        blocks[file, start] = Block(shown, first, rows, line)
        first, line, before = first + rows, line + rows, file
    return blocks


def rows_of(frame: Any) -> Any:
    """What the workers need of a frame."""
    return frame.drop(_NUMBER, _PATH)


def _read(session: Any, path: str, number: int) -> Any:
    from pyspark.sql import functions

    place, parquet = _located(path)
    if parquet:
        frame = session.read.parquet(place)
        columns = _columns(path, dict(frame.dtypes))
    else:
        # lines as they are: parsed by the workers as the local engine does, to the same bits
        frame, columns = session.read.text(place, lineSep="\n"), [functions.col(TEXT)]
    # a hash instead of the path, which would double what goes to a worker
    file = functions.xxhash64(functions.lit(number), functions.col("_metadata.file_path"))
    return frame.select(
        functions.lit(number).alias(_NUMBER),
        functions.col("_metadata.file_path").alias(_PATH),
        file.alias(FILE),
        functions.col("_metadata.file_block_start").alias(BLOCK),
        *columns,
    )


def _located(path: str) -> tuple[str, bool]:
    """The path as Spark needs it, and whether it is Parquet.

    Raises:
        DataError: There is no such file, or it is none that Spark would read.
    """
    if "://" in path:
        return path, path.endswith(".parquet")
    local = Path(path).absolute()
    head = first_bytes(local)
    if not head:
        raise DataError(f"expected events in {path}, received an empty file; give another")
    if local.name.startswith(("_", ".")):
        raise DataError(
            f"expected a name that does not begin with _ or ., which Spark passes over, received "
            f"{local.name}; rename the file"
        )
    if ":" in local.name or (":" in str(local) and _GLOB.search(str(local))):
        raise DataError(
            f"expected a path without a colon, which Spark takes for the end of a scheme, received "
            f"{path}; rename it, or evaluate by evaluate/engine=local"
        )
    if (head[:2] == b"\x1f\x8b") != (local.suffix == ".gz"):
        raise DataError(
            f"expected a compressed file, and no other, to end in .gz, by which Spark knows it, "
            f"received {local.name}; rename the file"
        )
    return "file:" + _GLOB.sub(r"\\\1", str(local)), head == b"PAR1"


def _columns(path: str, types: Mapping[str, str]) -> list[Any]:
    """The columns to read, after a look at their types.

    Raises:
        DataError: One is missing or of another type.
    """
    from pyspark.sql import functions

    missing = [name for name in COLUMNS if name not in types]
    if missing:
        raise DataError(f"{path}: expected columns {missing} as well, received {list(types)[:30]}")
    wrong = {name: types[name] for name in FEATURES if types[name] != "float"}
    if wrong:  # rounding is the owner's decision, not ours
        shown = dict(list(wrong.items())[:3])
        raise DataError(f"{path}: expected float32 features, received {shown}; cast them")
    numbered = EVENT_NUMBER in types
    if types[LABEL] not in _NUMBERS or (numbered and types[EVENT_NUMBER] not in _WHOLE):
        raise DataError(
            f"{path}: expected a numeric label and integer event numbers, received other types"
        )
    found = [functions.col(f"`{name}`") for name in COLUMNS]
    if numbered:
        found.append(functions.col(EVENT_NUMBER).cast("long").alias(EVENT_NUMBER))
    return found
