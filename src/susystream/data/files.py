"""The files a pattern names, and their events as one source.

In: a path or a glob (`part-*.csv`, `**` for any depth). Out: paths in a fixed order; events of all
of them, in that order, numbered on from file to file.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susystream.data.scan import count_rows, scan_events
from susystream.data.source import FileSource, bounded
from susystream.errors import DataError
from susystream.schema import EventBatch

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
        if self.limit is None or self.expected_rows is None:
            return self.limit or self.expected_rows
        return min(self.limit, self.expected_rows)

    def batches(self) -> Iterator[EventBatch]:
        """The files' events.

        Raises:
            BadRow: Naming the file and its line.
            DataError: They do not hold the expected number of rows.
        """
        return bounded(
            self._scan(),
            before=self.skip_rows,
            limit=self.limit,
            expected_rows=self.expected_rows,
            place=str(self.pattern),
        )

    def _scan(self) -> Iterator[EventBatch]:
        number, skip = 0, self.skip_rows
        for path in self.paths:
            # counting lines is many times faster than reading numbers; a footer is faster still
            if skip and (rows := count_rows(path)) <= skip:
                number, skip = number + rows, skip - rows
                continue
            scan = scan_events(
                path, batch_rows=self.batch_rows, start_number=number, skip_rows=skip
            )
            number, skip = number + skip, 0
            for batch in scan:
                yield batch
                number += len(batch)

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
    match source:
        case FileSource(path=path):
            paths: tuple[Path, ...] = (path,)
        case FilesSource():
            paths = source.paths
        case _:
            paths = ()
    found = ((path, path.stat()) for path in paths if path.is_file())
    return [(str(path.absolute()), one.st_size, one.st_mtime_ns) for path, one in found]
