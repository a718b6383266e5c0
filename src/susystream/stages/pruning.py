"""Ends trials early that promise little, as Optuna's pruners judge.

In: the study that asked for a trial, and the figures of each epoch. Out: `TrialPruned`, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susystream.errors import TrialPruned
from susystream.stages.objective import Objective

if TYPE_CHECKING:
    import optuna


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

    def open(self) -> optuna.Study:
        """The study, with its pruner."""
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = JournalStorage(JournalFileBackend(self.path))
        return optuna.load_study(study_name=self.name, storage=storage, pruner=self._pruner())

    def _pruner(self) -> optuna.pruners.BasePruner:
        import optuna

        match self.pruner:
            case "median":
                return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1)
            case "hyperband":
                return optuna.pruners.HyperbandPruner()
        return optuna.pruners.NopPruner()


def pruning(
    study: Study | None, number: int, objective: Objective
) -> Callable[[int, Mapping[str, float]], None]:
    """What to call after each epoch of trial `number`; does nothing where nothing can be pruned."""
    if study is None or study.pruner == "none" or not objective.known_by_epoch:
        return lambda epoch, figures: None
    import optuna

    opened = study.open()
    trial_id = opened._storage.get_trial_id_from_study_id_trial_number(opened._study_id, number)
    trial = optuna.trial.Trial(opened, trial_id)

    def judge(epoch: int, figures: Mapping[str, float]) -> None:
        value = objective.of(figures)
        if value is None:
            return
        trial.report(value, epoch)
        if trial.should_prune():
            raise TrialPruned(value, epoch=epoch + 1)

    return judge
