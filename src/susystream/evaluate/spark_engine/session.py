"""A session of Spark: what it is told, how it is opened and closed.

In: the address of a master, options, a driver. Out: a `SparkSession`.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from susystream.errors import EvaluationError
from susystream.evaluate.spark_engine.process import DriverProcess, is_local, variables_set

_PYTHON = "spark.pyspark.python"
_CONNECT_SECONDS = 5.0


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


def open_session(settings: Mapping[str, str], process: DriverProcess) -> Any:
    """Starts a driver and connects."""
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    conf = SparkConf(loadDefaults=False).setAll(list(settings.items()))
    # a driver in Python looks nowhere else for the workers' Python
    python = {"PYSPARK_PYTHON": settings[_PYTHON]} if _PYTHON in settings else {}
    with variables_set(**python):
        context = SparkContext(gateway=process.start(settings), conf=conf)
    # it would print a traceback when the driver is ended
    context._accumulatorServer.handle_error = lambda request, client: None
    return SparkSession(context)


def close_session(session: Any) -> None:
    """Stops the session; its driver is still there."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    session.stop()
    gateway.shutdown()


def forget_session() -> None:
    """Lets a later session start a driver of its own, when this one has ended."""
    from pyspark import SparkContext

    SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
