"""A tally as bytes, to travel between processes: whole, checked, without pickle.

In: a tally's arrays, or bytes from elsewhere. Out: bytes, or checked counts.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from susystream.errors import EvaluationError
from susystream.evaluate import bins
from susystream.evaluate.bins import BinCounts
from susystream.evaluate.sealed import seal, unseal

VERSION = 1
_KIND = f"susystream tally {VERSION}"


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """A tally's arrays as bytes; counts in the smallest type, for most fit one byte."""
    small = dict(arrays)
    for name in ("signal", "background"):
        small[name] = small[name].astype(np.min_scalar_type(small[name].max(initial=0)))
    file = io.BytesIO()
    seal(file, small, kind=_KIND)
    return file.getvalue()


def unpack(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays that were packed.

    Raises:
        EvaluationError: The content is foreign or damaged.
    """
    arrays = unseal(content, kind=_KIND)
    if arrays is None:
        raise EvaluationError(
            f"expected a whole tally of version {VERSION}, received {len(content)} other or "
            "damaged bytes; count the scores again"
        )
    return arrays


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
