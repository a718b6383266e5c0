"""The text of a packed file, as strictly as Polars reads it.

In: the path of a gzip file. Out: a stream of its text. Python's own reader passes over zeros behind
the end and Polars does not; what a file holds must not depend on who reads it.
"""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

from susystream.errors import DataError

_PIECE = 1 << 17  # packed bytes read at once
_WITH_HEADER = 31  # zlib's window bits for gzip; it checks each member's sum and length


def open_packed(path: Path) -> io.BufferedReader:
    """The text of a gzip file; `tell` of its `raw` is the place in the packed file.

    Raises:
        DataError: While it is read: it ends early, is damaged, or has more behind its end.
    """
    return io.BufferedReader(_Unpacked(path), 1 << 20)


class _Unpacked(io.RawIOBase):
    """Members of gzip one after another."""

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, path.open("rb", buffering=0)
        self._member, self._packed = zlib.decompressobj(_WITH_HEADER), b""

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        """Packed bytes that were taken."""
        return self._file.tell() - len(self._packed)

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any, /) -> int:
        into = memoryview(buffer).cast("B")
        try:
            text = self._read(len(into))
        except (EOFError, zlib.error) as error:
            raise DataError(
                f"expected a whole file at {self._path}, received one that ends early or is "
                f"damaged, or has more behind its end ({error}); fetch it again"
            ) from error
        into[: len(text)] = text
        return len(text)

    def _read(self, most: int) -> bytes:
        """Some bytes of text; none at the end."""
        text = b""
        while not text and self._goes_on():
            text = self._member.decompress(self._packed, most)
            self._packed = self._member.unused_data or self._member.unconsumed_tail
        return text

    def _goes_on(self) -> bool:
        self._packed = self._packed or self._file.read(_PIECE)
        if self._member.eof and self._packed:
            self._member = zlib.decompressobj(_WITH_HEADER)
        if not (self._member.eof or self._packed):
            raise EOFError("no end of the stream")
        return bool(self._packed)
