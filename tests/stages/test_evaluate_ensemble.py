"""An ensemble is scored beside its members, from the same scan, and belongs to the run alone."""

from __future__ import annotations

import io

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from registry.test_store import model
from stages.desk import Open

from susystream.data.scan import scan_events
from susystream.data.source import sample_path
from susystream.errors import NotFound, SettingsError
from susystream.evaluate.ensemble import Mean, combined
from susystream.evaluate.metrics import metrics
from susystream.evaluate.tally import Tally
from susystream.schema import concatenate
from susystream.stages.evaluate import evaluate
from susystream.stages.exact_names import exact_settings
from susystream.stages.models import scorer_plan_of
from susystream.stages.publish import publish
from susystream.stages.train import train

INPUT = f"evaluate.input={sample_path()}"


def two_models(opened: Open) -> tuple[str, str]:
    with opened() as context:
        publish(context)
        first = train(context).model_ids[0]
    with opened("seed=7") as context:
        publish(context)
        return first, train(context).model_ids[0]


def parts_of(client: MlflowClient, run: Run) -> dict[str, Run]:
    """The runs of an evaluation's models, by name."""
    found = client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    )
    return {str(one.info.run_name): one for one in found}


def test_an_ensemble_is_in_the_run_the_result_and_the_table(
    opened: Open, said: io.StringIO
) -> None:
    ids = two_models(opened)
    events = concatenate(list(scan_events(sample_path())))
    means: list[Mean] = ["logits", "probabilities"]
    for mean in means:
        chosen = [f"evaluate.models=[{','.join(ids)}]", f"evaluate.ensemble={mean}", INPUT]
        chosen.append("tracking.pictures=true")
        with opened(*chosen) as context:
            result = evaluate(context)
            documents = [context.store.load_model(one) for one in ids]
            client = MlflowClient(context.tracker.uri)
        members = [scorer_plan_of(one).open().logits(events.features) for one in documents]
        slow = combined(members, mean)
        expected = metrics(Tally.empty().update(slow, events.labels))
        found = result.models["ensemble"]["metrics"]
        for name, value in expected.items():
            assert found[f"test/susy_real_500/{name}"] == value
        assert result.model_ids == ids
        assert list(result.models) == [*ids, "ensemble"]
        run = client.get_run(result.run_id)
        assert run.data.tags["model_id"] == ",".join(ids)
        assert not [name for name in run.data.metrics if "ensemble" in name]
        parts = parts_of(client, run)
        part = parts.pop("ensemble")
        assert part.data.metrics["test/susy_real_500/auc"] == expected["auc"]
        assert part.data.metrics["window/susy_real_500/auc"] > 0.5
        assert part.data.tags["ensemble"] == mean
        of_members = [set(one.data.params.items()) for one in parts.values()]
        assert set(part.data.params.items()) == set.intersection(*of_members) != set()
        pictures = {one.path for one in client.list_artifacts(result.run_id, "plots/ensemble")}
        assert len(pictures) == 3
        assert f"Ensemble of 2 models: mean of their {mean}" in said.getvalue()
        for document in documents:
            own = result.models[document.model_id]["metrics"]["test/susy_real_500/auc"]
            assert document.metrics["test/susy_real_500/auc"] == own != expected["auc"]
            assert not [name for name in document.metrics if "ensemble" in name]


def test_one_model_is_no_ensemble(opened: Open) -> None:
    with (
        pytest.raises(SettingsError, match="at least two models with ensemble=logits, received 1"),
        opened("evaluate.ensemble=logits"),
    ):
        pass
    one = model()
    with opened() as context:
        context.store.save_model(one)
    twice = [f"evaluate.models=[{one.model_id},latest]", "evaluate.ensemble=logits", INPUT]
    told = f"evaluate.ensemble=logits, received {one.model_id} by every name; name another"
    with opened("stage=evaluate", *twice) as context, pytest.raises(SettingsError, match=told):
        exact_settings(context)


def test_an_unknown_model_is_one_line_with_those_near_it(opened: Open) -> None:
    first, second = two_models(opened)
    chosen = f"evaluate.models=[{first},{second[:-1]}u]"  # u is no letter of an id
    with opened(chosen, INPUT) as context, pytest.raises(NotFound) as caught:
        evaluate(context)
    assert f"near it: {second}" in str(caught.value)
    assert "\n" not in str(caught.value)
    with (
        opened("evaluate.models=report_mlp", INPUT) as context,
        pytest.raises(NotFound, match="near it: name:report_mlp"),
    ):
        evaluate(context)
