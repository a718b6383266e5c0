"""A tracking server with runs of recipes, tracked by hand, and folders of experiments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from susystream.errors import SusystreamError
from susystream.reporting import report
from susystream.stages.identity import variant_tags
from susystream.tracking.label import RECIPE, Label
from susystream.tracking.tracker import Tracker

MARKS = "# mine\n\nBefore.\n\n<!-- result -->\nold\n<!-- /result -->\n\nAfter.\n"


@dataclass
class ReportDesk:
    """A folder with a tracking database of its own and a folder of experiments."""

    folder: Path

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder}/mlflow.db"

    def place(self, recipe: str, readme: str = MARKS) -> Path:
        """The folder of an experiment, with a README."""
        place = self.folder / "experiments" / recipe
        place.mkdir(parents=True, exist_ok=True)
        (place / "README.md").write_text(readme)
        return place

    def tracked(
        self,
        recipe: str | None,
        stage: str,
        metrics: Mapping[str, float],
        *,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        parent: str | None = None,
        trials: str | None = None,
        variant: Mapping[str, Any] | None = MappingProxyType({}),
        learned: tuple[str, int] | None = None,
        fails: bool = False,
    ) -> str:
        """A run as a command would have tracked it, or without a recipe's name a step; its id."""
        named = {RECIPE: recipe} if recipe else {}
        label = Label(parent, tags=named, everywhere=variant_tags(variant))
        tracker = Tracker(self.uri, "susystream", system_metrics=False, label=label)
        try:
            with tracker.run(stage, name=stage, params=params or {}, tags=tags or {}) as run:
                run.log_metrics(metrics)
                if trials is not None:
                    run.log_artifact_text("trials.csv", trials)
                if learned is not None:
                    facts = {"rows": learned[1], "digest": "d", "source": {}}
                    run.log_dataset(learned[0], facts, context="training")
                if fails:
                    raise SusystreamError("for this test")
        except SusystreamError:
            assert fails
        return run.run_id

    def report(self, *words: str) -> None:
        """`susystream report`, in this process; its errors are raised."""
        where = ["--tracking-uri", self.uri, "--folder", str(self.folder / "experiments")]
        report.main([*words, *where], standalone_mode=False)

    def result(self, recipe: str) -> dict[str, Any]:
        path = self.folder / "experiments" / recipe / "result.json"
        return dict(json.loads(path.read_text()))


def of_set(name: str, auc: float) -> dict[str, float]:
    """Figures of a test set, as an evaluation tracks them."""
    found = {"rows": 1000.0, "auc": auc, "auc_stderr": 0.01, "accuracy": 0.7, "log_loss": 0.5}
    return {f"test/{name}/{figure}": value for figure, value in found.items()}
