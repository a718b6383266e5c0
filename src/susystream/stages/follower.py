"""What follows a topic: the chain as far as it came, what comes next, and one step of it.

In: the store, the broker. Out: models with their figures; curves over the data sets in MLflow.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial

from susystream.errors import (
    BrokerUnavailable,
    RegistryError,
    SettingsError,
    StreamError,
    StreamStalled,
)
from susystream.model.training import forget_networks
from susystream.registry.document import DatasetRecord, ModelSummary
from susystream.settings.data import FileSet
from susystream.stages import chain_figures, forgetting
from susystream.stages.already_there import check_there
from susystream.stages.chain import chain_of, next_dataset
from susystream.stages.context import StageContext
from susystream.stages.fixed_test import KEY, NAME, check_same, fixed_test, is_test_set, to_learn
from susystream.stages.learned import Learned, learned_by
from susystream.stages.recording import trained_by
from susystream.stages.result import StageResult
from susystream.stages.testsets import NamedSet
from susystream.stages.train import train
from susystream.stream.topics import cluster_id
from susystream.tracking.tracker import TrackedRun


class Follower:
    """A chain of models, and what this command adds to it.

    Args:
        context: Settings and connections.
        run: Its metrics get a step for each data set of the chain, those of former commands too.
        name: Of the chain.

    Attributes:
        steps: The trainings of this command.
    """

    def __init__(self, context: StageContext, run: TrackedRun, name: str) -> None:
        self.name, self.steps = name, list[StageResult]()
        self._context, self._run = context, run
        self._cluster, self._started = cluster_id(context.kafka), time.monotonic()
        self._models, self._figures = list[ModelSummary](), list[dict[str, float]]()
        self._learned, self._passed = list[Learned](), dict[str, str]()
        self._tested, self._parent_id = False, self._chosen_parent()

    def catch_up(self) -> None:
        """Takes the chain from the store; models without figures, as after a kill, get them.

        Raises:
            RegistryError: Its models do not follow each other one by one, or one that they come
                from is not in the store.
            SettingsError: The test set is not that of the chain, or `train.parent` is not.
        """
        context, before = self._context, [one.model_id for one in self._models]
        stored = context.store.list_models()
        self._models = chain_of(stored, self.name)
        if [one.model_id for one in self._models[: len(before)]] != before:
            raise RegistryError(
                f"expected chain {self.name} to go on from {before[-1]}, received a store without "
                "some of its models; run the command again"
            )
        self._check_parent()
        ends = [one for one in stored if one.model_id == self._last_id()]
        self._learned = learned_by(context, ends, whole=True)
        known = len(self._figures)
        for model in self._models[known:]:
            self._figures.append(chain_figures.known_figures(model) or self._judge(model))
            self._log(model)
        if len(self._figures) > known:
            picture = partial(chain_figures.picture, self._figures)
            self._run.log_figure("plots/forgetting.png", picture)

    def check_test(self) -> None:
        """The test set, as it is told at the start and not when the next data set comes.

        Raises:
            SettingsError: It is not that of the chain, or holds no events.
            DataError: Its file is not there, or of another form.
        """
        given = self._context.settings.train.following.given
        if not self._models and given is None:
            return
        test = fixed_test(self._context, self._models, self._learned)
        if isinstance(given, FileSet):
            with closing(test.source.batches()) as batches:  # type: ignore[type-var]  # generators
                if next(batches, None) is None:
                    raise SettingsError(
                        "expected events in train.following.test, received none; name another file"
                    )

    def next(self) -> DatasetRecord | None:
        """The next data set to learn from, if there is one.

        Raises:
            StreamError: The topic does not hold it any more.
            SettingsError: It holds events of the test set.
        """
        if self._picked() is None:
            return None
        self.catch_up()  # a command elsewhere may have gone on meanwhile
        record = self._picked()
        if record is not None:
            with _told_how_to_leave_it_out():
                check_there(self._context, record)
            lesson = to_learn(self.name, record)
            fixed_test(self._context, self._models, [*self._learned, lesson])
        return record

    def step(self, record: DatasetRecord) -> None:
        """Trains on a data set from the last model, and judges the new one."""
        chosen = {"dataset": record.dataset_id, "parent": self._last_id(), "follow": False}
        with self._context.for_a_step(train=chosen) as context:
            self.steps.append(train(context, parent_run_id=self._run.run_id, chain=self.name))
        self.catch_up()
        forget_networks()  # a chain may be long

    def result(self) -> StageResult:
        """What this command did so far."""
        ids = [model_id for one in self.steps for model_id in one.model_ids]
        figures = {model.model_id: one for model, one in self._judged() if model.model_id in ids}
        last = self._figures[-1] if self.steps and self._figures else {}
        return StageResult(
            "follow",
            self._run.run_id,
            sum(one.rows for one in self.steps),
            time.monotonic() - self._started,
            model_ids=tuple(ids),
            dataset_ids=tuple(one for step in self.steps for one in step.dataset_ids),
            inputs={"chain": self.name, "models": [one.model_id for one in self._models]},
            metrics=last,
            models={name: {"metrics": one} for name, one in figures.items()},
            objective=last.get(chain_figures.TEST_AUC),
        )

    def table(self) -> list[tuple[str, ...]]:
        """A row for each data set of the chain: its number and the figures after it."""
        begin = chain_figures.point_0(self._figures[0]) if self._figures else {}
        parent = self._models[0].training.parent_model_id if begin else None
        before = [(f"0 {parent}", *chain_figures.cells(begin))] if begin else []
        return before + [
            (f"{number} {model.training.dataset_id}", *chain_figures.cells(figures))
            for number, (model, figures) in enumerate(self._judged(), start=1)
        ]

    def _judged(self) -> Iterable[tuple[ModelSummary, dict[str, float]]]:
        """Models with figures: a stop may have come before the last of them had any."""
        return zip(self._models, self._figures, strict=False)

    def _last_id(self) -> str | None:
        """The chain's last model; of an empty chain the one it is to start from."""
        return self._models[-1].model_id if self._models else self._parent_id

    def _chosen_parent(self) -> str | None:
        """What `train.parent` names now: later it may name another."""
        selector = self._context.settings.train.parent
        return None if selector is None else self._context.store.model_id_of(selector)

    def _check_parent(self) -> None:
        """A chain begins once; `latest` may name a model of its own when it is gone on with."""
        if self._parent_id is None or not self._models:
            return
        began = self._models[0].training.parent_model_id
        if self._parent_id not in {began, *(one.model_id for one in self._models)}:
            raise SettingsError(
                f"expected chain {self.name} to go on, which began from {began or 'no model'}, "
                f"received train.parent={self._parent_id}; leave train.parent out, or begin "
                "another train.following.chain"
            )

    def _picked(self) -> DatasetRecord | None:
        known = set(self._passed)
        while True:
            record = next_dataset(self._context, self._cluster, self._learned, self._passed)
            if record is None or not is_test_set(self._context, record):
                break
            self._passed[record.dataset_id] = "the test set"
        for dataset_id, why in self._passed.items():
            if dataset_id not in known:
                self._context.note(f"{dataset_id} left out: {why}")
        return record

    def _judge(self, model: ModelSummary) -> dict[str, float]:
        """Figures of a model, into its document, which says last that it has them."""
        context = self._context
        document = context.store.load_model(model.model_id)
        test = fixed_test(context, self._models, self._learned)
        figures, identity = forgetting.figures_on(
            context, document, test, first=self._models[0], before=self._before(test)
        )
        check_same(self._models[0], "digest", identity["digest"])
        whose = trained_by(model.model_id)  # what it does not take ends nothing
        context.tracker.add_metrics(document.mlflow.run_id, figures, whose=whose)
        context.store.add_metrics(model.model_id, figures, test_sets={KEY: identity})
        if not self._tested:
            self._run.log_dataset(NAME, identity, context="evaluation")
            self._tested = True
        return figures

    def _before(self, test: NamedSet) -> list[dict[str, float]]:
        """Figures to compare with: the chain's own, and first those of what it began from."""
        parent = self._models[0].training.parent_model_id
        if self._figures or parent is None:
            return self._figures
        document = self._context.store.load_model(parent)
        return [forgetting.of_parent(self._context, document, test)]

    def _log(self, model: ModelSummary) -> None:
        number, figures = len(self._figures), self._figures[-1]
        if number == 1:
            self._run.log_metrics(chain_figures.point_0(figures), step=0)
        self._run.log_metrics(figures, step=number)
        self._run.set_tags({"model_id": model.model_id})
        self._context.note(f"data set {number}: {chain_figures.line(figures)}")


@contextmanager
def _told_how_to_leave_it_out() -> Iterator[None]:
    """A data set that is gone would hold up the chain for ever."""
    try:
        yield
    except (BrokerUnavailable, StreamStalled):
        raise
    except StreamError as error:
        raise type(error)(
            f"{error}, or leave it out: train.following.since=<id of a later data set, or a time>"
        ) from error
