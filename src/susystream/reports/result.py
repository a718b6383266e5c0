"""What a report writes down: `result.json`, from which it is rendered.

In: tracked runs. Out: plain data, as a file; the same data out of the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susystream.errors import DataError
from susystream.reports.form import Report, Row
from susystream.reports.reading import Reading, param_of
from susystream.tracking.recipe_runs import RecipeRun, RecipeRuns

FILE = "result.json"
_FORM = 1  # of the file; count up with every change


@dataclass(frozen=True, slots=True)
class Result:
    """An experiment's figures, and where they come from.

    Attributes:
        recipe: Of the runs.
        runs: What was read: id, stage, start and commit of each; the first one made the others.
        versions: Of what computed, in the first run.
        machine: It ran on.
        params: Settings that matter, as they were.
        tables: Rows of figures, by the table's name.
    """

    recipe: str
    runs: tuple[Mapping[str, str], ...]
    versions: Mapping[str, str]
    machine: str
    params: Mapping[str, str]
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
            "tables": {name: [dict(row) for row in rows] for name, rows in self.tables.items()},
        }

    def write(self, folder: Path) -> None:
        """Into `folder`, in one step."""
        draft = folder / f"{FILE}.part"
        draft.write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")
        draft.replace(folder / FILE)


def result_of(report: Report, runs: RecipeRuns) -> Result:
    """The figures of the newest finished runs.

    Raises:
        TrackingError: A run or a figure is not there.
    """
    reading = Reading(runs, report.recipe, report.command)
    tables = {one.name: tuple(one.rows(reading)) for one in report.tables}
    first = next(iter(reading.read.values()))
    params = {name: _param(reading.read.values(), name) for name in report.params}
    return Result(
        report.recipe,
        tuple(_identity(one) for one in reading.read.values()),
        dict(one.split("=", 1) for one in first.tags.get("libraries", "").split()),
        first.tags.get("machine", "unknown"),
        {name: value for name, value in params.items() if value is not None},
        tables,
    )


def _param(runs: Iterable[RecipeRun], name: str) -> str | None:
    """Of the first run whose stage reads that setting."""
    return next((one for run in runs if (one := param_of(run, name)) is not None), None)


def read_result(folder: Path) -> Result:
    """The result that stands in a folder.

    Raises:
        DataError: There is none, or it has another form.
    """
    path = folder / FILE
    cure = f"write it: susystream report {folder.name}"
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
    return Result(**found)


def _identity(run: RecipeRun) -> dict[str, str]:
    changed = " with changes" if run.tags.get("dirty") == "true" else ""
    return {
        "run_id": run.run_id,
        "stage": run.tags.get("stage", ""),
        "started": run.started,
        "commit": run.tags.get("commit", "unknown") + changed,
    }
