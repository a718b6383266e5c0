"""Arrays as text, bit by bit: base64 of little-endian float32.

In: arrays. Out: `Weight`s and their digest, and arrays again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from susystream.errors import DocumentInvalid
from susystream.registry.document.form import Part, canonical_json
from susystream.schema import Float32Array


class Weight(Part):
    """One array; `data` is the base64 of its little-endian bytes in C order."""

    name: Annotated[str, Field(min_length=1, max_length=500)]
    shape: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...]
    dtype: Literal["float32"] = "float32"
    encoding: Literal["base64"] = "base64"
    data: str = Field(repr=False)

    def to_bytes(self) -> bytes:
        """The array's bytes.

        Raises:
            DocumentInvalid: They are damaged or do not fill the shape.
        """
        content = from_base64(self.data, self.name)
        expected = 4 * int(np.prod(self.shape, dtype=object)) if self.shape else 4
        if len(content) != expected:
            raise DocumentInvalid(
                f"expected {expected} bytes for weight {self.name} of shape {self.shape}, "
                f"received {len(content)}; store the model again"
            )
        return content


def encode_weights(named: Iterable[tuple[str, NDArray[Any]]]) -> tuple[Weight, ...]:
    """Weights as stored.

    Raises:
        DocumentInvalid: An array is not float32.
    """
    return tuple(_encoded(name, array) for name, array in named)


def decode_weights(weights: Sequence[Weight]) -> list[Float32Array]:
    """The arrays of stored weights, bit by bit.

    Raises:
        DocumentInvalid: One is damaged.
    """
    return [
        np.frombuffer(weight.to_bytes(), "<f4").reshape(weight.shape).astype(np.float32)
        for weight in weights
    ]


def weights_digest(weights: Sequence[Weight]) -> str:
    """SHA-256 over every weight's name, type, shape and bytes."""
    total = hashlib.sha256()
    for weight in weights:
        header = canonical_json([weight.name, weight.dtype, list(weight.shape)])
        total.update(header.encode("utf-8") + b"\n" + weight.to_bytes())
    return total.hexdigest()


def _encoded(name: str, array: NDArray[Any]) -> Weight:
    if array.dtype != np.float32:
        raise DocumentInvalid(f"expected float32 in weight {name}, received {array.dtype}")
    return Weight(name=name, shape=tuple(array.shape), data=to_base64(array))


def to_base64(array: NDArray[Any]) -> str:
    """The array's bytes as text."""
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode("ascii")


def from_base64(text: str, name: str) -> bytes:
    """The bytes of a text; `name` is for the error."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DocumentInvalid(
            f"expected base64 in {name}, {error}; store the model again"
        ) from error
