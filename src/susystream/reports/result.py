"""What a report writes down: `result.json`, from which it is rendered.

In: tracked runs. Out: plain data, as a file; the same data out of the file.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from susystream.errors import DataError
from susystream.reports.form import Report, Row
from susystream.reports.reading import Reading, param_of
from susystream.tracking.recipe_runs import RecipeRun, RecipeRuns

FILE = "result.json"
USUAL_FOLDER = Path("experiments")
_FORM = 2  # of the file; count up with every change
_IDENTITY = ("run_id", "stage", "started", "commit")


@dataclass(frozen=True, slots=True)
class Result:
    """An experiment's figures, and where they come from.

    Attributes:
        recipe: Of the runs.
        runs: What was read: id, stage, start and commit of each; the first one made the others.
        versions: Of what computed, in the first run.
        machine: It ran on.
        params: Settings that matter, as they were.
        variant: Settings that were not as in the recipe.
        left_out: How many trials have no figures, by what became of them.
        tables: Rows of figures, by the table's name.
    """

    recipe: str
    runs: tuple[Mapping[str, str], ...]
    versions: Mapping[str, str]
    machine: str
    params: Mapping[str, str]
    variant: Mapping[str, str]
    left_out: Mapping[str, int]
    tables: Mapping[str, tuple[Row, ...]]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "schema_version": _FORM,
            "recipe": self.recipe,
            "runs": [dict(one) for one in self.runs],
            "versions": dict(self.versions),
            "machine": self.machine,
            "params": dict(self.params),
            "variant": dict(self.variant),
            "left_out": dict(self.left_out),
            "tables": {name: [dict(row) for row in rows] for name, rows in self.tables.items()},
        }

    def write(self, folder: Path) -> None:
        """Into `folder`, in one step."""
        draft = folder / f"{FILE}.part"
        draft.write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")
        draft.replace(folder / FILE)


def result_of(report: Report, runs: RecipeRuns, *, any_settings: bool = False) -> Result:
    """The figures of the newest finished runs.

    Args:
        report: Of the recipe.
        runs: The tracking server.
        any_settings: Whether runs count that set something otherwise than the recipe.

    Raises:
        TrackingError: A run or a figure is not there.
    """
    reading = Reading(runs, report.recipe, report.command, any_settings)
    tables = {one.name: tuple(one.rows(reading)) for one in report.tables}
    first = next(iter(reading.read.values()))
    params = {name: _param(reading.read.values(), name) for name in report.params}
    return Result(
        report.recipe,
        tuple(_identity(one) for one in reading.read.values()),
        dict(one.split("=", 1) for one in first.tags.get("libraries", "").split()),
        first.tags.get("machine", "unknown"),
        {name: value for name, value in params.items() if value is not None},
        reading.variant,
        reading.left_out,
        tables,
    )


def _param(runs: Iterable[RecipeRun], name: str) -> str | None:
    """Of the first run whose stage reads that setting."""
    return next((one for run in runs if (one := param_of(run, name)) is not None), None)


def command(place: Path, *flags: str) -> str:
    """What to type to write the report that stands in the folder of its recipe."""
    words = ["susystream", "report", place.name, *flags]
    if place.parent != USUAL_FOLDER:
        words += ["--folder", str(place.parent)]
    return shlex.join(words)


def read_result(folder: Path, report: Report) -> Result:
    """The result of a report that stands in a folder.

    Raises:
        DataError: There is none, or it has another form.
    """
    path = folder / FILE
    cure = f"write it: {command(folder)}"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"expected {path}, received no such file; {cure}") from None
    except ValueError as error:
        raise DataError(f"expected JSON in {path}, received {error}; {cure}") from error
    version = found.get("schema_version") if isinstance(found, dict) else None
    if version != _FORM or set(found) != {"schema_version", *Result.__slots__}:
        raise DataError(
            f"expected a report's result of form {_FORM} in {path}, received another; {cure}"
        )
    found.pop("schema_version")
    try:
        TypeAdapter(Result).validate_python(found)
        result = Result(**found)
        _check(report, result)
    except ValueError as error:
        raise DataError(
            f"expected a result of {report.recipe} in {path}, {_told(error)}; {cure}"
        ) from error
    return result


def _check(report: Report, result: Result) -> None:
    """Raises ValueError where something is missing that the report shows."""
    if result.recipe != report.recipe:
        raise ValueError(f"recipe {result.recipe}")
    if not result.runs or any(set(one) != set(_IDENTITY) for one in result.runs):
        raise ValueError(f"runs without {', '.join(_IDENTITY)}")
    for table in report.tables:
        rows = result.tables.get(table.name)
        if not rows or not table.columns_of(rows):
            raise ValueError(f"nothing in table {table.name}")
        for name in table.figures_of(rows):
            if any(name not in row for row in rows):
                raise ValueError(f"a row of {table.name} without {name}")


def _told(error: ValueError) -> str:
    """The first of what is wrong."""
    if not isinstance(error, ValidationError):
        return f"received {error}"
    first = error.errors()[0]
    return f"received at {'.'.join(map(str, first['loc']))}: {first['msg']}"


def _identity(run: RecipeRun) -> dict[str, str]:
    changed = " with changes" if run.tags.get("dirty") == "true" else ""
    return {
        "run_id": run.run_id,
        "stage": run.tags.get("stage", ""),
        "started": run.started,
        "commit": run.tags.get("commit", "unknown") + changed,
    }
