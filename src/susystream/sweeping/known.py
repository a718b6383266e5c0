"""What every process of a sweep knows of it.

In: an open sweep, in the process that was started. Out: the same in all processes below it,
whatever starts them: it is inherited with the environment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from susystream.processors import processors
from susystream.stages.pruning import Study

_VARIABLE = "SUSYSTREAM_SWEEP"
_THREADS = "TF_NUM_INTRAOP_THREADS"


class Ended(BaseException):
    """Ends a sweep at once.

    Hydra turns every Exception of a callback into a warning and goes on, and keeps every one of a
    trial until all trials have run; not this one. It holds what crosses from process to process.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True)
class Known:
    """A sweep, as its processes see it.

    Attributes:
        run_id: Its run.
        identity: Of what all trials share.
        swept: The settings they differ in.
        jobs: How many run at once.
        study: The search that asks for them, if there is one.
        exact: Ids of what trials name, such as `dataset:latest`: the same for all of them.
    """

    run_id: str
    identity: str
    swept: tuple[str, ...]
    jobs: int = 1
    study: Study | None = None
    exact: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def told(known: Known) -> Iterator[None]:
    """All processes started in this block know the sweep."""
    _tell(known)
    if known.jobs > 1:  # each as many threads as there are processors would slow all of them
        os.environ.setdefault(_THREADS, str(max(1, processors() // known.jobs)))
    try:
        yield
    finally:
        os.environ.pop(_VARIABLE, None)


def known_sweep() -> Known:
    """The sweep that this process belongs to."""
    found = json.loads(os.environ[_VARIABLE])
    study = Study(**found["study"]) if found["study"] else None
    return Known(**{**found, "swept": tuple(found["swept"]), "study": study})


def remember_study(study: Study) -> None:
    """Tells which study may prune the trials; before the first one is launched."""
    _tell(replace(known_sweep(), study=study))


def jobs_of(hydra: Any) -> int:
    """How many trials run at once, by the launcher's settings."""
    wanted = int(hydra.launcher.get("n_jobs", 1) or 1)
    return wanted if wanted > 0 else max(1, processors() + 1 + wanted)


def _tell(known: Known) -> None:
    os.environ[_VARIABLE] = json.dumps(asdict(known))
