"""Weights too large for one document, as files in GridFS: MongoDB ends a document at 16 MB.

In: a database, a document as it is stored. Out: its weights moved into files, or a file's bytes.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gridfs
from bson import ObjectId
from pymongo.database import Database

from susystream.errors import DocumentInvalid

INLINE_BYTES = 12_000_000  # of base64 text; the rest of a document is far below the 4 MB left
_FILES = "weights"


@contextmanager
def moved_out(
    database: Database[dict[str, Any]], stored: dict[str, Any], model_id: str
) -> Iterator[None]:
    """Moves weights into files; takes them out again if the document cannot be stored."""
    files, ids = gridfs.GridFS(database, _FILES), []
    try:
        for weight in stored["weights"]:
            content = base64.b64decode(weight["data"])
            ids.append(files.put(content, filename=f"{model_id}/{weight['name']}"))
            weight.update(encoding="gridfs", data=str(ids[-1]))
        yield
    except BaseException:
        for file in ids:
            files.delete(file)
        raise


def file_of(database: Database[dict[str, Any]], weight: Mapping[str, Any]) -> gridfs.GridOut:
    """The file of a weight, before its content is read: it must be as long as the weight.

    Raises:
        DocumentInvalid: It is not; reading it might take all memory.
    """
    name = str(weight.get("name"))[:100]
    file = gridfs.GridFS(database, _FILES).get(ObjectId(str(weight.get("data"))))
    shape, length = weight.get("shape"), file.length
    sizes = shape if isinstance(shape, list) else [None]
    good = all(isinstance(size, int) and size >= 0 for size in [*sizes, length])
    if not good or length != 4 * math.prod(sizes):
        raise DocumentInvalid(
            f"expected a file of 4 bytes a number for weight {name} of shape {str(shape)[:60]}, "
            f"received {str(length)[:30]} bytes; store the model again"
        )
    return file


def content_of(file: gridfs.GridOut) -> bytes:
    """A file's bytes.

    Raises:
        DocumentInvalid: Its pieces are damaged.
    """
    try:
        return bytes(file.read())
    except (TypeError, KeyError, ValueError, ArithmeticError, AttributeError) as error:
        raise DocumentInvalid(
            f"expected whole pieces of the file {file.filename}, received others "
            f"({type(error).__name__}); store the model again"
        ) from error
