"""What went wrong inside Spark, on one line.

In: an error of Spark's, hundreds of lines of Java and Python. Out: one of ours.
"""

from __future__ import annotations

import re

from susystream import errors
from susystream.disclosure import public_text
from susystream.errors import DataError, EvaluationError, SusystreamError

_OURS = re.compile(r"susystream\.errors\.(\w+): (.+)")
_MISSING = re.compile(
    r"\[PATH_NOT_FOUND\] Path does not exist: (\S+?)\.? |File (\S+) does not exist"
)
_PYTHON = re.compile(r"different (?:minor )?version[^.]*?(\d+\.\d+).*?(\d+\.\d+)", re.DOTALL)
_NO_MODULE = re.compile(r"No (?:module named|package metadata was found for) '?(\w+)")
_CAUSE = re.compile(r"\b[\w.$]*(?:Error|Exception): +(.*)$", re.MULTILINE)
_LONGEST = 300


def is_sparks(error: BaseException) -> bool:
    """Whether an error came out of Spark, and not from a defect of ours."""
    ours = type(error).__module__.partition(".")[0] not in ("pyspark", "py4j")
    return not ours or isinstance(error, ConnectionError | EOFError)  # its driver is gone


def explained(
    error: BaseException, *, master: str, log: str = "", ended: bool = False
) -> SusystreamError:
    """Our error for one of Spark's.

    Args:
        error: As it came out of Spark.
        master: Where it ran.
        log: What its driver wrote last.
        ended: Whether the driver is gone, which the error itself need not tell.
    """
    text = f"{_said_by(error)}\n{log}"
    if found := _OURS.search(text):
        kind = getattr(errors, found[1], EvaluationError)
        return DataError(found[2]) if kind is errors.BadRow else kind(found[2])
    if found := _MISSING.search(text):
        return DataError(
            f"expected a file at {found[1] or found[2]} that every worker of {master} can read, "
            "received none; put it where all of them see it"
        )
    if found := _NO_MODULE.search(text):
        return EvaluationError(
            f"expected the package {found[1]} for the Python of Spark's workers, received none; "
            "install susystream there, or name another Python as spark.pyspark.python in "
            "evaluate.engine.options"
        )
    if "PYTHON_VERSION_MISMATCH" in text:
        return EvaluationError(
            f"expected the same Python here and on the workers of {master}, received different "
            "versions; name another as spark.pyspark.python in evaluate.engine.options"
        )
    if ended or isinstance(error, ConnectionError | EOFError):
        return EvaluationError(
            f"expected the driver of Spark at {master} to live until the end, received its end; "
            "give it more memory (evaluate.engine.memory), or see what killed it"
        )
    if "JAVA_GATEWAY_EXITED" in text and not _CAUSE.search(text):
        return EvaluationError(
            f"expected the driver of Spark at {master} to get ready, received its end after: "
            f"{_cause(text)}; see evaluate.engine.memory, PYSPARK_SUBMIT_ARGS, or what killed it"
        )
    return EvaluationError(
        f"expected Spark at {master} to count, received: {_cause(text)}; -v shows all"
    )


def _said_by(error: BaseException) -> str:
    """Some errors ask the driver for their text, which may be what died."""
    try:
        return str(error)
    except Exception:
        return f"{type(error).__name__}, and the driver is gone"


def _cause(text: str) -> str:
    """The line that tells most: the last cause that says something."""
    said = [line.strip() for line in _CAUSE.findall(text) if line.strip()]
    lines = said or [line for line in text.splitlines() if line.strip()] or ["nothing"]
    line = public_text(" ".join(lines[-1].split()))
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
