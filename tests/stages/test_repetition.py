"""A run that repeats another says whether weights and figures are those of the other."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from mlflow import MlflowClient
from stages.desk import Open
from test_listing import dataset_record, trained
from tracking.passage import Passage
from tracking.tracking_server import tracking_server

from susystream.data.bad_rows import BadRows
from susystream.registry.document import MlflowLink, ModelDocument
from susystream.stages.context import StageContext
from susystream.stages.pipeline import pipeline
from susystream.stages.publish import publish
from susystream.stages.recording import Evaluated
from susystream.stages.repetition import compare_figures, compare_with_repeated, of_both
from susystream.stages.result import StageResult
from susystream.stages.train import train

TINY = ["data.rows=600", "model.hidden=[8]", "model.dropout=[0.1]"]
SMALL = ["~evaluate.sets.toy_large", "~evaluate.sets.real", "~evaluate.sets.real_10k"]
DIGESTS = {name: f"m2:{number}" + "0" * 31 for number, name in enumerate("ab")}


def tags_of(context: StageContext, result: StageResult) -> dict[str, str]:
    return tags(context, result.run_id)


def tags(context: StageContext, run_id: str) -> dict[str, str]:
    return dict(MlflowClient(context.tracker.uri).get_run(run_id).data.tags)


def test_equal_weights_are_told_and_so_are_others(opened: Open, said: io.StringIO) -> None:
    with opened(*TINY) as context:
        published = publish(context)
        first = train(context)
        assert "repeats" not in tags_of(context, first)
        assert first.repeats_equal is None
    for overrides, equal, words in (
        ([], True, f"its weights equal those of run {first.run_id}, bit for bit"),
        (["seed=8"], False, f"its weights differ from those of run {first.run_id}: sha256 "),
    ):
        with opened(*TINY, f"repeats='{first.run_id}'", *overrides) as context:
            found = tags_of(context, result := train(context))
        assert (found["repeats"], found["repeats_equal"]) == (first.run_id, str(equal).lower())
        assert result.repeats_equal is equal
        assert words in said.getvalue()
    with opened(*TINY, f"repeats='{published.run_id}'") as context:
        assert "repeats_equal" not in tags_of(context, train(context))
    assert f"run {published.run_id} left no model to compare with" in said.getvalue()


def a_model() -> ModelDocument:
    link = MlflowLink(experiment="tests", run_id="0" * 32, tracking_uri="sqlite:///mlflow.db")
    return trained(dataset_record(), link)


def recorded(context: StageContext, stage: str, **given: str) -> str:
    """The id of a run with these tags."""
    with context.tracker.run(stage, name="n", params={}, tags=given) as run:
        return run.run_id


def test_a_model_that_is_not_there_or_damaged_is_told_and_stops_nothing(
    opened: Open, said: io.StringIO
) -> None:
    document = a_model()
    with opened() as context:
        context.store.save_model(document)
        registry = context.settings.registry
        with pymongo.MongoClient[dict[str, Any]](str(registry.uri)) as client:
            damage = {"$set": {"weights_sha256": "0" * 64}}
            client[registry.database]["models"].update_one({}, damage)
        damaged = recorded(context, "train", model_id=document.model_id)
        elsewhere = recorded(context, "train", model_id="m0")
    for repeated, words in (
        (elsewhere, f"model m0 of run {elsewhere} is not in this store"),
        (damaged, f"the weights are not compared with those of run {damaged}: "),
    ):
        with (
            opened(f"repeats='{repeated}'") as context,
            context.tracker.run("train", name="n", params={}, tags={}) as run,
        ):
            assert compare_with_repeated(context, run, document) is None
        assert "repeats_equal" not in tags(context, run.run_id)
        assert words in " ".join(said.getvalue().split())


def sets_of(digests: dict[str, str]) -> list[Evaluated]:
    """What was tested, as far as it is compared."""
    rest: dict[str, Any] = {"bad": BadRows(), "rows": 9, "scanned": 9, "seconds": 1.0}
    facts: dict[str, Any] = {"source": {"kind": "toy"}, "rows": 9}
    return [
        Evaluated(name, {**facts, "digest": digest}, {}, {}, **rest)
        for name, digest in digests.items()
    ]


def figures(auc: float = 1 / 3) -> dict[str, float]:
    found = {"auc": auc, "accuracy": 0.7, "log_loss": 0.1}
    return {f"test/{name}/{one}": value for name in DIGESTS for one, value in found.items()}


def evaluated(context: StageContext, found: dict[str, dict[str, float]]) -> str:
    """The id of the chain whose last step found these figures, by model."""
    runs = context.tracker
    with runs.run("pipeline", name="n", params={}, tags={}) as chain:
        given: dict[str, Any] = {"params": {}, "parent_run_id": chain.run_id}
        with runs.run("evaluate", name="n", tags={"model_id": ",".join(found)}, **given) as run:
            for one in sets_of(DIGESTS):
                run.log_dataset(one.name, one.identity, context="evaluation")
            given["parent_run_id"] = run.run_id
            for model_id, metrics in found.items():
                if len(found) == 1:
                    run.log_metrics(metrics)
                else:
                    with runs.run("tested", name="n", tags={"model_id": model_id}, **given) as part:
                        part.log_metrics(metrics)
    return chain.run_id


SAME, OTHER = figures(), figures(auc=0.25)


CASES: list[tuple[list[str], dict[str, dict[str, float]], dict[str, str], bool | None, str]] = [
    (["m1"], {"m2": SAME}, DIGESTS, True, "its figures equal those of run {}, to the last bit"),
    (["m1"], {"m2": OTHER}, DIGESTS, False, "/a/auc of m2: 0.3333333333333333 there, 0.25 here"),
    (["m1"], {"m2": SAME}, {"a": "m2:9"}, None, "not tested so by run {}, and not compared: a"),
    (["m1", "m2"], {"m1": SAME, "m2": OTHER}, DIGESTS, False, "of run {}: test/a/auc of m2"),
    (["m1", "m2"], {"m2": SAME, "m3": OTHER}, DIGESTS, None, "by run {}, and not compared: m3"),
    ([], {"m1": SAME}, DIGESTS, None, "run {} left no figures to compare with"),
]


def test_figures_are_compared_of_the_same_events(opened: Open, said: io.StringIO) -> None:
    for former, found, digests, equal, words in CASES:
        with opened() as context:
            given = dict.fromkeys(former, SAME)
            repeated = evaluated(context, given) if given else recorded(context, "train")
        with (
            opened(f"repeats='{repeated}'") as context,
            context.tracker.run("evaluate", name="n", params={}, tags={}) as run,
        ):
            assert compare_figures(context, run, found, sets_of(digests)) is equal
        told = {True: "true", False: "false", None: None}[equal]
        assert tags(context, run.run_id).get("repeats_equal") == told
        assert words.format(repeated) in " ".join(said.getvalue().split())


def test_a_chain_is_as_equal_as_its_steps() -> None:
    assert of_both(True, None) is True
    assert of_both(True, False) is False
    assert of_both(None, None) is None


@pytest.fixture
def passage(tmp_path: Path, empty_database: Path) -> Iterator[Passage]:
    """The way to a tracking server of the test's own."""
    folder = tmp_path / "server"
    folder.mkdir()
    with tracking_server(folder, empty_database) as server, Passage(server.address) as found:
        yield found


def test_a_repeated_chain_ends_well_without_its_tracking_server(
    opened: Open, passage: Passage, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = [*TINY, *SMALL, f"tracking.uri={passage.address}"]
    with opened(*overrides) as context:
        publish(context)
        first = train(context)
    with opened(*overrides, f"repeats='{first.run_id}'") as context:
        say = context.console.say

        def saying(text: str) -> None:
            say(text)
            if text.startswith("error: standard error"):  # behind the last table
                passage.close()

        monkeypatch.setattr(context.console, "say", saying)
        result = pipeline(context)
        passage.open()
    assert result.repeats_equal is True  # of its weights: a training tests nothing
    assert tags_of(context, result)["repeats_equal"] == "true"
