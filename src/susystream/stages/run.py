"""Runs the stage a configuration names.

In: checked settings and an output folder. Out: `result.json` there, and a last line naming it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from susystream.settings import Settings
from susystream.stages.console import Console
from susystream.stages.context import StageContext, open_context
from susystream.stages.evaluate import evaluate
from susystream.stages.pipeline import pipeline
from susystream.stages.prepare import prepare
from susystream.stages.publish import publish
from susystream.stages.result import StageResult
from susystream.stages.train import train

STAGES: dict[str, Callable[[StageContext], StageResult]] = {
    "prepare": prepare,
    "publish": publish,
    "train": train,
    "evaluate": evaluate,
    "pipeline": pipeline,
}


def run_stage(settings: Settings, *, output: Path) -> float | None:
    """Runs the stage; returns what a sweep optimises, if the stage has such a figure."""
    console = Console()
    with open_context(settings, output=output, console=console) as context:
        result = STAGES[settings.stage.name](context)
    path = result.write(output)
    console.say(f"result   {_short(path)}")
    return result.objective


def _short(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
