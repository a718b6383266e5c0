"""A tally as bytes and as a file: whole, checked, without pickle.

In: a tally's arrays, or bytes from elsewhere. Out: bytes, or checked counts.
The form: a line that names it, a line with the SHA-256 of the rest in hexadecimal, then an .npz
archive of header (version, limit, level), keys, signal, background. No byte of the archive is
interpreted before its digest was compared.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from susystream.errors import EvaluationError
from susystream.evaluate import bins
from susystream.evaluate.bins import BinCounts

VERSION = 1
_MAGIC = b"susystream tally %d" % VERSION


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """A tally's arrays as bytes; counts in the smallest type, for most fit one byte."""
    small = dict(arrays)
    for name in ("signal", "background"):
        small[name] = small[name].astype(np.min_scalar_type(small[name].max(initial=0)))
    file = io.BytesIO()
    np.savez(file, **small)
    digest = hashlib.sha256(file.getbuffer()).hexdigest()
    return b"%b\n%b\n%b" % (_MAGIC, digest.encode(), file.getvalue())


def unpack(content: bytes, *, name: str = "these bytes") -> dict[str, NDArray[Any]]:
    """The arrays that were packed.

    Raises:
        EvaluationError: The content is foreign or damaged.
    """
    magic, _, rest = content.partition(b"\n")
    digest, _, archive = rest.partition(b"\n")
    if magic != _MAGIC or digest.decode("latin-1") != hashlib.sha256(archive).hexdigest():
        raise EvaluationError(
            f"expected a whole tally of version {VERSION} in {name}, received "
            f"{len(content)} other or damaged bytes; count the scores again"
        )
    with np.load(io.BytesIO(archive), allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def write(path: Path, content: bytes) -> None:
    """Writes a file, whole or not at all; an older one is replaced."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read(path: Path) -> bytes:
    """A file's content.

    Raises:
        EvaluationError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise EvaluationError(
            f"expected a tally file, received {error}; count the scores again"
        ) from error


def checked_counts(arrays: Mapping[str, NDArray[Any]]) -> tuple[int, BinCounts]:
    """The limit and the counts that a tally's arrays describe.

    Raises:
        EvaluationError: The arrays are incomplete, damaged or of another version.
    """
    missing = {"header", "keys", "signal", "background"} - set(arrays)
    if missing or arrays["header"].shape != (3,) or arrays["header"][0] != VERSION:
        raise EvaluationError(
            f"expected the arrays of a tally of version {VERSION}, received "
            f"{sorted(arrays)}; count the scores again with this version"
        )
    _, limit, level = (int(value) for value in arrays["header"])
    keys, signal, background = (arrays[name] for name in ("keys", "signal", "background"))
    good = (
        keys.dtype == np.uint32
        and signal.dtype.kind in "iu"
        and background.dtype.kind in "iu"
        and keys.ndim == 1
        and keys.shape == signal.shape == background.shape
        and 0 <= level <= bins.MAX_LEVEL
        and len(keys) <= limit
        and bool((keys[1:] > keys[:-1]).all())
        and bool(((signal >= 0) & (background >= 0) & ((signal > 0) | (background > 0))).all())
        and bool((bins.coarse_keys(keys, level) == keys).all())
    )
    if not good:
        raise EvaluationError(
            f"expected at most {limit} ascending score bins with positive counts, received other "
            f"content in {len(keys)} bins at level {level}; count the scores again"
        )
    events = int(signal.sum(dtype=np.int64)) + int(background.sum(dtype=np.int64))
    kind = bins.count_type(events)
    return limit, BinCounts(keys, signal.astype(kind), background.astype(kind), level, events)
