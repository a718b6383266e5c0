"""The files a pattern names, and their events as one source.

In: a path or a glob (`part-*.csv`, `**` for any depth). Out: paths in a fixed order; events of all
of them, in that order, numbered on from file to file.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from susystream.data.blocks import Block, blocks_of
from susystream.data.frames import GZIP, PARQUET, first_bytes, opened_text
from susystream.data.parts import Part, sifted_parts
from susystream.data.scan import count_rows, scan_events
from susystream.data.source import FileSource, bounded, stated_rows
from susystream.errors import DataError
from susystream.schema import EventBatch

_Rows = TypeVar("_Rows", EventBatch, Part)
_LOOKED_AT = 1 << 22  # bytes, from which the length of a row is estimated
_LOOKED_INTO = 4  # files of each kind, of which the sizes of the others tell the rest
_LISTED = 100  # names in a description, which a tracking server cuts at some length


def is_glob(path: Path) -> bool:
    """Whether a path is a pattern; one that exists as it stands is that file."""
    return glob.has_magic(str(path)) and not path.exists()


def matching(pattern: Path) -> tuple[Path, ...]:
    """The files a glob names, sorted as plain text: `part-10` comes before `part-2`.

    Raises:
        DataError: There is none.
    """
    # Path.glob takes no pattern that begins at the root, and finds hidden files too
    found = {Path(name) for name in glob.iglob(str(pattern), recursive=True)}  # noqa: PTH207
    paths = tuple(sorted((path for path in found if path.is_file()), key=str))
    if not paths:
        raise DataError(
            f"expected files that match {pattern}, received none; correct the pattern "
            "(* and ? within a name, ** for folders of any depth)"
        )
    return paths


@dataclass(frozen=True, slots=True)
class FilesSource:
    """The events of several files, each CSV, CSV.GZ or Parquet, as of one.

    Attributes:
        pattern: What named them.
        paths: In the order of reading.
        name: What a person calls them.
        expected_rows: Another number of rows, over all files, is an error.
        limit: Only the first so many.
        batch_rows: At most so many rows a batch.
        skip_rows: Rows passed over at the beginning, for a scan that goes on.
    """

    pattern: Path
    paths: tuple[Path, ...]
    name: str = "files"
    expected_rows: int | None = None
    limit: int | None = None
    batch_rows: int = 131_072
    skip_rows: int = 0

    @property
    def rows(self) -> int | None:
        """As stated; the files were not read yet."""
        return stated_rows(self)

    @property
    def place(self) -> str:
        """What is read, for a person."""
        return str(self.pattern)

    def batches(self) -> Iterator[EventBatch]:
        """The files' events.

        Raises:
            BadRow: Naming the file and its line.
            DataError: They do not hold the expected number of rows.
        """

        def read(path: Path, number: int, skip: int) -> Iterator[EventBatch]:
            return scan_events(
                path, batch_rows=self.batch_rows, start_number=number, skip_rows=skip
            )

        return bounded(read_on(self.paths, self.skip_rows, read), self, before=self.skip_rows)

    def describe(self) -> dict[str, Any]:
        """Kind, pattern and names; not the folder they lie in, which is nobody else's."""
        root = _fixed_folder(self.pattern)
        names = [path.relative_to(root).as_posix() for path in self.paths[:_LISTED]]
        return {
            "kind": "file",
            "file": self.pattern.relative_to(root).as_posix(),
            "files": len(self.paths),
            "names": names,
            "limit": self.limit,
        }


def read_on(
    paths: Sequence[Path], skip: int, read: Callable[[Path, int, int], Iterator[_Rows]]
) -> Iterator[_Rows]:
    """The rows of several files, after the first `skip`.

    Args:
        paths: In the order of reading.
        skip: Rows to pass over.
        read: Called with a file, the number of its first row, and how many of its rows to pass
            over; gives the rest.
    """
    number, skip, paths = _after(paths, skip)
    for path in paths:
        rows = read(path, number, skip)
        number, skip = number + skip, 0
        for part in rows:
            yield part
            number += len(part)


