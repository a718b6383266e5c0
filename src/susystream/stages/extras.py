"""The extras that a stage will use, asked for before it starts.

In: checked settings. Out: nothing, or one line that says what to install: not after the training
whose model Spark was to evaluate.
"""

from __future__ import annotations

from susystream.settings import Settings
from susystream.stream.tfio_extra import require_tensorflow_io


def check_extras(settings: Settings) -> None:
    """Whether what these settings ask for beyond the package's own libraries is installed.

    Raises:
        EvaluationError: pyspark is not.
        ReaderUnsupported: tensorflow-io is not.
    """
    stage = settings.stage.name
    if stage in ("evaluate", "pipeline") and settings.evaluate.engine.name == "spark":
        from susystream.evaluate.spark_engine.session import require_pyspark

        require_pyspark()
    reads = ("publish", "train", "pipeline") if settings.stream.read_back else ("train", "pipeline")
    if stage in reads and settings.stream.reader.name == "tfio":
        require_tensorflow_io()
