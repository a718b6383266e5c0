"""Where a publication began, on disk until its data set is registered.

In: what is published, and at which offsets it begins. Out: the same after a kill.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susystream.errors import DocumentInvalid
from susystream.stream.slices import TopicSlice


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A file of its own for each publication: another one may come between it and its resumption.

    Attributes:
        folder: Of the home.
        identity: What is published, and where to, as plain data.
    """

    folder: Path
    identity: Mapping[str, Any]

    def begin(self) -> TopicSlice | None:
        """The empty slice at which a publication of just this began that did not end."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            same = found["identity"] == json.loads(json.dumps(dict(self.identity)))
            return TopicSlice.from_json(found["begin"]) if same else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, DocumentInvalid):
            return None  # half a file is no beginning: nothing was sent before it was whole

    def note(self, begin: TopicSlice) -> None:
        """Keeps the beginning, whole or not at all."""
        draft = self._path.with_suffix(".part")
        text = json.dumps({"identity": dict(self.identity), "begin": begin.to_json()})
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # the log may outlive this machine
        draft.replace(self._path)

    def forget(self) -> None:
        """It came to its end."""
        self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        text = json.dumps(dict(self.identity), sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.begun.json"
