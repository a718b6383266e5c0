"""A data set that comes while a sweep runs: Hydra calls it between two trials."""

from __future__ import annotations

from typing import Any

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from registry.test_store import record

from susystream.registry.store import ModelStore


class LateDataSet(Callback):
    """Registers one of the trial's name, of events that are nowhere, when the trial has ended."""

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        with ModelStore(config.registry.uri, config.registry.database) as store:
            newest = record(name=config.data.name, created_at="2999-01-01T00:00:00.000+00:00")
            store.save_dataset(newest)
