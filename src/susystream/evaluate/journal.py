"""Finished windows of an evaluation on disk, so that a killed one goes on where it was.

In: the scored rows of a window. Out: the same, after checks; nothing of another evaluation.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from susystream.errors import BadRow
from susystream.evaluate.scored import Scored
from susystream.evaluate.sealed import seal, unseal
from susystream.stream.slices import ContentDigest

_KIND = "susystream window 1"  # count up with every change of what a file holds
_MODEL = "logits "  # before a model's name among the names of the arrays


class Journal:
    """A folder with one file a window and a statement of what is evaluated; `with` opens it.

    The statement is written first and compared whenever the folder is opened again: windows of
    another input or model are removed. A window's file appears under its name when it is whole,
    and one in which a single bit has changed since is no window any more.

    Args:
        folder: Of this evaluation alone.
        stated: What must be equal for windows to be used again, as plain data.
    """

    def __init__(self, folder: Path, stated: Mapping[str, Any]) -> None:
        self._folder, self._stated = folder, dict(stated)
        self._lock: IO[str] | None = None

    def __enter__(self) -> Journal:
        """Another process may be evaluating the same: then this one keeps windows elsewhere."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self._folder.with_suffix(".lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._folder = self._folder.with_name(f"{self._folder.name}-{os.getpid()}")
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """What came to its end needs no windows any more."""
        if kind is None:
            self.remove()
        if self._lock is not None:
            self._lock.close()

    def finished(self, models: Iterable[str]) -> Iterator[Scored]:
        """The windows of an earlier run, from the first to the last whole one.

        Args:
            models: Whose logits a window must hold, and no others.
        """
        expected = set(models)
        if not self._is_of_this():
            self.remove()
            self._folder.mkdir(parents=True)
            draft = self._folder / "stated.part"
            draft.write_text(json.dumps(self._stated), encoding="utf-8")
            draft.replace(self._folder / "stated.json")
        for number in count():
            window = _read(self._path(number))
            if window is None or set(window.logits) != expected:
                return
            yield window

    def write(self, number: int, window: Scored) -> None:
        """Keeps a finished window."""
        draft = self._path(number).with_suffix(".part")
        with draft.open("wb") as file:
            seal(file, _arrays(window), kind=_KIND)
        draft.replace(self._path(number))

    def remove(self) -> None:
        """Forgets everything."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08d}.window"

    def _is_of_this(self) -> bool:
        try:
            text = (self._folder / "stated.json").read_text(encoding="utf-8")
            return bool(json.loads(text) == json.loads(json.dumps(self._stated)))
        except (OSError, ValueError):
            return False


def _arrays(window: Scored) -> dict[str, NDArray[Any]]:
    sums, bad = window.digest, [one.__reduce__()[1] for one in window.bad]
    return {
        "labels": np.packbits(window.labels),  # bits: what is not there takes no time to prove
        "digest": np.array([sums.rows, sums.high, sums.low, window.rows], np.uint64),
        "bad": np.frombuffer(json.dumps(bad).encode(), np.uint8),
        **{_MODEL + name: values for name, values in window.logits.items()},
    }


def _read(path: Path) -> Scored | None:
    """A window, or None if there is no whole one."""
    try:
        arrays = unseal(path.read_bytes(), kind=_KIND)
    except OSError:
        return None
    if arrays is None:
        return None
    events, high, low, rows = (int(value) for value in arrays.pop("digest"))
    bad = tuple(BadRow(*one) for one in json.loads(arrays.pop("bad").tobytes()))
    labels = np.unpackbits(arrays.pop("labels"))[:events]
    logits = {name.removeprefix(_MODEL): values for name, values in arrays.items()}
    if any(len(one) != events for one in (labels, *logits.values())):
        return None
    return Scored(labels, logits, ContentDigest(events, high, low), rows, bad)
