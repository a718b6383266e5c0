"""The client of the document store: a deadline over each operation, its errors as ours.

In: an address. Out: a client; one line where an operation fails, without the password.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gridfs
import pymongo
from bson.errors import BSONError
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidURI,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from susystream.errors import DocumentInvalid, RegistryError, StoreUnavailable
from susystream.settings import public_uri

_LATE = (ConnectionFailure, NetworkTimeout, ExecutionTimeout, WTimeoutError)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the store is.

    Attributes:
        uri: A MongoDB URI; it may hold a password.
        timeout_seconds: After which an operation gives up.
    """

    uri: str = field(repr=False)
    timeout_seconds: float

    def client(self) -> pymongo.MongoClient[dict[str, Any]]:
        """A client whose writes are in the server's journal before they return."""
        milliseconds = max(1, int(self.timeout_seconds * 1000))
        return pymongo.MongoClient(
            self.uri,
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
            socketTimeoutMS=milliseconds,
            w=1,
            journal=True,
            appname="susystream",
        )

    @contextmanager
    def guarded(self, more_seconds: float = 0.0) -> Iterator[None]:
        """Errors of the client as ours, and a deadline over all that happens inside.

        Raises:
            StoreUnavailable: No server answers in time, or the address is none.
            DocumentInvalid: What is stored, or should be, is no whole document.
            RegistryError: The server refused.
        """
        try:
            with pymongo.timeout(self.timeout_seconds + more_seconds):
                yield
        except (gridfs.errors.GridFSError, BSONError, OverflowError) as error:
            raise DocumentInvalid(f"expected a storable, whole document, {line(error)}") from None
        except (InvalidURI, ConfigurationError, ValueError) as error:
            # the client's text may repeat the address with its password
            raise StoreUnavailable(
                f"expected a MongoDB address mongodb://host:port/, received one the client "
                f"refuses ({type(error).__name__}; is its password empty?); correct registry.uri"
            ) from None
        except PyMongoError as error:
            raise self._mapped(error) from None

    def _mapped(self, error: PyMongoError) -> RegistryError:
        place = self._shown()
        if isinstance(error, DuplicateKeyError):
            return RegistryError(f"expected a new id at {place}, received one already stored")
        if isinstance(error, _LATE) or error.timeout:
            return StoreUnavailable(
                f"expected a document store at {place}, none answered in "
                f"{self.timeout_seconds:g} s; start it, or correct registry.uri"
            )
        if isinstance(error, OperationFailure) and error.code in (13, 18):
            return StoreUnavailable(
                f"expected to be let in at {place}, the server refused; correct user and password "
                "in SUSYSTREAM_REGISTRY_URI (registry.uri), or give that user the right to write"
            )
        return RegistryError(f"expected {place} to do as asked, it says: {line(error)}")

    def _shown(self) -> str:
        """Without options; what has no scheme may be anything, a password too."""
        return public_uri(self.uri).partition("?")[0] if "://" in self.uri else "the address"


def line(error: object) -> str:
    """An error's text on one line."""
    return " ".join(str(error).split())[:200]
