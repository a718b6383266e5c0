"""A real Kafka of a test's own: at one port for good, so that it can be killed and come back."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from susystream.services import kafka_server
from susystream.services.ports import HOST, free_ports

_READY_SECONDS = 60.0


@dataclass(slots=True)
class OwnBroker:
    """One node; `with` starts it.

    Attributes:
        folder: Empty.
        settings: More lines of `server.properties`; the last one of a name wins.
        format_options: More words for the command that formats its folder.
        listeners: More of them, {name: security protocol}; `addresses` says where they are.
    """

    folder: Path
    settings: Sequence[str] = ()
    format_options: Sequence[str] = ()
    listeners: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    addresses: dict[str, str] = field(default_factory=dict, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __enter__(self) -> OwnBroker:
        self.port, controller, *others = free_ports(2 + len(self.listeners))
        self.addresses = {
            name: f"{HOST}:{port}" for name, port in zip(self.listeners, others, strict=True)
        }
        text = kafka_server.kafka_properties("data", port=self.port, controller=controller)
        text = "".join(self._with_listeners(line) for line in text.splitlines(keepends=True))
        (self.folder / "server.properties").write_text("\n".join([text, *self.settings, ""]))
        tool = ["kafka.tools.StorageTool", "format", "-t", kafka_server._new_cluster_id()]
        self._java([*tool, "-c", "server.properties", *self.format_options]).wait(60)
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"{HOST}:{self.port}"

    def _with_listeners(self, line: str) -> str:
        places = "".join(f",{name}://{at}" for name, at in self.addresses.items())
        protocols = "".join(f",{name}:{kind}" for name, kind in self.listeners.items())
        more = {
            "listeners": places,
            "advertised.listeners": places,
            "listener.security.protocol.map": protocols,
        }
        return line.rstrip("\n") + more.get(line.partition("=")[0], "") + "\n"

    def start(self) -> None:
        """Starts the node and waits until it serves."""
        process = self._process = self._java(["kafka.Kafka", "server.properties"])
        ends = time.monotonic() + _READY_SECONDS
        while not kafka_server._knows_a_broker(self.port):
            assert process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < ends, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL, if it lives."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def _java(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*kafka_server._java(), "-Xmx512m", *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
