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
from susystream.disclosure import ADDRESSES, SHOWN_SECURITY, unsecret
from susystream.errors import NotFound, ServiceError, SettingsError, TrackingError
from susystream.settings import Settings, public_uri
from susystream.stages.console import Console
from susystream.stages.context import StageContext
from susystream.tracking.address import sqlite_file
from susystream.tracking.contact import opened
from susystream.typed_names import is_replaced, replaced_by, set_in

if TYPE_CHECKING:
    from types import TracebackType

    from susystream.registry.store import ModelStore

_Own = TypeVar("_Own", bound="HomeServers")
_FROM_ENVIRONMENT = re.compile(r"\$\{oc\.env:\w+\}")
_NO_PASSWORD = re.compile(r"://(?:[^:@/]*:)?@")  # once what comes from the environment is left out
_VARIABLES: dict[tuple[str, ...], str] = {  # that the commands read, too
    ("registry", "uri"): "set SUSYSTREAM_REGISTRY_URI",
    ("tracking", "uri"): "set MLFLOW_TRACKING_URI",
}
_UNUSED = (("stage",), *(("evaluate", name) for name in ("models", "input", "ensemble")))


class HomeServers:
    """What a workspace opens, and lets go."""

    def __init__(self, *overrides: str) -> None:
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
            SettingsError: One is wrong, has no use here, or holds a secret as text.
        """
        _check_secrets(self._overrides)
        _check_used(self._overrides)
        found = composed_settings(self._overrides)
        place = _place_of(found.home)
        uri = _database(found.tracking.uri, beside=place)
        tracking = found.tracking.model_copy(update={"uri": uri})
        home = found.home if place is None else place / found.home
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
                f"SUSYSTREAM_REGISTRY_URI, received neither; {self._first}"
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
                f"MLFLOW_TRACKING_URI, or {self._first}"
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
                f"SUSYSTREAM_BOOTSTRAP_SERVERS, or {self._first}"
            )
        return self._context.kafka.bootstrap_servers

    @property
    def _first(self) -> str:
        """What makes a home; a stated one may be mistyped."""
        stated = ("home",) in replaced_by(self._overrides, {})
        name = "home" if stated else "SUSYSTREAM_HOME" if os.environ.get("SUSYSTREAM_HOME") else ""
        correct = f"correct {name}, or " if name else ""
        return f"{correct}run the chain first: susystream run experiment=quickstart"

    @cached_property
    def _context(self) -> StageContext:
        lines = rich.console.Console(  # what it draws in a notebook needs another package
            force_terminal=False, force_jupyter=False, highlight=False, soft_wrap=True
        )
        console = Console(lines, every_seconds=30.0)  # they stay in a notebook
        return StageContext(self.settings, Path(), console, self._stack)


def _check_secrets(overrides: Iterable[str]) -> None:
    """Refuses a secret as text, and what may be one: a misspelt name of `stream.security`."""
    for keys, value in (one for word in overrides for one in set_in(word)):
        name, text = keys[-1], str(value)
        secret = "security" in keys[:-1] and name not in SHOWN_SECURITY
        if secret and not _FROM_ENVIRONMENT.fullmatch(text):
            raise _typed(unsecret(name), "")
        if name in ADDRESSES and _shows_login(text):
            cure = _VARIABLES.get(keys)
            raise _typed(f"the login of {'.'.join(keys)}", f"{cure}, or " if cure else "")


def _typed(what: str, cure: str) -> SettingsError:
    return SettingsError(
        f"expected {what} from the environment, received it as text, which a notebook keeps; "
        f"{cure}write ${{oc.env:VARIABLE}} in its place"
    )


def _shows_login(address: str) -> bool:
    """Whether anything is secret but what comes from the environment."""
    typed = _NO_PASSWORD.sub("://", _FROM_ENVIRONMENT.sub("", address), count=1)
    return public_uri(typed) != typed


def _check_used(overrides: Iterable[str]) -> None:
    """Refuses what says which model, events or stage: of a workspace each call says so."""
    for keys in replaced_by(overrides, {}):
        if is_replaced(keys, _UNUSED):
            raise SettingsError(
                f"expected settings that a workspace uses, received {'.'.join(keys)}; leave it "
                "out, name model and test set in evaluate(…), or use susystream run"
            )


def _database(uri: str, *, beside: Path | None) -> str:
    """The address; of a local database that of the home found there, else here or above."""
    file = sqlite_file(uri)
    places = [] if beside is None else [beside]
    if file is None or (place := _place_of(file, *places)) is None:
        return uri
    _, mark, query = uri.partition("?")
    return f"sqlite:///{place / file}{mark}{query}"


def _place_of(path: Path, *first: Path) -> Path | None:
    """The first folder that has a relative path: of these, the current one and those above."""
    places = [] if path.is_absolute() else [*first, Path.cwd(), *Path.cwd().parents]
    return next((place for place in places if (place / path).exists()), None)
