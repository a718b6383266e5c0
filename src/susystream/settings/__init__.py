"""Every setting, typed and checked at the border.

In: the composed configuration as plain dictionaries. Out: `Settings`, or one line saying which
setting was wrong. One class is one group of `conf/`; an unknown key is an error, so nothing a
person sets is silently ignored, and nothing in a configuration is executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from susystream.disclosure import (
    SECRET_SECURITY,
    SHOWN_SECURITY,
    public_settings,
    public_value,
)
from susystream.disclosure import public_uri as public_uri  # other rooms take it from here
from susystream.errors import SettingsError
from susystream.schema import FEATURE_SETS, FEATURES
from susystream.settings.base import (
    Count,
    Fraction,
    Group,
    Name,
    OptionalText,
    Seconds,
)
from susystream.settings.data import (
    DataSettings,
    FileSet,
    SliceSet,
    TestSet,
    checked_input,
    given_set,
)
from susystream.settings.engine import EngineSettings, LocalEngine
from susystream.settings.score import ScoreSettings
from susystream.settings.sweep import SweepSettings
from susystream.settings.tracking import TrackingSettings
from susystream.settings.training import TrainSettings


class StageSettings(Group):
    """Which step of the chain to run."""

    name: Literal["prepare", "publish", "train", "evaluate", "score", "pipeline"]


class CodecSettings(Group):
    """How events become messages."""

    name: Literal["block", "csv"] = "block"
    events_per_message: Annotated[int, Field(gt=0, le=10_000)] = 1000


class ReaderSettings(Group):
    """Which client reads a slice."""

    name: Literal["kafka", "tfio"] = "kafka"
    stall_seconds: Seconds = 20.0


class StreamSettings(Group):
    """The broker and the topic. An empty address means the embedded broker.

    With `reuse`, events that a registered data set holds on the topic are not published again.
    So many messages that are no events are passed over (`max_bad`), each set aside.
    With `read_back`, what was published is read and compared before it is registered. It is off:
    the broker acknowledged each message with its offset (acks=all), an idempotent producer repeats
    and reorders none, checksums cover each batch, and training proves count and digest again.
    `compression` is that of the log; no reader need know it, and no data set depends on it.
    """

    bootstrap_servers: OptionalText = None
    topic: Name = "susy"
    partitions: Annotated[int, Field(gt=0, le=1000)] = 2
    timeout_seconds: Seconds = 10.0
    compression: Literal["none", "gzip", "lz4", "zstd"] = "none"
    read_back: bool = False
    reuse: bool = True
    max_bad: int = Field(0, ge=0)
    security: dict[str, str] = Field(default_factory=dict, repr=False)
    codec: CodecSettings = CodecSettings()
    reader: ReaderSettings = ReaderSettings()

    @field_validator("security", mode="before")
    @classmethod
    def _none_is_empty(cls, value: object) -> object:
        return {} if value is None else value

    @field_validator("security")
    @classmethod
    def _known_security(cls, value: dict[str, str]) -> dict[str, str]:
        known = (*SHOWN_SECURITY, *SECRET_SECURITY)
        if unknown := sorted(set(value) - set(known)):
            raise ValueError(f"expected names out of {', '.join(known)}, received {unknown}")
        return value


class ModelSettings(Group):
    """The network: `hidden` units a layer, each followed by its `dropout` rate."""

    name: Name = "report_mlp"
    features: str | tuple[str, ...] = "complete"
    hidden: tuple[Count, ...] = (128, 256, 128)
    dropout: tuple[Fraction, ...] = (0.2, 0.4, 0.4)
    activation: Literal["relu", "tanh", "elu", "gelu", "selu", "silu"] = "relu"

    @field_validator("features")
    @classmethod
    def _known_features(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        known = value in FEATURE_SETS if isinstance(value, str) else set(value) <= set(FEATURES)
        if not known or not value:
            raise ValueError(f"expected one of {list(FEATURE_SETS)} or a list of feature names")
        return value

    @model_validator(mode="after")
    def _one_rate_a_layer(self) -> ModelSettings:
        if len(self.dropout) != len(self.hidden):
            raise ValueError(
                f"expected one dropout rate a hidden layer ({len(self.hidden)}), "
                f"received {len(self.dropout)}"
            )
        return self

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns the network sees."""
        return FEATURE_SETS[self.features] if isinstance(self.features, str) else self.features


class RegistrySettings(Group):
    """The model store. An empty address means the embedded store."""

    uri: OptionalText = Field(None, repr=False)
    database: Name = "susystream"
    timeout_seconds: Seconds = 5.0


