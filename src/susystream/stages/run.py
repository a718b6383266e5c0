"""Runs the stage a configuration names.

In: checked settings and an output folder. Out: `result.json` there, and a last line naming it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from susystream.settings import Settings, public_config
from susystream.stages.console import Console
from susystream.stages.context import StageContext, open_context
from susystream.stages.exact_names import exact_settings
from susystream.stages.extras import check_extras
from susystream.stages.identity import command_tags, variant_tags
from susystream.stages.result import StageResult
from susystream.tracking.label import Label
from susystream.tracking.tracked_run import as_yaml


def _stage(context: StageContext) -> Callable[[StageContext], StageResult]:
    """The function of the named stage, from the module of its name.

    Only that module is imported: TensorFlow takes seconds, and preparing and publishing need none.
    """
    named, follows = context.settings.stage.name, context.settings.train.follow
    name = "follow" if named == "train" and follows else named
    stage: Callable[[StageContext], StageResult]
    stage = getattr(import_module(f"susystream.stages.{name}"), name)
    return stage


def run_stage(
    settings: Settings,
    *,
    output: Path,
    differs: Mapping[str, Any] | None = None,
    variant: Mapping[str, Any] | None = None,
) -> StageResult:
    """Opens what the stage needs and runs it.

    Args:
        settings: Checked.
        output: The folder for this command's files.
        differs: Settings that are not as usual, by dotted name: runs are named by them.
        variant: Those that are not as in the recipe: runs are tagged with them.
    """
    check_extras(settings)
    console = Console()
    with open_context(settings, output=output, console=console, differs=differs) as context:
        context.settings = exact_settings(context)
        context.label = Label(tags=command_tags(context.settings), everywhere=variant_tags(variant))
        return run_in(context)


def run_in(context: StageContext) -> StageResult:
    """Runs the stage, writes its result, and says where it is."""
    settings, console = context.settings, context.console
    _write_config(settings, context.output)
    result = _stage(context)(context)
    path = result.write(context.output)  # first: what is left for a tracking server may be an error
    if settings.stage.name != "pipeline" and context.label.parent_run_id is None:
        # a pipeline tells more of its own, a sweep tells it at its end
        console.say(f"run      {result.run_id}")
        console.say(f"UI       {context.tracker.ui_hint(result.run_id)}")
    console.say(f"result   {short(path)}")
    return result


def _write_config(settings: Settings, output: Path) -> None:
    """What ran, beside what came of it; without secrets."""
    output.mkdir(parents=True, exist_ok=True)
    (output / "config.yaml").write_text(as_yaml(public_config(settings)), encoding="utf-8")


def short(path: Path) -> Path:
    """As seen from the current folder, if it lies below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
