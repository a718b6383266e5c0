"""Arrays as bytes that prove themselves: the very same come back, or none; without pickle.

In: arrays, or bytes from elsewhere. Out: bytes, or the arrays that were sealed.
The form: a line that names what is sealed, a line of JSON with the name, type and shape of each
array, their contents, and the SHA-256 of all that. No byte is interpreted before its digest was
compared.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_DIGEST_BYTES = hashlib.sha256().digest_size


def seal(file: IO[bytes], arrays: Mapping[str, NDArray[Any]], *, kind: str) -> None:
    """Writes arrays with the proof of them; large ones are not copied.

    Args:
        file: Open for writing.
        arrays: Of numbers, by name.
        kind: What they are, with the version of what they mean; a line.
    """
    about = [[name, one.dtype.str, one.shape] for name, one in arrays.items()]
    pieces: list[bytes | memoryview] = [_head(kind), json.dumps(about).encode() + b"\n"]
    pieces += [np.ascontiguousarray(one).reshape(-1).data for one in arrays.values()]
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        file.write(piece)
    file.write(digest.digest())


def unseal(content: bytes, *, kind: str) -> dict[str, NDArray[Any]] | None:
    """The arrays that were sealed as that kind, or None if the content is foreign or damaged."""
    head, body = _head(kind), memoryview(content)[:-_DIGEST_BYTES]
    if not content.startswith(head) or hashlib.sha256(body).digest() != content[len(body) :]:
        return None
    at = content.index(b"\n", len(head)) + 1
    arrays = {}
    for name, dtype, shape in json.loads(content[len(head) : at]):
        kept = np.frombuffer(content, dtype, math.prod(shape), at)
        arrays[name] = kept.reshape(shape).copy()  # aligned, and free of the rest
        at += kept.nbytes
    return arrays


def _head(kind: str) -> bytes:
    return f"{kind}\n".encode()
