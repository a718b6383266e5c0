"""The first task of a session, which shows that its workers can do the others.

In: a session of Spark. Out: nothing, or an error that names what differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from susystream.errors import EvaluationError

_VERSIONS = ("susystream", "openvino", "polars")  # what reads and scores: others may differ in bits


def run_first_task(session: Any) -> None:
    """Proves that a worker answers and can import what it will need, in the versions used here.

    Raises:
        EvaluationError: Another version is installed there.
    """
    names = _VERSIONS

    # sent as it stands here, so that it asks a worker of any version
    def look(_: int) -> dict[str, str]:
        import susystream.evaluate.spark_engine.worker  # noqa: F401

        return {name: version(name) for name in names}

    (found,) = session.sparkContext.parallelize([0], 1).map(look).collect()
    expected = {name: version(name) for name in names}
    wrong = [name for name in names if found[name] != expected[name]]
    if wrong:
        raise EvaluationError(
            f"expected {_listed(expected, wrong)} on Spark's workers, as here, received "
            f"{_listed(found, wrong)}; install the same there"
        )


def _listed(versions: Mapping[str, str], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {versions[name]}" for name in names)
