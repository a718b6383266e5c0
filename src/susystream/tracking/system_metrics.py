"""CPU, memory, disk and network of the machine while a run is open.

In: a run. Out: `system/...` metrics, one point a second; never an error, never a wait without end.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SAMPLE_SECONDS = 1.0
_STOP_SECONDS = 5.0
_log = logging.getLogger(__name__)


@contextmanager
def sampled(run_id: str, *, uri: str) -> Iterator[None]:
    """Samples until the block ends; a run is worth more than its samples, so nothing is raised."""
    monitor = _started(run_id, uri)
    try:
        yield
    finally:
        if monitor is not None:
            # MLflow joins its thread without a deadline, and that thread may wait for a server
            ending = threading.Thread(target=_finish, args=(monitor,), daemon=True)
            ending.start()
            ending.join(_STOP_SECONDS)


def _started(run_id: str, uri: str) -> Any:
    try:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor: Any = SystemMetricsMonitor(  # type: ignore[no-untyped-call]
            run_id, sampling_interval=_SAMPLE_SECONDS, tracking_uri=uri
        )
        monitor.start()
    except Exception as error:
        _log.warning("no system metrics for this run: %s", error)
        return None
    return monitor


def _finish(monitor: Any) -> None:
    try:
        monitor.finish()
    except Exception as error:
        _log.warning("the last system metrics are lost: %s", error)
