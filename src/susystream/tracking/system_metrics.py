"""CPU, memory, disk and network of the machine while a run is open.

In: a run. Out: `system/...` metrics, one point a second, of a long run fewer; never an error, never
a wait without end. MLflow measures; its own thread is not used, for it ends at the first request
that fails, and would fill a database in a run of days.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from susystream.tracking.tracked_run import TrackedRun

_SAMPLE_SECONDS = 1.0
_POINTS = 300  # of a time that lasts as long as all before it: some 2,000 points in a day
_STOP_SECONDS = 5.0
_log = logging.getLogger(__name__)


@contextmanager
def sampled(run: TrackedRun, *, uri: str) -> Iterator[None]:
    """Samples until the block ends; a run is worth more than its samples, so nothing is raised."""
    stop = threading.Event()
    thread = threading.Thread(target=_sample, args=[run, uri, stop], daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_STOP_SECONDS)  # it may wait for a server


def spacing(elapsed: float, least: float = _SAMPLE_SECONDS) -> float:
    """Seconds from one point to the next, so long after the start.

    Example:
        >>> spacing(60.0), spacing(3600.0)
        (1.0, 12.0)
    """
    return max(least, elapsed / _POINTS)


def _sample(run: TrackedRun, uri: str, stop: threading.Event) -> None:
    try:
        monitor, began, step = _monitor(run, uri), time.monotonic(), 0
        while not stop.is_set():
            seconds = spacing(time.monotonic() - began, monitor.sampling_interval)
            run.log_metrics(_measured(monitor, stop, seconds), step=step, beside=True)
            step += 1
    except Exception as error:
        _log.warning("no more system metrics for this run: %s", error)


def _monitor(run: TrackedRun, uri: str) -> Any:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    return SystemMetricsMonitor(  # type: ignore[no-untyped-call]
        run.run_id, sampling_interval=_SAMPLE_SECONDS, tracking_uri=uri
    )


def _measured(monitor: Any, stop: threading.Event, seconds: float) -> dict[str, float]:
    """What was used since the last time, once the time is over or the run ends."""
    monitor.collect_metrics()
    stop.wait(seconds)
    found: dict[str, float] = {}
    for one in monitor.monitors:
        found |= {f"system/{name}": value for name, value in one.aggregate_metrics().items()}
        one.clear_metrics()
    return found