class EvaluateSettings(Group):
    """Which stored models are scored on which test sets.

    Attributes:
        models: Selectors: an id, its beginning, `latest`, `run:<id>`, `best:<metric>`, a time.
        input: What to evaluate on instead of `sets`: one file, all that match a glob, or events
            in Kafka (see `SliceSet`).
        sets: Named test sets.
        batch_rows: Rows read and counted at once.
        window_rows: Rows of a window: figures are tracked after each, and a killed evaluation
            goes on after the last finished one.
        engine: Who scores and counts.
        scorer: What computes the logits; `auto` is OpenVINO where it takes the network.
        precision: Of the products inside a network; bfloat16 needs OpenVINO and a processor.
        workers: Processes that read and score files; 1 is this process, with a thread for each
            processor.
        bad_rows: Whether a row that is no event stops the run, or is counted and shown.
        ensemble: Also scores the models together: by the mean of their logits or probabilities.
    """

    models: Annotated[tuple[str, ...], Field(min_length=1)] = ("latest",)
    input: OptionalText = None
    sets: dict[Name, TestSet] = Field(default_factory=dict)
    batch_rows: Annotated[int, Field(ge=256, le=4_194_304)] = 65_536
    window_rows: Annotated[int, Field(ge=1000, le=100_000_000)] = 1_000_000
    engine: EngineSettings = LocalEngine()
    scorer: Literal["auto", "openvino", "tensorflow"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    workers: Annotated[int, Field(ge=1, le=1024)] = 1
    bad_rows: Literal["stop", "skip"] = "stop"
    ensemble: Literal["logits", "probabilities"] | None = None

    @model_validator(mode="after")
    def _an_ensemble_has_members(self) -> EvaluateSettings:
        if self.ensemble and len(set(self.models)) < 2:
            raise ValueError(
                f"expected at least two models with ensemble={self.ensemble}, received "
                f"{len(set(self.models))}; name more in evaluate.models=[…,…]"
            )
        return self

    @model_validator(mode="after")
    def _spark_has_workers_of_its_own(self) -> EvaluateSettings:
        if self.engine.name == "spark" and self.workers > 1:
            raise ValueError(
                f"expected workers=1 with the engine spark, received {self.workers}; Spark's own "
                "workers are set by evaluate.engine.master"
            )
        if self.engine.name == "spark" and self.bad_rows == "skip":
            raise ValueError(
                "expected bad_rows=stop with the engine spark, received skip; Spark does not set "
                "rows aside: evaluate/engine=local does"
            )
        return self

    @model_validator(mode="after")
    def _bfloat16_needs_openvino(self) -> EvaluateSettings:
        if self.precision == "bfloat16" and self.scorer == "tensorflow":
            raise ValueError(
                "expected scorer auto or openvino with precision bfloat16, received tensorflow"
            )
        return self

    @field_validator("input")
    @classmethod
    def _files_or_a_slice(cls, value: str | None) -> str | None:
        return checked_input(value)

    @property
    def given(self) -> FileSet | SliceSet | None:
        """The set that `input` names."""
        return None if self.input is None else given_set(self.input)

    @field_validator("models", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class ExperimentSettings(Group):
    """A recipe's name, and what to print beside its result."""

    name: Name
    compare_with_report: bool = False


def _named(value: object) -> object:
    if value == "":
        raise ValueError("expected a folder's name")
    return value


class Settings(Group):
    """The whole composed configuration."""

    home: Annotated[Path, BeforeValidator(_named)] = Path(".susystream")
    seed: int = Field(42, ge=0, lt=2**31)
    stage: StageSettings
    data: DataSettings
    stream: StreamSettings
    model: ModelSettings
    train: TrainSettings
    registry: RegistrySettings
    evaluate: EvaluateSettings
    score: ScoreSettings = ScoreSettings()
    sweep: SweepSettings = SweepSettings()
    tracking: TrackingSettings
    experiment: ExperimentSettings | None = None
    repeats: OptionalText = None

    @model_validator(mode="after")
    def _one_stage_follows(self) -> Settings:
        if self.train.follow and self.stage.name == "pipeline":
            raise ValueError(
                "expected stage=train with train.follow=true, received stage=pipeline, which "
                "trains on its own data set; publish in another command"
            )
        return self


def check_settings(config: Mapping[str, Any]) -> Settings:
    """The typed settings.

    Raises:
        SettingsError: Naming the first wrong setting, what was expected and received.
    """
    try:
        return Settings.model_validate(config)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        # a tagged union adds its tag to the path; a person never typed it
        tags = {"toy", "real_sample", "real_low_level", "susy", "file", "slice", "holdout"}
        tags |= {"local", "spark"}
        place = ".".join(str(part) for part in first["loc"] if part not in tags)
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "model_type":  # a choice of a group, typed with a dot
            message = f"expected a group of settings; choose one by {place.replace('.', '/')}=…"
        if first["type"] == "missing":
            message = "expected a value, received none; give it one"
        told = ", received " in message
        received = "" if told else f", received {public_value(place, first['input'])}"
        cure = "" if "; " in message else "; correct it"
        raise SettingsError(f"setting {place}: {message}{received}{cure}") from None


def public_config(settings: Settings) -> dict[str, Any]:
    """The resolved configuration as plain data, without any secret: fit for logs and documents."""
    return public_settings(settings.model_dump(mode="json"))
