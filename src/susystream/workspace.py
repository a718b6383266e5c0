"""Everything a chain left behind, for notebooks and scripts: `Workspace`.

In: the environment variables and settings of the commands. Out: models, evaluations and
comparisons, as documents and Polars frames. Nothing is trained and nothing is recorded.
"""

from __future__ import annotations

import os
import weakref
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import polars as pl
import rich.console

from susystream.composition import composed_settings
from susystream.errors import NotFound, ServiceError, SettingsError, TrackingError
from susystream.settings import Settings, public_uri
from susystream.settings.engine import LocalEngine
from susystream.settings.engine import SparkEngine as SparkSettings
from susystream.stages.console import Console
from susystream.stages.context import StageContext
from susystream.tracking.address import sqlite_file
from susystream.tracking.contact import opened
from susystream.tracking.tracker import Tracker

if TYPE_CHECKING:
    from types import TracebackType

    from susystream.plots.style import Figure
    from susystream.registry.document import ModelDocument
    from susystream.registry.store import ModelStore
    from susystream.stages.one_evaluation import Evaluation

__all__ = ["Workspace"]

_FIRST = "run the chain first: susystream run experiment=quickstart"
_MASTER = "SUSYSTREAM_SPARK_MASTER"
_SUMMARY = {
    **dict.fromkeys(("model_id", "created_at", "name", "status", "run_id"), pl.String),
    **dict.fromkeys(("dataset_id", "parent_model_id"), pl.String),
    "validation/auc": pl.Float64,
}
Engine = Literal["local", "spark"]


