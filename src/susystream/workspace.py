"""Everything a chain left behind, for notebooks and scripts: `Workspace`.

In: the environment variables and settings of the commands. Out: models, evaluations and
comparisons, as documents and Polars frames. Nothing is trained and nothing is recorded.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import polars as pl

from susystream.errors import NotFound, SettingsError
from susystream.evaluate.worker import refuse_to_run_the_script
from susystream.home_servers import HomeServers
from susystream.settings.engine import LocalEngine
from susystream.settings.engine import SparkEngine as SparkSettings
from susystream.settings.named_sets import SETS
from susystream.tables import polars_frame
from susystream.tracking.tracker import Tracker
from susystream.typed_names import replaced_by

if TYPE_CHECKING:
    from susystream.plots.style import Figure
    from susystream.registry.document import ModelDocument
    from susystream.stages.one_evaluation import Evaluation

__all__ = ["Workspace"]

_MASTER = "SUSYSTREAM_SPARK_MASTER"
_SUMMARY = {
    **dict.fromkeys(("model_id", "created_at", "name", "status", "run_id"), pl.String),
    **dict.fromkeys(("dataset_id", "parent_model_id"), pl.String),
    "validation/auc": pl.Float64,
}
Engine = Literal["local", "spark"]


class Workspace(HomeServers):
    """Models, test sets and servers of one home; they are the commands' own.

    Servers are found as by the commands: SUSYSTREAM_REGISTRY_URI, SUSYSTREAM_BOOTSTRAP_SERVERS,
    MLFLOW_TRACKING_URI and SUSYSTREAM_HOME, else the embedded ones, which stay until `close`, the
    end of a `with` block, or the end of this process. A home or database that is not in the
    current folder is looked for in those above, so that a notebook may lie anywhere in a project.
    Everything is opened on first use.

    Args:
        overrides: Settings as `susystream run` takes them: `home=/data`, `registry.uri=…`,
            `evaluate.bad_rows=skip`. Of `stream.security`, a notebook keeps what is typed, so that
            its secrets must come from the environment: `${oc.env:KAFKA_PASSWORD}`.

    Example:
        >>> with Workspace("home=/nowhere") as workspace:
        ...     workspace.home.as_posix()
        '/nowhere'
    """

    def models(self) -> pl.DataFrame:
        """All models, the newest first, a row for each."""
        from susystream.model_listing import summary_of_model

        rows = [summary_of_model(one) for one in self.store.list_models()]
        return pl.DataFrame(rows, schema=_SUMMARY)

    def model(self, selector: str = "latest") -> ModelDocument:
        """A model with its weights and its whole record, its digests proven.

        Wherever else a model is asked for, its selector will do as well.

        Args:
            selector: As `susystream.registry.store.ModelStore.load_model` takes it.

        Raises:
            NotFound: No model, or more than one; near ids are listed.
            SettingsError: The selector is no text.
        """
        return self.store.load_model(_selector(selector))

    def describe(self, model: ModelDocument | str) -> pl.DataFrame:
        """What a model is and where it comes from: columns `what` and `is`."""
        from susystream.stages.provenance import provenance

        model = self._document(model)
        try:
            record = self.store.load_dataset(model.training.dataset_id)
        except NotFound:
            record = None
        return pl.DataFrame(list(provenance(model, record).items()), ["what", "is"], orient="row")

    def verify(self, model: ModelDocument | str) -> dict[str, bool]:
        """What `susystream models verify` proves, of the model as it is stored now.

        Raises:
            NotFound: It is stored no more.
            DocumentInvalid: The model does not predict what was recorded when it was stored.
        """
        from susystream.stages.models import checks_of

        stored = self.store.load_model(_selector(model))  # which proves its digests
        tracker = Tracker(self.tracking_uri, stored.mlflow.experiment)
        return checks_of(stored, tracker.tags_of(stored.mlflow.run_id))

    def compare(self, *models: ModelDocument | str) -> pl.DataFrame:
        """What differs between models: settings, data, code and figures.

        Returns:
            Columns `part` and `name`, and one for each model.

        Raises:
            SettingsError: They are fewer than two.
        """
        from susystream.model_comparison import stored_comparison, tables_of

        found = stored_comparison(self.store, [_selector(one) for one in models])
        rows = [(part, *row) for part, rows in tables_of(found).items() for row in rows]
        return pl.DataFrame(rows, schema=["part", "name", *found.models], orient="row")

    def evaluate(
        self, model: ModelDocument | str, test_set: str | Path, *, engine: Engine | None = None
    ) -> Evaluation:
        """Scores and counts a test set, without a trace in store and tracking server.

        How, say the overrides of this workspace, as for `susystream run stage=evaluate`:
        `evaluate.scorer`, `precision`, `workers`, `bad_rows`, `batch_rows`.

        Args:
            model: The model.
            test_set: A file, a glob, `dataset:…`, `slice:…`, or `holdout` or another name that the
                model's own run knew. That is the set it was then, with the model's seed, unless an
                override names it (`evaluate.sets.toy_large.rows=…`) or the seed; its files are
                looked for in the current folder, then beside the home.
            engine: `local` reads by Polars and scores in this process. `spark` does so on the
                workers of `evaluate.engine.master`, of SUSYSTREAM_SPARK_MASTER, or of `local[*]`.
                None: that of the overrides, else `local`.

        Raises:
            SettingsError: There is no such set or engine, the engine cannot do what the overrides
                say, or the model has seen the events.
            DataError: The events cannot be read, or are others than they must be.
            ModelError: The model cannot be scored in the way that is set.
            EvaluationError: pyspark is not installed, Spark failed, or worker processes ended, as
                with `evaluate.workers=2` in a script without `if __name__ == "__main__":`.
            NotFound, ServiceError: As `store` and `bootstrap_servers`.
        """
        from susystream.stages.one_evaluation import evaluate_one, settings_for
        from susystream.stages.wanted_set import wanted_set

        refuse_to_run_the_script()
        if not isinstance(test_set, str | os.PathLike):
            raise SettingsError(
                f"expected a test set's name or file, received {type(test_set).__name__}; name one"
            )
        model, replaced = self._document(model), replaced_by(self._overrides, {})
        seed = self.settings.seed if ("seed",) in replaced else model.training.seed
        settings = settings_for(self.settings, self._engine(engine), seed=seed)
        _ = self.store  # with its guard: no server is started where there was none
        stated = {keys[2] for keys in replaced if len(keys) > 2 and keys[:2] == SETS}
        wanted = wanted_set(settings, model, os.fspath(test_set), stated=stated)
        if wanted.reads_the_stream:
            _ = self.bootstrap_servers
        return evaluate_one(self._context, settings, model, wanted)

    def score(self, model: ModelDocument | str, events: pl.DataFrame) -> pl.Series:
        """The probability of signal for each event.

        By `evaluate.scorer` and `evaluate.precision` of the overrides, in this process.

        Args:
            model: The model.
            events: The columns `susystream.schema.FEATURES`, among others; finite numbers.

        Returns:
            `score`, float64, in the order of the events.

        Raises:
            DataError: A column is missing, or a value is no finite number.
            ModelError: The model cannot be scored in the way that is set.
        """
        from susystream.data.frames import features_of
        from susystream.evaluate.metrics import sigmoid
        from susystream.stages.models import scorer_plan_of

        features, chosen = features_of(polars_frame(events)), self.settings.evaluate
        plan = scorer_plan_of(
            self._document(model), scorer=chosen.scorer, precision=chosen.precision
        )
        logits = plan.open().logits(features)
        return pl.Series("score", sigmoid(logits.astype(float)))

    def events(self, model: ModelDocument | str) -> pl.DataFrame:
        """The events of the data set that a model learned from, proven by count and digest.

        Of a broker with TLS or logins, by `stream.security` among the overrides.

        Returns:
            Columns `susystream.schema.COLUMNS`, in the order of the slice.

        Raises:
            NotFound: The data set is not known, or as `store`.
            ServiceError: As `bootstrap_servers`.
            StreamError: No broker or another cluster answers, the log no longer holds the events,
                or holds others.
        """
        from susystream.data.enlarge import frame_of
        from susystream.schema import LABEL
        from susystream.stages.recorded_events import slice_events

        record = self.store.load_dataset(self._document(model).training.dataset_id)
        _ = self.bootstrap_servers
        batches = slice_events(record.model_dump(), self._context.kafka)
        return pl.concat(
            [frame_of(one).with_columns(pl.Series(LABEL, one.labels)) for one in batches]
        )

    def features_figure(self, model: ModelDocument | str, events: pl.DataFrame) -> Figure:
        """The 18 features of events of a model's data set, simulated ones beside real ones.

        Raises:
            DataError: There is no event, a column is missing, or a row is none.
            NotFound: The model's data set is not known.
        """
        from susystream.data.frames import batch_of, events_of
        from susystream.stages.features_picture import picture_of

        batch = batch_of(events_of(polars_frame(events)), 0)
        record = self.store.load_dataset(self._document(model).training.dataset_id)
        return picture_of(record.name, batch, source=record.source)

    def _document(self, model: ModelDocument | str) -> ModelDocument:
        from susystream.registry.document import ModelDocument

        return model if isinstance(model, ModelDocument) else self.model(model)

    def _engine(self, name: Engine | None) -> LocalEngine | SparkSettings:
        chosen = self.settings.evaluate.engine
        if name in (None, chosen.name):
            return chosen
        if name not in get_args(Engine):
            raise SettingsError(f"expected engine local or spark, received {name!r}; name one")
        if name == "local":
            return LocalEngine()
        return SparkSettings(master=os.environ.get(_MASTER) or "local[*]")


def _selector(model: object) -> str:
    """Of a model, its id."""
    from susystream.registry.document import ModelDocument

    if isinstance(model, ModelDocument):
        return model.model_id
    if isinstance(model, str):
        return model
    raise SettingsError(
        f"expected a model or its selector (latest, an id, a time, …), received "
        f"{type(model).__name__}; models() lists those there are"
    )
