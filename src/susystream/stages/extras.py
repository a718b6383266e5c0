"""The extras that a stage will use, asked for before it starts.

In: checked settings. Out: nothing, or one line that says what to install: not after the training
whose model Spark was to evaluate.
"""

from __future__ import annotations

from collections.abc import Sequence

from susystream.errors import SusystreamError
from susystream.settings import Settings
from susystream.settings.data import SliceSet
from susystream.stream.tfio_extra import require_tensorflow_io

_TESTS = ("evaluate", "pipeline")


def check_extras(settings: Settings) -> None:
    """Whether what these settings ask for beyond the package's own libraries is installed.

    Raises:
        EvaluationError: pyspark is not.
        ReaderUnsupported: tensorflow-io is not.
    """
    if settings.stage.name in _TESTS and settings.evaluate.engine.name == "spark":
        from susystream.evaluate.spark_engine.session import require_pyspark

        require_pyspark()
    if settings.stream.reader.name == "tfio" and _reads_slices(settings):
        require_tensorflow_io()


def check_extras_of_trials(trials: Sequence[Settings]) -> None:
    """Whether what all trials of a sweep ask for is installed; some may be able to run.

    Raises:
        EvaluationError, ReaderUnsupported: As `check_extras`, of the first.
    """
    lacking = [_lacking(one) for one in trials]
    if lacking[0] is not None and None not in lacking:
        raise lacking[0]


def _lacking(settings: Settings) -> SusystreamError | None:
    try:
        check_extras(settings)
    except SusystreamError as error:
        return error
    return None


def _reads_slices(settings: Settings) -> bool:
    stage, evaluate = settings.stage.name, settings.evaluate
    if stage == "publish":
        return settings.stream.read_back
    if stage == "evaluate":
        given = evaluate.given
        sets = evaluate.sets.values() if given is None else [given]
        return any(isinstance(one, SliceSet) for one in sets)
    return stage in ("train", "pipeline")
