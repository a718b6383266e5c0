"""The table of an evaluation fits a terminal, whatever its sets are called and hold."""

from __future__ import annotations

import io

import pytest
import rich.console

from susystream.data.bad_rows import BadRows
from susystream.stages.console import Console
from susystream.stages.recording import TABLE_COLUMNS, Evaluated, table_row

FIGURES = {
    "auc": 0.85,
    "auc_low": 0.85,
    "auc_high": 0.85,
    "auc_stderr": 0.0175,
    "accuracy": 0.78,
    "log_loss": 0.46,
}


def evaluated(name: str) -> Evaluated:
    return Evaluated(name, {}, {}, {}, BadRows(), rows=75_000_000, scanned=75_000_000, seconds=60)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("d20261124-190425643-q5wxy", {"auc": 0.85004, "auc_stderr": 0.00042}),
        ("toy_large", {"log_loss": 3.2e33}),
        ("a-name-that-somebody-gave-to-a-file", {"auc_low": 0.8499999, "auc_stderr": 4.27e-5}),
    ],
)
def test_a_row_fits_eighty_columns(name: str, change: dict[str, float]) -> None:
    said = io.StringIO()
    console = Console(rich.console.Console(file=said, width=80))
    console.table("Model", TABLE_COLUMNS, [table_row(evaluated(name), {**FIGURES, **change})])
    lines = said.getvalue().splitlines()
    assert all(len(line) <= 80 for line in lines)
    errors = {0.0175: "0.8500±0.0175", 0.00042: "0.85004±0.00042", 4.27e-5: "0.850000±0.000043"}
    auc = errors[change.get("auc_stderr", FIGURES["auc_stderr"])]
    for figure in ("75,000,000", auc, "0.7800", "1,250,000"):
        assert figure in lines[-1]
    assert "…" not in lines[1]
