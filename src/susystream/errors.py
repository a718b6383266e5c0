"""Every error this package raises on purpose.

    SusystreamError
    ├── SettingsError          a setting is unknown, missing or out of range
    ├── DataError              an input file or batch is not what it should be
    │   ├── BadRow             one row of a text file, with its line, column and text
    │   └── DownloadError      a file could not be fetched whole
    ├── StreamError            the event stream
    │   ├── BrokerUnavailable  no Kafka broker answers at the address
    │   ├── HandshakeFailed    TLS or the login to the broker failed
    │   ├── PublishError       events could not be written, or not exactly once
    │   ├── BadMessage         a message is not one of ours, or is damaged
    │   ├── SliceTruncated     the log no longer holds all offsets of a slice
    │   ├── StreamStalled      no message came within the deadline
    │   ├── DigestMismatch     the events read are not the events published
    │   └── ReaderUnsupported  this reader cannot honour this slice
    ├── ModelError             a network or its stored form is unusable
    ├── RegistryError          the model store
    │   ├── StoreUnavailable   no document store answers at the address
    │   ├── NotFound           no such model or data set
    │   └── DocumentInvalid    a stored document is damaged or foreign
    ├── EvaluationError        scores or labels that cannot be counted
    ├── TrackingError          the tracking server
    ├── TrialsFailed           some trials of a sweep did not finish
    ├── TrialPruned            a trial that promises little was ended early
    └── ServiceError           an embedded service did not start, stay or stop

Every message is one line: what was expected, what was received, the cure. The command line
prints it and exits with status 1, or 2 for a SettingsError; `line_of` finds such a line for every
other error. A notebook shows that line too, without a traceback.
"""

from __future__ import annotations

import errno
import os
import re

from susystream.disclosure import public_text

_LONGEST = 400
_ELSEWHERE = "choose a place you may read and write (home=…, hydra.run.dir=…)"
_UNKNOWN_PLACE = "run again with -v to see where"
_CURES = {  # what helps against a refusal of the operating system
    errno.ENOENT: "correct the path",
    errno.ENOTDIR: "correct the path",
    errno.EISDIR: "name a file, not a folder",
    errno.ENAMETOOLONG: "shorten the path",
    errno.EACCES: _ELSEWHERE,
    errno.EPERM: _ELSEWHERE,
    errno.EROFS: _ELSEWHERE,
    errno.ENOSPC: "free disk space, or choose another place (home=…, hydra.run.dir=…)",
    errno.EDQUOT: "free disk space, or choose another place (home=…, hydra.run.dir=…)",
    errno.EMFILE: "allow more open files (ulimit -n)",
}


class SusystreamError(Exception):
    """Base of all errors below."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [f"{type(self).__name__}: {line_of(self)}"]


class SettingsError(SusystreamError):
    """A setting is unknown, missing or out of range."""


class DataError(SusystreamError):
    """An input file or batch is not what it should be."""


class BadRow(DataError):
    """One row of a text file cannot be used.

    Args:
        path: The file.
        line: Its line number, counted from 1; in Parquet its row.
        column: The column's name, or what is wrong with the row as a whole.
        text: The offending text; long text is cut to 80 characters.
        expected: What should have stood there.
        cure: What helps.
    """

    def __init__(
        self,
        path: str,
        line: int,
        column: str,
        text: str,
        expected: str,
        cure: str = "correct or remove the row",
    ) -> None:
        self.path, self.line, self.column = path, line, column
        self.text, self.expected, self.cure = text, expected, cure
        shown = text if len(text) <= 80 else text[:77] + "..."
        super().__init__(f"{self.place}: expected {expected}, received {shown!r}; {cure}")

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        unit = "row" if self.path.endswith(".parquet") else "line"
        return f"{self.path}, {unit} {self.line}, {self.column}"

    def with_cure(self, cure: str) -> BadRow:
        """The same with another cure."""
        return BadRow(self.path, self.line, self.column, self.text, self.expected, cure)

    def __reduce__(self) -> tuple[type[BadRow], tuple[str, int, str, str, str, str]]:
        stated = (self.path, self.line, self.column, self.text, self.expected, self.cure)
        return type(self), stated


class DownloadError(DataError):
    """A file could not be fetched whole."""


class StreamError(SusystreamError):
    """The event stream."""


class BrokerUnavailable(StreamError):
    """No Kafka broker answers at the address."""


class HandshakeFailed(StreamError):
    """TLS or the login to the broker failed."""


class PublishError(StreamError):
    """Events could not be written, or not exactly once."""


class BadMessage(StreamError):
    """A message is not one of ours, or is damaged."""


class SliceTruncated(StreamError):
    """The log no longer holds all offsets of a slice."""


class StreamStalled(StreamError):
    """No message came within the deadline."""


class DigestMismatch(StreamError):
    """The events read are not the events published."""


class ReaderUnsupported(StreamError):
    """This reader cannot honour this slice."""


class ModelError(SusystreamError):
    """A network or its stored form is unusable."""


class RegistryError(SusystreamError):
    """The model store."""


class StoreUnavailable(RegistryError):
    """No document store answers at the address."""


class NotFound(RegistryError):
    """No such model or data set."""


class DocumentInvalid(RegistryError):
    """A stored document is damaged or foreign."""


class EvaluationError(SusystreamError):
    """Scores or labels that cannot be counted."""


class TrackingError(SusystreamError):
    """The tracking server."""


class TrialsFailed(SusystreamError):
    """Some trials of a sweep did not finish; the others did."""


class TrialPruned(SusystreamError):
    """A trial that promises little was ended early: no failure, and no model.

    Args:
        value: What the trial was judged by when it ended.
        epoch: The epoch, from 1, after which it ended.
    """

    def __init__(self, value: float, *, epoch: int) -> None:
        super().__init__(f"ended after epoch {epoch} at {value:.4f}: other trials were better")
        self.value, self.epoch = value, epoch


class ServiceError(SusystreamError):
    """An embedded service did not start, stay or stop."""


def line_of(error: BaseException) -> str:
    """What to tell of any error, on one line: its own, the system's, or that it is a defect."""
    if isinstance(error, SusystreamError):
        text = str(error)
    elif isinstance(error, OSError) and (known := _with_number(error)).errno is not None:
        text = _refusal(known)
    elif isinstance(error, MemoryError):
        text = (
            "expected enough memory, received none; lower evaluate.batch_rows or train.batch_size"
        )
    else:
        told = public_text(" ".join(f"unexpected {type(error).__name__}: {error}".split()))
        told = told if len(told) <= _LONGEST else told[: _LONGEST - 3] + "..."
        text = f"{told}; this is a defect: run again with -v and report it"
    return " ".join(text.split())


def _with_number(error: OSError) -> OSError:
    """Polars tells the system's number only in its text."""
    found = re.search(r"os error (\d+)", str(error))
    if error.errno is not None or found is None:
        return error
    return OSError(int(found.group(1)), os.strerror(int(found.group(1))))


def _refusal(error: OSError) -> str:
    """The operating system's refusal, with the path if it names one."""
    places = [str(place) for place in (error.filename, error.filename2) if place is not None]
    wanted = f"to use {' and '.join(places)}" if places else "the system to do as asked"
    reason = error.strerror or type(error).__name__
    cure = _CURES.get(error.errno or 0, "correct the path" if places else _UNKNOWN_PLACE)
    return f"expected {wanted}, received: {reason[:1].lower()}{reason[1:]}; {cure}"
