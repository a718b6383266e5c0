"""A real tracking server that may go away and come back."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

START_SECONDS = 120.0
# its workers for language models take longer to start than the server itself
WITHOUT_MORE = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


class TrackingServer:
    """A real `mlflow server` on one port and one database, however often it is started."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address, self.folder = f"http://127.0.0.1:{self.port}", folder
        self.database = f"sqlite:///{folder}/mlflow.db"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--workers", "1", "--port", str(self.port)]
        command += ["--backend-store-uri", self.database]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        plain = {key: text for key, text in os.environ.items() if not key.startswith("MLFLOW_")}
        with (self.folder / "log.txt").open("a") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**plain, **WITHOUT_MORE},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until_healthy(self.address, self._process, self.folder / "log.txt")

    def send(self, number: int) -> None:
        """To all of its processes: they have a session of their own."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is None:
            return
        self.send(number)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            self._process.wait(20)
        self._process = None


@contextmanager
def tracking_server(folder: Path, empty_database: Path) -> Iterator[TrackingServer]:
    """A server that runs, and ends with the block, however often it was stopped and started."""
    shutil.copy(empty_database, folder)
    found = TrackingServer(folder)
    try:
        found.start()
        yield found
    finally:
        found.stop()


def wait_until_healthy(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            with urlopen(f"{address}/health", timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(f"no tracking server in {START_SECONDS} s: {log.read_text()[-2000:]}")
