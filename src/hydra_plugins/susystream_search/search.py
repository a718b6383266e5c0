"""A Hydra sweeper that asks Optuna for each trial.

In: overrides as typed; `interval(a,b)`, `range(a,b)`, `choice(a,b)` and `a,b` span the space. Out:
trials, run by whichever launcher is chosen. The study is kept, so that a search that was killed
goes on: what finished is taken over, what was cut off or failed is asked for again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, Transformer
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig

from susystream.errors import SettingsError
from susystream.stages.pruning import Study
from susystream.sweeping.known import jobs_of, known_sweep, remember_study
from susystream.sweeping.space import settings_below

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

_SAMPLERS = ("tpe", "random")
_PRUNERS = ("median", "hyperband", "none")


class SearchSweeper(Sweeper):
    """Asks for as many trials at once as the launcher runs, and tells what became of them.

    Args:
        sampler: `tpe` (tree-structured Parzen estimator) or `random`.
        pruner: `median`, `hyperband` or `none`.
        trials: How many there are in all, those of an earlier command included.
        params: The space, by setting, where it is not typed.
    """

    def __init__(
        self, sampler: str, pruner: str, trials: int, params: Mapping[str, Any] | None = None
    ) -> None:
        self._sampler, self._pruner, self._trials = sampler, pruner, trials
        self._params = params or {}
        self._objective: Any = None
        self.config: Any = None  # Hydra's base declares it as maybe None

    def setup(self, *, hydra_context: Any, task_function: Any, config: DictConfig) -> None:
        """Called by Hydra before `sweep`."""
        self.config = config
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Runs what is left of the trials."""
        self._check()
        typed = [f"{name}={value}" for name, value in self._params.items()] + arguments
        space, fixed = split(OverridesParser.create().parse_overrides(typed))
        path, name = self._place(space, fixed)
        study = self._study(path, name)
        remember_study(Study(str(path), name, self._pruner))
        self._take_over(study, fixed)
        while left := self._trials - len(_done(study)):
            asked = [study.ask(space) for _ in range(min(left, jobs_of(self.config.hydra)))]
            self._run(study, asked, fixed)
            if len(_tried(study)) >= 2 * self._trials:  # who always fails is not asked for ever
                return

    def _check(self) -> None:
        """Finds what to search by.

        Raises:
            SettingsError: There is nothing, or the sweeper's settings are wrong.
        """
        from susystream.stages.objective import objective_of

        if self._sampler not in _SAMPLERS or self._pruner not in _PRUNERS or self._trials < 1:
            raise SettingsError(
                f"expected hydra.sweeper with a sampler of {', '.join(_SAMPLERS)}, a pruner of "
                f"{', '.join(_PRUNERS)} and trials of at least 1, received {self._sampler}, "
                f"{self._pruner} and {self._trials}; correct it"
            )
        self._objective = objective_of(settings_below(self.config))
        if self._objective.name is None:
            raise SettingsError(
                "setting sweep.metric: expected a figure to search by, received none; name one"
            )

    def _run(self, study: optuna.Study, asked: Sequence[Any], fixed: Sequence[str]) -> None:
        """Launches trials and tells the study; their outcomes lie beside their results."""
        from optuna.trial import TrialState

        told = {"finished": TrialState.COMPLETE, "reused": TrialState.COMPLETE}
        told |= {"pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        self._launch(asked, fixed)
        for trial in asked:
            state, value = self._outcome(trial.number)
            lost = value is None or value != value
            end = TrialState.FAIL if lost and state != "pruned" else told[state]
            study.tell(trial.number, value if end == TrialState.COMPLETE else None, state=end)

    def _launch(self, asked: Sequence[Any], fixed: Sequence[str]) -> None:
        overrides = [[*_typed(trial.params), *fixed] for trial in asked]
        self._launcher.launch(overrides, initial_job_idx=asked[0].number)

    def _outcome(self, number: int) -> tuple[str, float | None]:
        path = Path(self.config.hydra.sweep.dir, str(number), "trial.json")
        found = json.loads(path.read_text(encoding="utf-8"))
        return str(found["state"]), found["objective"]

    def _take_over(self, study: optuna.Study, fixed: Sequence[str]) -> None:
        """Launches what finished in an earlier command, to be looked up, and asks for the rest."""
        from optuna.trial import TrialState

        for trial in study.get_trials(deepcopy=False):
            if trial.state == TrialState.RUNNING:
                study.tell(trial.number, state=TrialState.FAIL)
        done = _done(study)
        for trial in done:
            self._launch([trial], fixed)
        known = [one.params for one in done]
        for trial in _tried(study):
            if trial.params not in known:
                known.append(trial.params)
                study.enqueue_trial(trial.params)

    def _place(self, space: Mapping[str, Any], fixed: Sequence[str]) -> tuple[Path, str]:
        """The file of the study and its name: the same search, the same study."""
        chosen = [asdict(self._objective), self._sampler, self._pruner]
        form = {name: repr(one) for name, one in space.items()}
        text = json.dumps([chosen, form, known_sweep().identity, list(fixed)])
        folder = Path(self.config.home, "sweeps").resolve()
        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:16]
        return folder / f"{name}.journal", name

    def _study(self, path: Path, name: str) -> optuna.Study:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(path))),
            study_name=name,
            direction="maximize" if self._objective.maximize else "minimize",
            load_if_exists=True,
        )
        seed = int(self.config.seed) + len(study.get_trials(deepcopy=False))
        study.sampler = (
            optuna.samplers.TPESampler(seed=seed, constant_liar=True)
            if self._sampler == "tpe"
            else optuna.samplers.RandomSampler(seed=seed)
        )
        return study


def split(overrides: Sequence[Override]) -> tuple[dict[str, BaseDistribution], list[str]]:
    """The space by setting, and the overrides that are the same for all trials."""
    space: dict[str, BaseDistribution] = {}
    fixed: list[str] = []
    for one in overrides:
        if one.is_sweep_override():
            space[one.get_key_element()] = _distribution(one)
        else:
            fixed.append(str(one.input_line))
    return space, fixed


def _distribution(override: Override) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    value: Any = override.value()
    if not isinstance(value, IntervalSweep):
        choices: list[Any] = list(override.sweep_iterator(Transformer.encode))
        return CategoricalDistribution(choices)
    ends: tuple[Any, Any] = (value.start, value.end)
    log = "log" in value.tags
    if "int" in value.tags or all(isinstance(end, int) for end in ends):
        return IntDistribution(int(ends[0]), int(ends[1]), log=log)
    return FloatDistribution(float(ends[0]), float(ends[1]), log=log)


def _typed(params: Mapping[str, Any]) -> Iterator[str]:
    return (f"{name}={value}" for name, value in params.items())


def _done(study: optuna.Study) -> list[Any]:
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _tried(study: optuna.Study) -> list[Any]:
    from optuna.trial import TrialState

    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    return study.get_trials(deepcopy=False, states=states)
