"""What a trial takes of a run that had its configuration and finished before."""

from __future__ import annotations

from pathlib import Path

import pytest
from registry.test_store import model
from stages.desk import Open

from susystream.errors import SusystreamError
from susystream.stages.context import StageContext
from susystream.stages.exact_names import exact_settings
from susystream.stages.identity import command_tags
from susystream.stages.trial import Trial, run_trial
from susystream.tracking.label import REUSED_FROM, TESTED

FIGURE = "test/toy_large/auc"


def former_run(
    context: StageContext, figures: dict[str, dict[str, float]], *, ids: list[str]
) -> str:
    """The run of an evaluation of several models, as one logs it."""
    tags = {**command_tags(exact_settings(context)), "model_id": ",".join(ids)}
    with context.tracker.run("evaluate", name="former", params={}, tags=tags) as run:
        for name, found in figures.items():
            of_model = {"model_id": name} if name in ids else {}
            with context.tracker.run(
                TESTED, name=name, params={}, tags=of_model, parent_run_id=run.run_id
            ) as part:
                part.log_metrics(found)
    return run.run_id


def test_an_evaluation_of_several_models_is_taken_as_it_was_judged(
    opened: Open, tmp_path: Path
) -> None:
    """By the figures of its first model, which are in a run below it."""
    documents = [model(), model()]
    ids = [one.model_id for one in documents]
    chosen = f"evaluate.models=[{','.join(ids)}]"
    with opened("stage=evaluate", chosen, f"sweep.metric={FIGURE}") as context:
        for one in documents:
            context.store.save_model(one)
        figures = {"ensemble": {FIGURE: 0.9}, ids[1]: {FIGURE: 0.7}, ids[0]: {FIGURE: 0.8}}
        run_id = former_run(context, figures, ids=ids)
        with context.tracker.run("sweep", name="sweep", params={}, tags={}) as sweep:
            found = run_trial(context.settings, output=tmp_path, trial=Trial(0, {}, sweep.run_id))
    assert (found.state, found.run_id, found.objective) == ("reused", run_id, 0.8)
    assert found.metrics[FIGURE] == 0.8


@pytest.mark.parametrize("copy_of", [None, "another"])
def test_a_run_of_the_same_settings_that_is_going_on_is_told(
    opened: Open, tmp_path: Path, capsys: pytest.CaptureFixture[str], copy_of: str | None
) -> None:
    """A copy computes nothing."""
    with opened("stage=prepare", "sweep.metric=prepare/rows") as context:
        more = {REUSED_FROM: copy_of} if copy_of else {}
        tags = {**command_tags(exact_settings(context)), **more}
        with context.tracker.run("prepare", name="n", params={}, tags=tags) as run:
            run_trial(context.settings, output=tmp_path, trial=Trial(0, {}, run.run_id))
    told = f"run {run.run_id} of these settings is going on" in capsys.readouterr().out
    assert told == (copy_of is None)


def test_why_a_finished_run_is_done_again_is_told(
    opened: Open, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = model()  # of no network: its evaluation fails
    chosen = f"evaluate.models=[{document.model_id}]"
    with opened("stage=evaluate", chosen, f"sweep.metric={FIGURE}") as context:
        context.store.save_model(document)
        run_id = former_run(context, {}, ids=[document.model_id])
        with (
            context.tracker.run("sweep", name="sweep", params={}, tags={}) as sweep,
            pytest.raises(SusystreamError),
        ):
            run_trial(context.settings, output=tmp_path, trial=Trial(0, {}, sweep.run_id))
    assert f"run {run_id} is done again: it has no figure {FIGURE}" in capsys.readouterr().out
