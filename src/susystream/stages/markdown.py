"""Markdown as MLflow's UI shows it.

In: texts, rows, commands. Out: paragraphs, tables, blocks of code. What a person typed is shown as
it stands: no mark of it becomes a mark of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~])")


def paragraphs(parts: Iterable[str]) -> str:
    """Parts one below the other; empty ones leave no gap."""
    return "\n\n".join(part for part in parts if part)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; nothing if it has no rows. MLflow's UI puts no space around cells: this does.

    Example:
        >>> print(table(("set", "AUC"), [("real", "0.84")]))
        | set&emsp; | AUC |
        | --- | --- |
        | real&emsp; | 0.84 |
        <BLANKLINE>
        &nbsp;
    """
    lines = [_row(row) for row in rows]
    head = [_row(columns), f"| {' | '.join('---' for _ in columns)} |"]
    return "\n".join([*head, *lines, "", "&nbsp;"]) if lines else ""


def commands(lines: Iterable[str]) -> str:
    """Commands to copy."""
    return "\n".join(["```sh", *lines, "```"])


def code(text: object) -> str:
    """A text as it stands, within a line.

    Example:
        >>> code("train.epochs=3")
        '`train.epochs=3`'
    """
    return f"`{str(text).replace('`', chr(39))}`"


def plain(text: object) -> str:
    r"""A text of which nothing is a mark.

    Example:
        >>> print(plain("report_mlp"))
        report\_mlp
    """
    return _MARKS.sub(r"\\\1", " ".join(str(text).split()))


def link(text: str, target: str | None) -> str:
    """A link, or only its text where there is nothing to lead to."""
    return f"[{plain(text)}]({target})" if target else plain(text)


def _row(cells: Sequence[str]) -> str:
    return f"| {'&emsp; | '.join(cells)} |"
