"""The servers and settings of one home, for notebooks and scripts: `HomeServers`.

In: the environment variables and settings of the commands, and where a notebook lies. Out: open
connections, each on first use; one line where there is nothing to connect to.
"""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Iterable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import rich.console

from susystream.composition import composed_settings
from susystream.disclosure import SHOWN_SECURITY, unsecret
from susystream.errors import NotFound, ServiceError, SettingsError, TrackingError
from susystream.evaluate.worker import refuse_to_run_the_script
from susystream.settings import Settings, public_uri
from susystream.stages.console import Console
from susystream.stages.context import StageContext
from susystream.tracking.address import sqlite_file
from susystream.tracking.contact import opened
from susystream.typed_names import set_in

if TYPE_CHECKING:
    from types import TracebackType

    from susystream.registry.store import ModelStore

_Own = TypeVar("_Own", bound="HomeServers")
_FROM_ENVIRONMENT = re.compile(r"\$\{oc\.env:\w+\}")
_FIRST = "run the chain first: susystream run experiment=quickstart"


class HomeServers:
    """What a workspace opens, and lets go."""

    def __init__(self, *overrides: str) -> None:
        # before any TensorFlow is loaded: its start-up notices are not for a notebook
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        self._overrides = overrides
        self._stack = ExitStack()
        weakref.finalize(self, self._stack.close)  # at the end of the process at the latest

    def __enter__(self: _Own) -> _Own:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the servers; what is used afterwards is opened again."""
        for name in ("_context", "tracking_uri"):
            self.__dict__.pop(name, None)
        self._stack.close()

    @cached_property
    def settings(self) -> Settings:
        """The checked settings.

        Raises:
            SettingsError: One is wrong, or holds a secret as text.
        """
        refuse_to_run_the_script()
        _check_secrets(self._overrides)
        found = composed_settings(self._overrides)
        uri = _database_here_or_above(found.tracking.uri)
        tracking = found.tracking.model_copy(update={"uri": uri})
        home = _here_or_above(found.home)
        return found.model_copy(update={"home": home, "tracking": tracking})

    @property
    def home(self) -> Path:
        """Where embedded servers, prepared data and test sets lie."""
        return self.settings.home

    @property
    def store(self) -> ModelStore:
        """The open model store.

        Raises:
            NotFound: There is neither an address nor a home.
            StoreUnavailable: No server answers at the address.
        """
        folder = self.home / "store"
        if self.settings.registry.uri is None and not folder.is_dir():
            raise NotFound(
                f"expected stored models in a folder {folder}, here or above, or at "
                f"SUSYSTREAM_REGISTRY_URI, received neither; {_FIRST}"
            )
        return self._context.store

    @cached_property
    def tracking_uri(self) -> str:
        """The address of a tracking server that answered, for `mlflow.set_tracking_uri`.

        Raises:
            TrackingError: None answers, or there is no such database.
        """
        tracking = self.settings.tracking
        file = sqlite_file(tracking.uri)
        if file is not None and not file.exists():
            raise TrackingError(
                f"expected runs at {public_uri(tracking.uri)}, received no such file; set "
                f"MLFLOW_TRACKING_URI, or {_FIRST}"
            )
        opened(tracking.uri, timeout_seconds=tracking.timeout_seconds)
        return tracking.uri

    @property
    def bootstrap_servers(self) -> str:
        """The address of the broker; the embedded one is started.

        Raises:
            ServiceError: There is none in the home, or it did not start.
        """
        given, data = self.settings.stream.bootstrap_servers, self.home / "kafka"
        if given is None and not data.is_dir():
            raise ServiceError(
                f"expected an embedded broker's data in {data}, received none; set "
                f"SUSYSTREAM_BOOTSTRAP_SERVERS, or {_FIRST}"
            )
        return self._context.kafka.bootstrap_servers

    @cached_property
    def _context(self) -> StageContext:
        lines = rich.console.Console(  # what it draws in a notebook needs another package
            force_terminal=False, force_jupyter=False, highlight=False, soft_wrap=True
        )
        console = Console(lines, every_seconds=30.0)  # they stay in a notebook
        return StageContext(self.settings, Path(), console, self._stack)


def _check_secrets(overrides: Iterable[str]) -> None:
    """Refuses a secret of `stream.security` as text, and what may be one: a misspelt name."""
    for keys, value in (one for word in overrides for one in set_in(word)):
        name, secret = keys[-1], "security" in keys[:-1] and keys[-1] not in SHOWN_SECURITY
        if secret and not _FROM_ENVIRONMENT.fullmatch(str(value)):
            raise SettingsError(
                f"expected {unsecret(name)} from the environment, received it as text, which a "
                "notebook keeps; write ${oc.env:VARIABLE} in its place"
            )


def _database_here_or_above(uri: str) -> str:
    """The address, with the file's place where it is a local database."""
    file = sqlite_file(uri)
    if file is None or (found := _here_or_above(file)) == file:
        return uri
    _, mark, query = uri.partition("?")
    return f"sqlite:///{found}{mark}{query}"


def _here_or_above(path: Path) -> Path:
    """The path in the current folder, or in the nearest folder above that has it."""
    places = [Path.cwd(), *Path.cwd().parents] if not path.is_absolute() else []
    return next((place / path for place in places if (place / path).exists()), path)
