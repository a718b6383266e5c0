"""What a stage leaves behind: `result.json`.

In: figures of one stage. Out: a file other programs read; its form has a version.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from susystream.stages.memory import peak_rss_bytes

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class StageResult:
    """The outcome of one stage.

    Attributes:
        stage: Its name.
        run_id: Its MLflow run.
        model_ids: Models it stored or used.
        dataset_ids: Data sets it registered or used.
        inputs: What it read, by name.
        metrics: Figures by the names used in MLflow and the model document.
        rows: Events it handled.
        seconds: Wall time of all of it, starting servers and drawing pictures included:
            `rows_per_second` beside it is `rows` in that time, and the metric
            `test/<set>/rows_per_second` the speed of the scan alone.
        models: Several models: {id: {"metrics": {...}}}.
        objective: What it is judged by, if it has such a figure.
        trials: Of a sweep: what became of each.
        repeats_equal: Whether weights and figures are those of the run that it repeats; None: it
            repeats none, or nothing could be compared.
    """

    stage: str
    run_id: str
    rows: int
    seconds: float
    model_ids: tuple[str, ...] = ()
    dataset_ids: tuple[str, ...] = ()
    inputs: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    models: dict[str, Any] = field(default_factory=dict)
    objective: float | None = None
    trials: tuple[dict[str, Any], ...] = ()
    repeats_equal: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """The content of `result.json`."""
        rate = self.rows / self.seconds if self.seconds > 0 else 0.0
        return {
            "schema_version": SCHEMA_VERSION,
            **asdict(self),
            "rows_per_second": rate,
            "peak_rss_bytes": peak_rss_bytes(),
        }

    def write(self, folder: Path) -> Path:
        """Writes `result.json` into `folder` in one step; returns its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "result.json"
        draft = path.with_suffix(".json.part")
        draft.write_text(json.dumps(self.to_json(), indent=2, sort_keys=True) + "\n")
        draft.replace(path)
        return path
