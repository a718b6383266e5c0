"""A Hydra sweeper that asks Optuna for each trial.

In: overrides as typed; `interval(a,b)`, `range(a,b)`, `choice(a,b)` and `a,b` span the space. Out:
trials, run by whichever launcher is chosen. Each command has a study of its own; what earlier
commands of the same search asked for is asked for first, in the order of how far it came, so that
what finished is looked up and what was cut off or failed is done again. A study keeps no secret: a
value that holds one is known there by its number among those that are typed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import IntervalSweep, Override, Transformer
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig, OmegaConf

from susystream.errors import SettingsError
from susystream.file_lock import file_lock
from susystream.stages.outcome import Outcome, outcomes
from susystream.stages.pruning import Study, journal
from susystream.sweeping.given import name_of, overrides_of
from susystream.sweeping.known import jobs_of, known_sweep, remember_study
from susystream.sweeping.shown import kept_as
from susystream.sweeping.space import first_trial

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

_RUN = "run_id"  # at each trial of a study
_HOW_FAR = ("COMPLETE", "PRUNED", "RUNNING", "FAIL", "WAITING")


class SearchSweeper(Sweeper):
    """Asks for as many trials at once as the launcher runs, and tells what became of them.

    Args:
        sampler: `tpe` (tree-structured Parzen estimator) or `random`.
        pruner: `median`, `hyperband` or `none`.
        trials: How many there are in all, those of earlier commands included.
        params: The space, by setting, where it is not typed; read with what is typed.
    """

    def __init__(
        self, sampler: str, pruner: str, trials: int, params: Mapping[str, Any] | None = None
    ) -> None:
        self._sampler, self._pruner, self._trials = sampler, pruner, trials
        self._objective: Any = None
        self._curves: dict[str, dict[int, float]] = {}
        self._typed: dict[str, dict[Any, Any]] = {}
        self.config: Any = None  # Hydra's base declares it as maybe None

    def setup(self, *, hydra_context: Any, task_function: Any, config: DictConfig) -> None:
        """Called by Hydra before `sweep`."""
        self.config = config
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Runs what is left of the trials.

        Raises:
            SettingsError: Another command is at this search.
        """
        from susystream.stages.objective import objective_of

        self._objective = objective_of(first_trial(self.config))
        given = overrides_of(self.config.hydra)
        space, fixed = split(given, self.config)
        self._typed = typed_for(given)
        path = self._journal_of(space, fixed)
        with file_lock(path.with_suffix(".search"), deadline_seconds=0, late=_taken):
            study = self._study(path)
            while count := self._asked(study):
                self._run(study, [study.ask(space) for _ in range(count)], fixed)

    def _asked(self, study: optuna.Study) -> int:
        """How many trials to ask for now; who always fails is not asked for ever."""
        states = [one.state.name for one in study.get_trials(deepcopy=False)]
        done = states.count("COMPLETE") + states.count("PRUNED")
        left = min(self._trials - done, 2 * self._trials - done - states.count("FAIL"))
        return max(0, min(left, jobs_of(self.config.hydra)))

    def _run(self, study: optuna.Study, asked: Sequence[Any], fixed: Sequence[str]) -> None:
        """Launches trials and tells the study what became of them."""
        for trial, found in zip(asked, self._launch(asked, fixed), strict=True):
            tell(study, trial, found, self._curves)

    def _launch(self, asked: Sequence[Any], fixed: Sequence[str]) -> list[Outcome]:
        """Outcomes lie beside the trials' results."""
        overrides = [[*_words(trial.params, self._typed), *fixed] for trial in asked]
        for one in self._launcher.launch(overrides, initial_job_idx=asked[0].number):
            _ = one.return_value  # raises what no trial expects
        folder, sweep = Path(self.config.hydra.sweep.dir), known_sweep().run_id
        found = {one.number: one for one in outcomes(folder, parent_run_id=sweep)}
        return [found[trial.number] for trial in asked]

    def _journal_of(self, space: Mapping[str, Any], fixed: Sequence[str]) -> Path:
        """The file of all studies of this search: the same search, the same file."""
        chosen = [asdict(self._objective), self._sampler, self._pruner]
        form = {name: repr(one) for name, one in space.items()}
        text = json.dumps([chosen, form, known_sweep().identity, list(fixed)])
        folder = Path(self.config.home, "sweeps").resolve()
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.journal"

    def _study(self, path: Path) -> optuna.Study:
        """A new one, which asks for what earlier ones asked for, unless that is not wanted."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        studies = _studies(path)
        former = _asked_before(studies)[: self._trials] if self.config.sweep.resume else []
        self._curves = curves(studies)
        name = f"{path.stem}-{len(studies)}"  # hyperband judges by it too
        study = optuna.create_study(
            storage=journal(path),
            study_name=name,
            direction="maximize" if self._objective.maximize else "minimize",
        )
        for one in former:
            study.enqueue_trial(one.params)
        seed = int(self.config.seed) + len(former)
        study.sampler = (
            optuna.samplers.TPESampler(seed=seed, constant_liar=True)
            if self._sampler == "tpe"
            else optuna.samplers.RandomSampler(seed=seed)
        )
        remember_study(Study(str(path), name, self._pruner))
        return study


def _taken(_known: str) -> SettingsError:
    return SettingsError(
        "expected a search that no other command is at, received one that another command runs; "
        "wait for its end, or search with another seed"
    )


def _studies(path: Path) -> list[optuna.Study]:
    """All of a journal, the oldest first."""
    import optuna

    storage = journal(path)
    names = optuna.get_all_study_names(storage)
    return [optuna.load_study(study_name=name, storage=storage) for name in names]


def _asked_before(studies: Sequence[optuna.Study]) -> list[optuna.trial.FrozenTrial]:
    """Each point of all studies once, those that came furthest first."""
    trials = [trial for one in studies for trial in one.get_trials(deepcopy=False)]
    found: dict[str, optuna.trial.FrozenTrial] = {}
    for trial in sorted(trials, key=lambda one: _HOW_FAR.index(one.state.name)):
        if trial.params:  # one that waits has none yet, and is that of an earlier study
            found.setdefault(_point(trial.params), trial)
    return list(found.values())


def tell(
    study: optuna.Study,
    trial: optuna.Trial,
    found: Outcome,
    known: Mapping[str, Mapping[int, float]],
) -> None:
    """Tells a study what became of a trial, and whose figures it has.

    Args:
        study: That asked for the trial.
        trial: As it was asked for; its own process may have reported figures since.
        found: What became of it.
        known: The `curves` of former runs: by them others are judged, where one was looked up.
    """
    from optuna.trial import TrialState

    ends = {"finished": TrialState.COMPLETE, "reused": TrialState.COMPLETE}
    ends |= {"pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    for step, figure in known.get(found.run_id or "", {}).items():
        trial.report(figure, step)
    trial.set_user_attr(_RUN, found.run_id)
    value = found.objective
    lost = value is None or value != value
    end = TrialState.FAIL if lost and found.state != "pruned" else ends[found.state]
    study.tell(trial.number, value if end == TrialState.COMPLETE else None, state=end)


def curves(studies: Sequence[optuna.Study]) -> dict[str, dict[int, float]]:
    """What was reported of each run whose end was told, by step."""
    trials = [trial for one in studies for trial in one.get_trials(deepcopy=False)]
    return {
        str(one.user_attrs[_RUN]): one.intermediate_values
        for one in trials
        if one.user_attrs.get(_RUN) and one.intermediate_values
    }


def _point(params: Mapping[str, Any]) -> str:
    return json.dumps(dict(params), sort_keys=True)


def split(
    overrides: Sequence[Override], config: DictConfig
) -> tuple[dict[str, BaseDistribution], list[str]]:
    """The space by setting, and the overrides that are the same for all trials.

    Hydra gives the ends of an interval as floats; of a setting whose value is a whole number, so
    are all that are asked for.
    """
    space: dict[str, BaseDistribution] = {}
    fixed: list[str] = []
    for one in overrides:
        if one.is_sweep_override():
            key = one.get_key_element()
            whole = isinstance(OmegaConf.select(config, key.lstrip("+")), int)
            space[key] = _distribution(one, whole=whole)
        else:
            fixed.append(str(one.input_line))
    return space, fixed


def _distribution(override: Override, *, whole: bool) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    value: Any = override.value()
    if not isinstance(value, IntervalSweep):
        return CategoricalDistribution(kept_as(name_of(override), _choices(override)))
    ends: tuple[Any, Any] = (value.start, value.end)
    log = "log" in value.tags
    if whole or "int" in value.tags or all(isinstance(end, int) for end in ends):
        return IntDistribution(int(ends[0]), int(ends[1]), log=log)
    return FloatDistribution(float(ends[0]), float(ends[1]), log=log)


def _choices(override: Override) -> list[Any]:
    return [*override.sweep_iterator(Transformer.encode)]


def typed_for(overrides: Sequence[Override]) -> dict[str, dict[Any, Any]]:
    """By setting, what was typed for each value that a study keeps otherwise."""
    found: dict[str, dict[Any, Any]] = {}
    for one in overrides:
        if one.is_sweep_override() and not isinstance(one.value(), IntervalSweep):
            typed = _choices(one)
            kept = kept_as(name_of(one), typed)
            if kept != typed:
                found[one.get_key_element()] = dict(zip(kept, typed, strict=True))
    return found


def _words(params: Mapping[str, Any], typed: Mapping[str, Mapping[Any, Any]]) -> Iterator[str]:
    for name, value in params.items():
        yield f"{name}={typed[name][value] if name in typed else value}"
