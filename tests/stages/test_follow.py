"""Following a topic: each data set once, from the last model, and what was forgotten is seen."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, TopicPartition
from mlflow import MlflowClient
from stages.desk import Open
from stages.following import FOLLOW, documents, followed, published

from susystream.errors import (
    RegistryError,
    SettingsError,
    SliceTruncated,
    StreamError,
    SusystreamError,
)
from susystream.stages.chain import chain_of
from susystream.stages.evaluate import evaluate
from susystream.stages.follow import follow
from susystream.stages.publish import publish
from susystream.stages.result import StageResult
from susystream.stages.run import run_stage
from susystream.stages.train import train


def test_each_data_set_is_learned_once_from_the_last_model(
    opened: Open, said: io.StringIO, tmp_path: Path
) -> None:
    first, second = published(opened, 0, 1)
    begun = followed(opened)
    assert begun.dataset_ids == (first, second)
    assert followed(opened).model_ids == ()  # nothing came
    (third,) = published(opened, 2)
    again = followed(opened, "tracking.pictures=true")
    assert again.dataset_ids == (third,)
    chain = documents(opened, again)
    assert [one.training.dataset_id for one in chain] == [first, second, third]
    assert [one.training.parent_model_id for one in chain] == [
        *(None, chain[0].model_id, chain[1].model_id)
    ]
    assert {one.training.chain for one in chain} == {"report_mlp"}
    assert {str(one.preprocessing) for one in chain} == {str(chain[0].preprocessing)}
    assert len({str(one.test_sets["follow/test"]) for one in chain}) == 1
    aucs = [one.metrics["follow/test/auc"] for one in chain]
    for number, one in enumerate(chain):
        assert one.metrics["follow/forgetting"] == max(aucs[: number + 1]) - aucs[number]
        assert one.metrics["follow/validation/auc"] == one.metrics["validation/auc"]
    assert chain[0].metrics["follow/first/auc"] == pytest.approx(
        chain[0].metrics["validation/auc"], abs=1e-4
    )
    assert all(len(line) <= 80 for line in said.getvalue().splitlines() if "UI" not in line)
    with opened() as context:
        client = MlflowClient(context.tracker.uri)
        run = client.get_run(again.run_id)
        assert run.info.status == "FINISHED"
        note = run.data.tags["mlflow.note.content"]
        assert note.startswith("Chain `report_mlp` of 3 data sets, 1 learned in this run.")
        assert all(one in note for one in (first, second, third))
        steps = client.get_metric_history(again.run_id, "follow/test/auc")
        assert [(one.step, one.value) for one in steps] == list(enumerate(aucs, start=1))
        child = client.get_run(chain[2].mlflow.run_id)
        assert child.info.run_name == f"train on {third[-5:]}"
        assert child.data.tags["mlflow.parentRunId"] == again.run_id
        assert child.data.tags["parent_model_id"] == chain[1].model_id
        assert child.data.metrics["follow/test/auc"] == aucs[2]
        assert [one.path for one in client.list_artifacts(again.run_id, "plots")] == [
            "plots/forgetting.png"
        ]
    written = json.loads((tmp_path / "out" / "result.json").read_text())
    assert written["dataset_ids"] == [third]
    whole = documents(opened, followed(opened, "train.following.chain=in_one_go"))
    assert [one.weights_sha256 for one in whole] == [one.weights_sha256 for one in chain]
    assert [one.metrics["follow/test/auc"] for one in whole] == aucs


def test_what_a_killed_trainer_left_is_judged_if_it_was_proven_and_else_made_again(
    opened: Open,
) -> None:
    (dataset_id,) = published(opened, 0)
    with opened(f"train.dataset={dataset_id}") as context:
        (left,) = train(context, chain="report_mlp").model_ids
    judged = followed(opened)
    assert judged.model_ids == ()
    (document,) = documents(opened, judged)
    assert document.model_id == left
    assert document.metrics["follow/test/auc"] > 0.5
    assert judged.metrics == {}  # of this command, which trained nothing
    assert judged.objective is None
    with opened() as context:
        context.store.set_status(left, "unproven")
    (again,) = documents(opened, followed(opened))
    assert again.model_id != left
    assert again.weights_sha256 == document.weights_sha256
    assert again.metrics["follow/test/auc"] == document.metrics["follow/test/auc"]


def test_a_topic_that_is_not_there_yet_is_waited_for(opened: Open) -> None:
    found: list[StageResult] = []
    with opened(*FOLLOW, "train.following.idle_seconds=120", "train.following.slices=1") as context:
        waiting = threading.Event()
        say = context.console.say

        def heard(text: str) -> None:
            say(text)
            if "waiting for topic" in text and "does not have yet" in text:
                waiting.set()

        context.console.say = heard  # type: ignore[method-assign]
        thread = threading.Thread(target=lambda: found.append(follow(context)), daemon=True)
        thread.start()
        assert waiting.wait(120)
        (first,) = published(opened, 0)
        thread.join(120)
        assert not thread.is_alive()
    assert found[0].dataset_ids == (first,)


def test_the_same_events_published_again_are_not_learned_twice(
    opened: Open, said: io.StringIO
) -> None:
    """Before the chain learned from them the later one is taken; after it, neither."""
    first, early = published(opened, 0, 1)
    (late,) = published(opened, 1, overrides=("stream.reuse=false",))
    assert followed(opened).dataset_ids == (first, late)
    assert f"{early} left out: same events as {late}" in said.getvalue()
    (again,) = published(opened, 0, overrides=("stream.reuse=false",))
    assert followed(opened).dataset_ids == ()
    assert f"{again} left out: same events as {first}" in said.getvalue()


def test_a_chain_goes_on_without_its_first_data_set_and_may_begin_from_a_stored_model(
    opened: Open, said: io.StringIO
) -> None:
    """Such a chain does not learn again what that model and its parents learned."""
    first, _ = published(opened, 0, 1)
    old = followed(opened).inputs["models"]
    with opened() as context:
        partition = TopicPartition(context.settings.stream.topic, 0)
        admin = KafkaAdminClient(bootstrap_servers=context.kafka.bootstrap_servers)
    try:
        admin.delete_records({partition: 10})  # as retention does, of what was learned from
    finally:
        admin.close()
    (third,) = published(opened, 2)
    result = followed(opened)
    assert result.dataset_ids == (third,)
    assert "follow/first/auc" not in result.metrics
    assert f"no figure on the first data set {first}" in said.getvalue()
    result = followed(opened, "train.following.chain=new", f"train.parent={old[-1]}")
    assert result.dataset_ids == (third,)
    (document,) = documents(opened, result)
    assert document.training.parent_model_id == old[-1]
    with opened() as context:
        history = MlflowClient(context.tracker.uri).get_metric_history(
            result.run_id, "follow/test/auc"
        )
    parent = document.metrics["follow/parent/auc"]
    assert [(one.step, one.value) for one in history] == [
        *((0, parent), (1, document.metrics["follow/test/auc"]))
    ]
    best = max(one.value for one in history)
    assert document.metrics["follow/forgetting"] == best - document.metrics["follow/test/auc"]


def test_a_fixed_test_set_of_the_topic_is_not_learned_from(opened: Open, said: io.StringIO) -> None:
    first, test = published(opened, 0, 1)
    mine = f"train.following.test=dataset:{test}"
    result = followed(opened, mine)
    assert result.dataset_ids == (first,)
    assert f"{test} left out: the test set" in said.getvalue()
    (document,) = documents(opened, result)
    with opened(f"evaluate.input=dataset:{test}", "evaluate.scorer=auto") as context:
        found = evaluate(context).metrics[f"test/{test}/auc"]
    assert document.metrics["follow/test/auc"] == found
    with pytest.raises(SettingsError, match=r"set train\.following\.test as it was"):
        followed(opened)


def test_a_data_set_that_holds_events_of_the_test_set_stops_the_chain(opened: Open) -> None:
    published(opened, 0)
    followed(opened)
    with opened("data.rows=1000", "data.offset=1900") as context:  # the holdout is 1800 to 1999
        publish(context)
    with pytest.raises(
        SettingsError, match=r"may hold events; set train\.following\.test"
    ) as caught:
        followed(opened)
    assert "\n" not in str(caught.value)
    with opened() as context:
        assert len(context.store.list_models()) == 1


def test_what_does_not_fit_or_is_gone_stops_the_chain_with_one_line(opened: Open) -> None:
    """Two models after one, another network, a slice that retention cut, a topic that is gone."""
    published(opened, 0, 1)
    head, *_ = followed(opened, "train.following.slices=1").inputs["models"]
    with pytest.raises(SettingsError, match=r"model\.hidden.*train\.following\.chain"):
        followed(opened, "model.hidden=[8]", "model.dropout=[0]")
    with opened() as context:
        topic = context.settings.stream.topic
        admin = KafkaAdminClient(bootstrap_servers=context.kafka.bootstrap_servers)
    with opened(f"train.parent={head}") as context:
        others = [train(context, chain="report_mlp").model_ids[0] for _ in range(2)]
        with pytest.raises(RegistryError, match=f"after {head} in chain .*{others[1]}"):
            followed(opened)
        for other in others:
            context.store.set_status(other, "unproven")
    try:
        admin.delete_records({TopicPartition(topic, 0): 60})
        with pytest.raises(SliceTruncated, match=r"leave it out: train\.following\.since"):
            followed(opened)
        admin.delete_topics([topic])
        with pytest.raises(StreamError, match=f"expected topic {topic}"):
            followed(opened)
    finally:
        admin.close()
    with opened() as context:
        assert [one.model_id for one in chain_of(context.store.list_models(), "report_mlp")] == [
            head
        ]


def test_a_second_command_does_not_follow_the_same_chain(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    from susystream.stages import follow as follow_stage

    monkeypatch.setattr(follow_stage, "_LOCK_SECONDS", 0.1)
    with opened(*FOLLOW) as context, follow_stage._alone(context, "report_mlp"):
        with pytest.raises(SettingsError, match="one command to follow chain report_mlp"):
            followed(opened)
        assert followed(opened, "train.following.chain=another").model_ids == ()


def test_stage_train_follows_where_it_is_told_to(opened: Open, tmp_path: Path) -> None:
    published(opened, 0)
    with opened(*FOLLOW, "train.following.slices=1") as context:
        auc = run_stage(context.settings, output=tmp_path / "mine").objective
    written = json.loads((tmp_path / "mine" / "result.json").read_text())
    assert written["stage"] == "follow"
    assert written["metrics"]["follow/test/auc"] == auc


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["train.dataset=d123"], "expected no dataset with follow=true"),
        (["stage=pipeline"], "expected stage=train with train.follow=true"),
        (["train.following.test=dataset:latest"], "expected dataset:<id>"),
        (["train.following.test='slice:a'"], r"expected dataset:<id or latest> or slice:"),
        (["train.following.since=latest"], "expected a data set's id, or a time"),
        (["train.following.poll_seconds=0"], r"train\.following\.poll_seconds"),
    ],
)
def test_what_cannot_be_followed_is_refused_at_once(
    opened: Open, overrides: list[str], words: str
) -> None:
    with pytest.raises(SettingsError, match=words), opened(*FOLLOW, *overrides):
        pass


def test_a_test_set_that_cannot_be_is_told_before_there_is_a_data_set(opened: Open) -> None:
    with pytest.raises(SusystreamError, match=r"nofile\.csv"):
        followed(opened, "train.following.test=nofile.csv")


def test_another_test_set_than_the_chain_s_is_told_without_a_new_data_set(opened: Open) -> None:
    published(opened, 0)
    followed(opened)
    with opened() as context:
        topic = context.settings.stream.topic
    published(opened, 5, overrides=(f"stream.topic={topic}-test",))
    with pytest.raises(SettingsError, match="expected the test set of the chain's first model"):
        followed(opened, f"train.following.test='slice:{topic}-test/0:0-20'")
