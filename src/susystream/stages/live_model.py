"""The stored model that a selector names, also after another one took its place.

In: the model store and a selector. Out: the model's id and its scorer, as they are now.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple

from susystream.errors import line_of
from susystream.model.scorer import Scorer
from susystream.registry.document import ModelDocument
from susystream.registry.store import ModelStore

_CLOSE_SECONDS = 30.0  # the store has deadlines of its own


class Chosen(NamedTuple):
    """A model that can score."""

    model_id: str
    scorer: Scorer


@dataclass(slots=True)
class LiveModel:
    """Asks the store every few seconds; `with` loads the first model, and ends the asking.

    While the store is away, or names a model that cannot score, the last one stays.

    Attributes:
        store: Open.
        selector: As `susystream models show` takes it, and `promoted`.
        scorer_of: Makes the scorer of a document.
        refresh_seconds: Between two questions.
        say: Tells a person of another model, or why there is none.
    """

    store: ModelStore
    selector: str
    scorer_of: Callable[[ModelDocument], Scorer]
    refresh_seconds: float
    say: Callable[[str], None]
    _chosen: Chosen | None = field(default=None, init=False)
    _told: str = field(default="", init=False)
    _ending: threading.Event = field(default_factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def __enter__(self) -> LiveModel:
        self._load(self.selector)
        self._thread = threading.Thread(target=self._watch, name="live-model", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)

    @property
    def now(self) -> Chosen:
        """The model of this moment."""
        if self._chosen is None:
            raise RuntimeError("use `with LiveModel(...) as model`")
        return self._chosen

    def _watch(self) -> None:
        while not self._ending.wait(self.refresh_seconds):
            try:
                model_id = self.store.model_id_of(self.selector)
                if model_id != self.now.model_id:
                    self._load(model_id)
                self._told = ""
            except Exception as error:  # whatever it is, scoring goes on, and asks again
                self._tell(f"{self.now.model_id} goes on: {line_of(error)}")

    def _load(self, selector: str) -> None:
        document = self.store.load_model(selector)
        self._chosen = Chosen(document.model_id, self.scorer_of(document))
        self.say(f"model {document.model_id} scores")

    def _tell(self, text: str) -> None:
        if text != self._told:  # once, however long it lasts
            self._told = text
            self.say(text)
