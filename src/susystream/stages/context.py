"""What every stage needs: settings, addresses, and connections opened on first use.

In: settings. Out: a `StageContext` whose servers and connections close with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from susystream.registry.store import ModelStore
from susystream.services.broker import embedded_broker
from susystream.services.store import embedded_store
from susystream.settings import Settings
from susystream.stages.console import Console
from susystream.stream.connection import KafkaConnection
from susystream.stream.dead_letters import DeadLetters
from susystream.tracking.label import Label
from susystream.tracking.tracker import Tracker


@dataclass
class StageContext:
    """Settings and connections of one command; make it with `open_context`.

    Attributes:
        settings: The checked settings.
        output: The folder for this command's files.
        console: Where progress goes.
        label: What the run of this command bears beside its stage's words.
        on_epoch: Called with the number and the figures of each epoch of a training; may end it.
        differs: Settings that are not as usual, by dotted name, without secrets; None:
            nobody said.
    """

    settings: Settings
    output: Path
    console: Console
    _stack: ExitStack = field(repr=False)
    label: Label = field(default_factory=Label)
    on_epoch: Callable[[int, Mapping[str, float]], None] = field(
        default=lambda epoch, figures: None, repr=False
    )
    differs: Mapping[str, Any] | None = None

    @cached_property
    def kafka(self) -> KafkaConnection:
        """The broker: by address, or embedded."""
        stream = self.settings.stream
        address = stream.bootstrap_servers
        if address is None:
            address = self._stack.enter_context(embedded_broker(self.settings.home, say=self.note))
        return KafkaConnection(address, stream.timeout_seconds, dict(stream.security))

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """Where messages go that are no events; its count is that of this stage."""
        letters = DeadLetters(self.kafka, self.settings.stream.max_bad)
        return self._stack.enter_context(letters)

    @property
    def bad_messages(self) -> int:
        """How many this stage set aside; asks no broker."""
        letters = self.__dict__.get("dead_letters")
        return letters.count if letters else 0

    @cached_property
    def store(self) -> ModelStore:
        """The model store: by address, or embedded."""
        registry = self.settings.registry
        uri = registry.uri
        if uri is None:
            uri = self._stack.enter_context(embedded_store(self.settings.home, say=self.note))
        store = ModelStore(uri, registry.database, registry.timeout_seconds)
        return self._stack.enter_context(store)

    @cached_property
    def tracker(self) -> Tracker:
        """The tracking server; at the end of the command it gets what was kept for it."""
        tracking, repeats = self.settings.tracking, self.settings.repeats
        everywhere = {**self.label.everywhere, **({} if repeats is None else {"repeats": repeats})}
        tracker = Tracker(
            tracking.uri,
            tracking.experiment,
            system_metrics=tracking.system_metrics,
            pictures=tracking.pictures,
            timeout_seconds=tracking.timeout_seconds,
            label=replace(self.label, everywhere=everywhere),
            patience_seconds=tracking.patience_seconds,
            folder=self.settings.home / "tracking",
            say=self.note,
        )
        return self._stack.enter_context(tracker)

    def with_settings(self, **groups: dict[str, Any]) -> StageContext:
        """The same connections under settings with some values of some groups replaced."""
        changed = {
            name: getattr(self.settings, name).model_copy(update=values)
            for name, values in groups.items()
        }
        shared = ("store", "kafka", "tracker")  # before a broker starts, a wrong address is told
        return self.under(self.settings.model_copy(update=changed), shared=shared)

    def under(self, settings: Settings, *, shared: Sequence[str]) -> StageContext:
        """A context of other settings; the connections that are named are this one's."""
        other = replace(self, settings=settings)
        for name in shared:  # cached_property keeps them in __dict__
            other.__dict__[name] = getattr(self, name)
        return other

    def for_a_step(self, **groups: dict[str, Any]) -> AbstractContextManager[StageContext]:
        """As `with_settings`; what only that context opens closes at the end of the block."""
        return self.with_settings(**groups).closing_first()

    @contextmanager
    def closing_first(self) -> Iterator[StageContext]:
        """This context; what it opens by itself closes at the end of the block."""
        with ExitStack() as self._stack:
            yield self

    def note(self, text: str) -> None:
        """Says something below the heading."""
        self.console.say(f"  {text}")

    @property
    def prepared_folder(self) -> Path:
        """Where the prepared data lie."""
        return self.settings.home / "data"


@contextmanager
def open_context(
    settings: Settings,
    *,
    output: Path,
    console: Console,
    differs: Mapping[str, Any] | None = None,
) -> Iterator[StageContext]:
    """A context whose servers and connections close at its end."""
    with ExitStack() as stack:
        yield StageContext(settings, output, console, stack, differs=differs)