def blocks_on(paths: Sequence[Path], skip: int) -> tuple[int, Iterator[Block]]:
    """The blocks of several files after the first `skip` rows, and the rows in files before them.

    Raises:
        DataError: A file cannot be read; while the blocks are asked for, too.
    """
    passed, skip, paths = _after(paths, skip)
    skips = (skip if at == 0 else 0 for at in range(len(paths)))
    found = (blocks_of(path, skip_rows=rows) for path, rows in zip(paths, skips, strict=True))
    return passed, (block for blocks in found for block in blocks)


def sifted_events(source: FileSource | FilesSource) -> Iterator[Part]:
    """The rows of a source of files with bad ones set aside."""

    def read(path: Path, number: int, skip: int) -> Iterator[Part]:
        return sifted_parts(path, batch_rows=source.batch_rows, start_number=number, skip_rows=skip)

    parts = read_on(paths_of(source), source.skip_rows, read)
    return bounded(parts, source, before=source.skip_rows)


def paths_of(source: FileSource | FilesSource) -> tuple[Path, ...]:
    """The files a source reads, in its order."""
    return source.paths if isinstance(source, FilesSource) else (source.path,)


def about_rows(source: FileSource | FilesSource) -> int | None:
    """How many rows a source will give: as stated, or an estimate; None where there is none."""
    if source.rows is not None:
        return source.rows
    kinds: dict[bytes, list[Path]] = {}  # a byte of each holds another number of rows
    for path in paths_of(source):
        head = first_bytes(path)
        kind = next((mark for mark in (PARQUET, GZIP) if head.startswith(mark)), b"")
        kinds.setdefault(kind, []).append(path)
    found = [_about_rows_in(paths) for paths in kinds.values()]
    total = sum(rows for rows in found if rows is not None)
    return None if None in found else min(total, source.limit or total)


def _about_rows_in(paths: Sequence[Path]) -> int | None:
    """The rows of files of one kind, by the sizes of all and a look into a few of them."""
    last, steps = len(paths) - 1, _LOOKED_INTO - 1
    few = [paths[at] for at in sorted({last * step // steps for step in range(steps + 1)})]
    found = [_about_rows(path) for path in few]
    if None in found:
        return None
    size, looked_at = (sum(path.stat().st_size for path in some) for some in (paths, few))
    return round(sum(rows for rows in found if rows) * (size / looked_at))


def _about_rows(path: Path) -> int | None:
    if first_bytes(path) == PARQUET:
        return count_rows(path)
    with opened_text(path) as text:
        try:
            lines = text.read(_LOOKED_AT).count(b"\n") + text.peek().count(b"\n")
        except DataError:
            return None  # the scan will say what is wrong with it
        taken = text.raw.tell()  # packed bytes if they are packed
    return round(path.stat().st_size * lines / taken) if lines else None


def _after(paths: Sequence[Path], skip: int) -> tuple[int, int, Sequence[Path]]:
    """The rows of whole files passed over, how many to pass over in the next, and those left.

    Counting lines is many times faster than reading numbers; a footer is faster still.
    """
    passed = 0
    while skip and len(paths) > 1 and (rows := count_rows(paths[0])) <= skip:
        passed, skip, paths = passed + rows, skip - rows, paths[1:]
    return passed, skip, paths


def _fixed_folder(pattern: Path) -> Path:
    """The folder before the first part of a pattern that is one."""
    fixed: list[str] = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return Path(*fixed)


def named_by(source: object) -> str | None:
    """The whole path or pattern of a source of files."""
    match source:
        case FileSource(path=place) | FilesSource(pattern=place):
            return str(place.absolute())
    return None


def file_states(source: object) -> list[tuple[str, int, int]]:
    """Whole path, size in bytes and time of change in nanoseconds of each file a source reads."""
    paths = paths_of(source) if isinstance(source, FileSource | FilesSource) else ()
    found = ((path, path.stat()) for path in paths if path.is_file())
    return [(str(path.absolute()), one.st_size, one.st_mtime_ns) for path, one in found]
