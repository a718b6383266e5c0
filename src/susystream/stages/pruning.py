"""Ends trials early that promise little, as Optuna's pruners judge.

In: the study that asked for a trial, and the figures of each epoch. Out: `TrialPruned`, or nothing.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from susystream.errors import TrialPruned
from susystream.stages.objective import Objective

if TYPE_CHECKING:
    import optuna

_OTHERS = 4  # trials by which one is judged, at least


@dataclass(frozen=True, slots=True)
class Study:
    """Where a search remembers its trials.

    Attributes:
        path: A journal file, shared by all processes of the search.
        name: Of the study in it.
        pruner: `median`, `hyperband` or `none`.
    """

    path: str
    name: str
    pruner: str = "median"

    @property
    def search(self) -> str:
        """The search that it goes on with, each command by a study of its own."""
        return Path(self.path).stem

    def trial(self, number: int) -> optuna.Trial:
        """A trial of it that runs, in whichever process."""
        import optuna

        study, storage = self.open(), journal(Path(self.path))
        study_id = storage.get_study_id_from_name(self.name)
        trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, number)
        return optuna.Trial(study, trial_id)

    def last_reported(self, number: int) -> int:
        """The last step that an earlier process of a trial told, before it was killed; or -1."""
        steps = self.open().get_trials(deepcopy=False)[number].intermediate_values
        return max(steps, default=-1)

    def open(self) -> optuna.Study:
        """The study, with its pruner."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = journal(Path(self.path))
        return optuna.load_study(study_name=self.name, storage=storage, pruner=self._pruner())

    def _pruner(self) -> optuna.pruners.BasePruner:
        import optuna

        match self.pruner:
            case "median":
                # of trials that were looked up not all have curves: a few others judge none
                return optuna.pruners.MedianPruner(
                    n_startup_trials=_OTHERS, n_warmup_steps=1, n_min_trials=_OTHERS
                )
            case "hyperband":
                return optuna.pruners.HyperbandPruner()
        return optuna.pruners.NopPruner()


def journal(path: Path) -> optuna.storages.JournalStorage:
    """Optuna's storage in a file.

    Its own locks are files that a killed process leaves behind; ours ends with its process.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    class Lock(JournalFileOpenLock):
        def acquire(self) -> bool:
            self._file = path.with_suffix(".lock").open("a")
            fcntl.flock(self._file, fcntl.LOCK_EX)
            return True

        def release(self) -> None:
            self._file.close()

    path.touch(mode=0o600)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=Lock(str(path))))


def pruning(
    study: Study | None, number: int, objective: Objective
) -> Callable[[int, Mapping[str, float]], None]:
    """What to call after each epoch of trial `number`; does nothing where nothing can be pruned."""
    if study is None or study.pruner == "none" or not objective.known_by_epoch:
        return lambda epoch, figures: None
    trial, last = study.trial(number), study.last_reported(number)

    def judge(epoch: int, figures: Mapping[str, float]) -> None:
        value = objective.of(figures)
        if value is None or epoch < last:  # Optuna judges by the last step that it was told
            return
        if epoch > last:
            trial.report(value, epoch)
        if trial.should_prune():
            raise TrialPruned(value, epoch=epoch + 1)

    return judge
