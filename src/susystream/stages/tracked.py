"""A stage's run on the tracking server: named, described, comparable with its like.

In: a stage with what it works on. Out: an open run whose name says what is different, whose params
are the settings the stage reads, and whose note says, whatever becomes of it, what happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from susystream.disclosure import public_text
from susystream.errors import TrackingError, TrialPruned, line_of
from susystream.settings import public_config
from susystream.stages import markdown
from susystream.stages.context import StageContext
from susystream.stages.naming import differing, read_by, run_name
from susystream.tracking.label import RUNNING
from susystream.tracking.tracker import TrackedRun


@contextmanager
def tracked(
    context: StageContext,
    stage: str,
    *,
    what: str | None = None,
    usually: str = "",
    tags: Mapping[str, str] | None = None,
    facts: Mapping[str, Any] | None = None,
    parent_run_id: str | None = None,
) -> Iterator[TrackedRun]:
    """An open run of a stage.

    Args:
        context: Settings, and what of them is not as usual.
        stage: As in `naming`.
        what: The beginning of the run's name; None: the stage.
        usually: How the name goes on where nothing is different.
        tags: As they are known now.
        facts: More params, by dotted name: what the settings alone do not say.
        parent_run_id: The run that this one is a part of.
    """
    different = differing(context, stage, within_a_chain=parent_run_id is not None)
    name = public_text(run_name(what or stage, usually, different))
    config = public_config(context.settings)
    with context.tracker.run(
        stage,
        name=name,
        params={**(facts or {}), **read_by(stage, config)},
        tags=tags or {},
        parent_run_id=parent_run_id,
        config=config,
    ) as run:
        run.set_note(f"{RUNNING}{markdown.plain(name)}.")
        try:
            yield run
        except BaseException as error:
            _say_what_broke(run, name, error)
            raise


def _say_what_broke(run: TrackedRun, name: str, error: BaseException) -> None:
    how = "Failed" if isinstance(error, Exception) else "Stopped"
    how = "Pruned" if isinstance(error, TrialPruned) else how
    why = line_of(error) if isinstance(error, Exception) else type(error).__name__
    with suppress(TrackingError):  # the server may have refused something else than this
        run.set_note(f"**{how}**: {markdown.plain(name)}.\n\n{markdown.code(why)}")
