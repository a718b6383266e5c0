"""From a result to what stands in an experiment's README.

In: a result. Out: Markdown between two marks, put into a README or compared with what stands there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from susystream.errors import DataError
from susystream.reports.form import Column, Report, Row
from susystream.reports.picture import PICTURE
from susystream.reports.result import Result

BEGIN, END = "<!-- result -->", "<!-- /result -->"
README = "README.md"
_SHORT = 9  # letters of a commit
_SHOWN_VERSIONS = ("susystream", "python", "tensorflow", "openvino", "polars")


def block(report: Report, result: Result) -> str:
    """All that stands between the marks."""
    tables = [
        _table(one.columns_of(result.tables[one.name]), result.tables[one.name])
        for one in report.tables
    ]
    picture = f"![{report.caption}]({PICTURE})"
    return "\n\n".join([*tables, report.note, picture, _origin(result)])


def put(folder: Path, text: str) -> None:
    """Puts a block between the marks of the README in `folder`.

    Raises:
        DataError: There is no README, or it has no marks.
    """
    path = folder / README
    before, _, after = _parts(path)
    draft = path.with_name(f"{README}.part")
    draft.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
    draft.replace(path)


def standing(folder: Path) -> str:
    """What stands between the marks of the README in `folder`.

    Raises:
        DataError: There is no README, or it has no marks.
    """
    return _parts(folder / README)[1].strip("\n")


def has_marks(folder: Path) -> bool:
    """Whether the README in `folder`, if there is one, has a mark."""
    path = folder / README
    return path.exists() and BEGIN in path.read_text(encoding="utf-8")


def _parts(path: Path) -> tuple[str, str, str]:
    """Before, between and behind the marks."""
    cure = f"write it, with a line {BEGIN} and below it a line {END}"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"expected {path}, received no such file; {cure}") from None
    before, begin, rest = text.partition(BEGIN)
    between, end, after = rest.partition(END)
    if not begin or not end:
        raise DataError(
            f"expected {BEGIN} and {END} in {path}, received {'the first' if begin else 'neither'}"
            "; write both, each on a line of its own, where the result is to stand"
        )
    return before, between, after


def _table(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    lines = [[one.title for one in columns], ["---", *["---:"] * (len(columns) - 1)]]
    lines += [[cell(row, one) for one in columns] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def cell(row: Row, column: Column) -> str:
    """A figure as text, with its error.

    Example:
        >>> cell({"auc": 0.86123, "e": 0.00042}, Column("AUC", "auc", error="e"))
        '0.8612 ± 0.0004'
    """
    value = row.get(column.figure)
    if value is None:
        return ""
    if isinstance(value, str):
        return value.replace("|", "¦")
    error = row.get(column.error) if column.error else None
    known = isinstance(error, float) and math.isfinite(error)
    text = _number(value, column.places)
    return f"{text} ± {_number(float(error or 0), column.places)}" if known else text


def _number(value: float, places: int | None) -> str:
    return f"{value:,.4g}" if places is None else f"{value:,.{places}f}"


def _origin(result: Result) -> str:
    """Which runs, of which code, where."""
    first, more = result.runs[0], len(result.runs) - 1
    commits = dict.fromkeys(_short(one["commit"]) for one in result.runs)
    versions = [f"{name} {result.versions.get(name, '?')}" for name in _SHOWN_VERSIONS]
    return "\n".join(
        [
            f"Made by `susystream report {result.recipe}` from run `{first['run_id']}`"
            + (f" and {more} more ([result.json](result.json))" if more else "")
            + f" of {first['started'][:10]}: commit {', '.join(commits)}; {', '.join(versions)};",
            f"{result.machine}. {_settings(result)}{_left_out(result)}",
        ]
    )


def _settings(result: Result) -> str:
    text = f"Settings: `{_typed(result.params)}`"
    more = f"; not as in the recipe: `{_typed(result.variant)}`" if result.variant else ""
    return f"{text}{more}."


def _typed(settings: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items()).replace("`", "'")


def _left_out(result: Result) -> str:
    told = ", ".join(f"{count} {state}" for state, count in result.left_out.items())
    return f" Trials left out: {told}." if told else ""


def _short(commit: str) -> str:
    name, mark, changed = commit.partition(" ")
    return f"{name[:_SHORT]}{mark}{changed}"