class Workspace:
    """Models, test sets and servers of one home; they are the commands' own.

    Servers are found as by the commands: SUSYSTREAM_REGISTRY_URI, SUSYSTREAM_BOOTSTRAP_SERVERS,
    MLFLOW_TRACKING_URI and SUSYSTREAM_HOME, else the embedded ones, which stay until `close`, the
    end of a `with` block, or the end of this process. A home or database that is not in the
    current folder is looked for in those above, so that a notebook may lie anywhere in a project.
    Everything is opened on first use.

    Args:
        overrides: Settings as `susystream run` takes them: `home=/data`, `registry.uri=…`.

    Example:
        >>> with Workspace("home=/nowhere") as workspace:
        ...     workspace.home.as_posix()
        '/nowhere'
    """

    def __init__(self, *overrides: str) -> None:
        # before any TensorFlow is loaded: its start-up notices are not for a notebook
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        self._overrides = overrides
        self._stack = ExitStack()
        weakref.finalize(self, self._stack.close)  # at the end of the process at the latest

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the servers; what is used afterwards is opened again."""
        for name in ("_context", "tracking_uri"):
            self.__dict__.pop(name, None)
        self._stack.close()

    @cached_property
    def settings(self) -> Settings:
        """The checked settings."""
        found = composed_settings(self._overrides)
        uri = _database_here_or_above(found.tracking.uri)
        tracking = found.tracking.model_copy(update={"uri": uri})
        home = _here_or_above(found.home)
        return found.model_copy(update={"home": home, "tracking": tracking})

    @property
    def home(self) -> Path:
        """Where embedded servers, prepared data and test sets lie."""
        return self.settings.home

    @property
    def store(self) -> ModelStore:
        """The open model store.

        Raises:
            NotFound: There is neither an address nor a home.
            StoreUnavailable: No server answers at the address.
        """
        folder = self.home / "store"
        if self.settings.registry.uri is None and not folder.is_dir():
            raise NotFound(
                f"expected stored models in a folder {folder}, here or above, or at "
                f"SUSYSTREAM_REGISTRY_URI, received neither; {_FIRST}"
            )
        return self._context.store

    @cached_property
    def tracking_uri(self) -> str:
        """The address of a tracking server that answered, for `mlflow.set_tracking_uri`.

        Raises:
            TrackingError: None answers, or there is no such database.
        """
        tracking = self.settings.tracking
        file = sqlite_file(tracking.uri)
        if file is not None and not file.exists():
            raise TrackingError(
                f"expected runs at {public_uri(tracking.uri)}, received no such file; set "
                f"MLFLOW_TRACKING_URI, or {_FIRST}"
            )
        opened(tracking.uri, timeout_seconds=tracking.timeout_seconds)
        return tracking.uri

    @property
    def bootstrap_servers(self) -> str:
        """The address of the broker; the embedded one is started.

        Raises:
            ServiceError: There is none in the home, or it did not start.
        """
        given, data = self.settings.stream.bootstrap_servers, self.home / "kafka"
        if given is None and not data.is_dir():
            raise ServiceError(
                f"expected an embedded broker's data in {data}, received none; set "
                f"SUSYSTREAM_BOOTSTRAP_SERVERS, or {_FIRST}"
            )
        return self._context.kafka.bootstrap_servers

    def models(self) -> pl.DataFrame:
        """All models, the newest first, a row for each."""
        from susystream.model_listing import summary_of_model

        rows = [summary_of_model(one) for one in self.store.list_models()]
        return pl.DataFrame(rows, schema=_SUMMARY)

    def model(self, selector: str = "latest") -> ModelDocument:
        """A model with its weights and its whole record, its digests proven.

        Args:
            selector: As `susystream.registry.store.ModelStore.load_model` takes it.

        Raises:
            NotFound: No model, or more than one; near ids are listed.
        """
        return self.store.load_model(selector)

    def describe(self, model: ModelDocument) -> pl.DataFrame:
        """What a model is and where it comes from: columns `what` and `is`."""
        from susystream.stages.provenance import provenance

        try:
            record = self.store.load_dataset(model.training.dataset_id)
        except NotFound:
            record = None
        return pl.DataFrame(list(provenance(model, record).items()), ["what", "is"], orient="row")

    def verify(self, model: ModelDocument) -> dict[str, bool]:
        """What `susystream models verify` proves, of the model as it is stored now.

        Raises:
            NotFound: It is stored no more.
            DocumentInvalid: The model does not predict what was recorded when it was stored.
        """
        from susystream.stages.models import checks_of

        stored = self.store.load_model(model.model_id)  # which proves its digests
        tracker = Tracker(self.tracking_uri, stored.mlflow.experiment)
        return checks_of(stored, tracker.tags_of(stored.mlflow.run_id))

    def compare(self, *selectors: str) -> pl.DataFrame:
        """What differs between models: settings, data, code and figures.

        Returns:
            Columns `part` and `name`, and one for each model.

        Raises:
            SettingsError: They are fewer than two.
        """
        from susystream.model_comparison import stored_comparison, tables_of

        found = stored_comparison(self.store, selectors)
        rows = [(part, *row) for part, rows in tables_of(found).items() for row in rows]
        return pl.DataFrame(rows, schema=["part", "name", *found.models], orient="row")

    def evaluate(
        self, model: ModelDocument, test_set: str, *, engine: Engine = "local"
    ) -> Evaluation:
        """Scores and counts a test set, without a trace in store and tracking server.

        Args:
            model: The model.
            test_set: `holdout` or another name that the model's own run knew, a file, a glob,
                `dataset:…` or `slice:…`.
            engine: `local` reads by Polars and scores in this process. `spark` does so on the
                workers of `evaluate.engine.master`, of SUSYSTREAM_SPARK_MASTER, or of `local[2]`.

        Raises:
            SettingsError: There is no such set or engine, or the model has seen its events.
            DataError: Its events cannot be read, or are others than they must be.
            EvaluationError: pyspark is not installed, or Spark failed.
            NotFound, ServiceError: As `store` and `bootstrap_servers`.
        """
        from susystream.stages.one_evaluation import evaluate_one, reads_the_stream

        chosen = self._engine(engine)
        _ = self.store  # with its guard: no server is started where there was none
        if reads_the_stream(test_set):
            _ = self.bootstrap_servers
        return evaluate_one(self._context, model, test_set, engine=chosen)

    def score(self, model: ModelDocument, events: pl.DataFrame) -> pl.Series:
        """The probability of signal for each event.

        Args:
            model: The model.
            events: The columns `susystream.schema.FEATURES`, among others; finite numbers.

        Returns:
            `score`, float64, in the order of the events.

        Raises:
            DataError: A column is missing, or a value is no finite number.
        """
        from susystream.data.frames import features_of
        from susystream.evaluate.metrics import sigmoid
        from susystream.stages.models import scorer_plan_of

        logits = scorer_plan_of(model).open().logits(features_of(events))
        return pl.Series("score", sigmoid(logits.astype(float)))

    def features_figure(self, model: ModelDocument, events: pl.DataFrame) -> Figure:
        """The 18 features of events of a model's data set, simulated ones beside real ones.

        Raises:
            DataError: There is no event, a column is missing, or a row is none.
            NotFound: The model's data set is not known.
        """
        from susystream.data.frames import batch_of, events_of
        from susystream.stages.features_picture import picture_of

        record = self.store.load_dataset(model.training.dataset_id)
        return picture_of(record.name, batch_of(events_of(events), 0), source=record.source)

    @cached_property
    def _context(self) -> StageContext:
        lines = rich.console.Console(  # what it draws in a notebook needs another package
            force_terminal=False, force_jupyter=False, highlight=False, soft_wrap=True
        )
        console = Console(lines, every_seconds=30.0)  # they stay in a notebook
        return StageContext(self.settings, Path(), console, self._stack)

    def _engine(self, name: Engine) -> LocalEngine | SparkSettings:
        if name not in get_args(Engine):
            raise SettingsError(f"expected engine local or spark, received {name!r}; name one")
        chosen = self.settings.evaluate.engine
        if name == "local":
            return LocalEngine()
        known = isinstance(chosen, SparkSettings)
        return chosen if known else SparkSettings(master=os.environ.get(_MASTER) or "local[2]")


def _database_here_or_above(uri: str) -> str:
    """The address, with the file's place where it is a local database."""
    file = sqlite_file(uri)
    if file is None or (found := _here_or_above(file)) == file:
        return uri
    _, mark, query = uri.partition("?")
    return f"sqlite:///{found}{mark}{query}"


def _here_or_above(path: Path) -> Path:
    """The path in the current folder, or in the nearest folder above that has it."""
    places = [Path.cwd(), *Path.cwd().parents] if not path.is_absolute() else []
    return next((place / path for place in places if (place / path).exists()), path)
