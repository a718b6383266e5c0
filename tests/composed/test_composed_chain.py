"""Every part as its own container: the chain ends, its results are where they belong, and what is
killed in the middle of its work costs nothing. The tests go on with what those before them left."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator

import numpy as np
import pytest
from composed.containers import OURS, ROOT, Composed, docker, until
from e2e.mlflow_ui import PATIENCE_MS, Ui, browsed, picture
from kafka import KafkaAdminClient
from mlflow import MlflowClient
from mlflow.entities import Run
from playwright.sync_api import expect

from susystream.registry.document import ModelDocument
from susystream.registry.store import ModelStore
from susystream.schema import Float32Array, Int64Array
from susystream.stages.models import scorer_plan_of
from susystream.stream.codec import codec_named
from susystream.stream.connection import KafkaConnection
from susystream.stream.consumer import KafkaReader
from susystream.stream.scores import read_scores
from susystream.stream.slices import ContentDigest, TopicSlice
from susystream.stream.topics import watermarks

pytestmark = [pytest.mark.timeout(1800)]
GIB = 1024**3
TOPIC, GROUP = "susy", "susystream-score"
EPOCHS = 8
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def chain(composed: Composed, seen: list[str]) -> Composed:
    """The chain, run once to its end, with three scorers."""
    began = time.monotonic()
    done = composed.up("--scale", "score=3")
    assert done.returncode == 0, done.stdout + done.stderr
    for stage in ("publish", "train", "evaluate"):
        assert f"{stage} | {stage} " in done.stdout  # what each prints, in whatever time zone
    seen.append(f"up, to the end of the chain: {time.monotonic() - began:.0f} s")
    return composed


@pytest.fixture
def tracking(chain: Composed) -> MlflowClient:
    return MlflowClient(f"http://{chain.address('MLFLOW_PORT')}")


@pytest.fixture
def store(chain: Composed) -> Iterator[ModelStore]:
    with ModelStore(chain.store_uri, timeout_seconds=30) as opened:
        yield opened


@pytest.fixture
def kafka(chain: Composed) -> KafkaConnection:
    return KafkaConnection(chain.address("KAFKA_PORT"), 30.0)


def runs_of(tracking: MlflowClient, stage: str) -> list[Run]:
    """The newest first."""
    experiment = tracking.get_experiment_by_name("susystream")
    assert experiment is not None
    wanted = f"tags.stage = '{stage}'"
    found = tracking.search_runs([experiment.experiment_id], wanted, order_by=["start_time DESC"])
    return list(found)


def test_the_image_is_small_says_its_commit_and_runs_as_nobody_special(
    chain: Composed, seen: list[str]
) -> None:
    size = int(docker("image", "inspect", "--format", "{{.Size}}", OURS))
    seen.append(f"image susystream: {size / GIB:.2f} GiB")
    assert size < 3.3 * GIB
    label = '{{index .Config.Labels "org.opencontainers.image.revision"}}'
    commit = docker("image", "inspect", "--format", label, OURS).strip()
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=ROOT)
    assert commit.removesuffix("-dirty") == head.stdout.strip()
    user = docker("run", "--rm", "--entrypoint", "id", OURS, "-u").strip()
    assert user == "10001"
    files = docker(
        "run", "--rm", "--entrypoint", "sh", OURS, "-c", "touch /opt/susystream/x || echo no"
    )
    assert files.strip().endswith("no")


def test_the_results_of_the_chain_are_in_mlflow_and_in_the_store(
    chain: Composed, tracking: MlflowClient, store: ModelStore
) -> None:
    model = store.load_model("latest")
    (train,), (evaluate,) = runs_of(tracking, "train"), runs_of(tracking, "evaluate")
    assert train.data.tags["model_id"] == model.model_id == evaluate.data.tags["model_id"]
    assert [one.info.status for one in (train, evaluate)] == ["FINISHED", "FINISHED"]
    assert model.mlflow.run_id == train.info.run_id
    assert re.fullmatch("[0-9a-f]{40}", train.data.tags["commit"])
    names = {one.path for one in tracking.list_artifacts(evaluate.info.run_id, "plots")}
    assert names, "pictures go through the server: its artifacts are proxied"
    assert chain.secret not in str((train.data, evaluate.data, model.to_json()))


def test_no_secret_is_in_what_the_containers_say_or_in_the_image(chain: Composed) -> None:
    said = [chain.said(one) for one in chain.compose("ps", "--all", "--quiet").split()]
    assert len(said) >= 9
    said += [docker("top", one) for one in chain.compose("ps", "--quiet").split()]
    assert not any(chain.secret in one for one in said)
    assert chain.secret not in docker("history", "--no-trunc", OURS)


def test_a_browser_shows_the_runs_and_a_picture_that_came_through_the_server(
    chain: Composed, tracking: MlflowClient
) -> None:
    (train,) = runs_of(tracking, "train")
    address = f"http://{chain.address('MLFLOW_PORT')}"
    with browsed() as page:
        ui = Ui(page, address, tracking, train.info.experiment_id)
        ui.open_list()
        for stage in ("publish", "train", "evaluate"):
            expect(page.get_by_role("link", name=re.compile(f"^{stage}\\b")).first).to_be_visible()
        picture(page, "runs")
        ui.open_run(train, "/artifacts/plots/learning_curves.png")
        shown = page.locator("img[src^='blob:'], img[src*='artifact']").first
        expect(shown).to_be_visible()
        picture(page, "artifact")


def test_a_model_is_verified_from_outside_the_containers(chain: Composed) -> None:
    done = subprocess.run(
        ["susystream", "models", "verify", "latest"],
        env={
            **chain.environment,
            "SUSYSTREAM_REGISTRY_URI": chain.store_uri,
            "MLFLOW_TRACKING_URI": f"http://{chain.address('MLFLOW_PORT')}",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def test_three_scorers_share_the_partitions(chain: Composed) -> None:
    admin = KafkaAdminClient(bootstrap_servers=chain.address("KAFKA_PORT"))

    def shares() -> list[int]:
        members = admin.describe_groups([GROUP])[GROUP]["members"]
        assigned = [one["member_assignment"]["assigned_partitions"] for one in members]
        return sorted(sum(len(topic["partitions"]) for topic in one) for one in assigned)

    try:
        until(lambda: shares() == [2, 2, 2], "three members with two partitions each", seconds=120)
    finally:
        admin.close()


def test_the_notebook_runs_from_top_to_bottom_in_its_container(
    chain: Composed, seen: list[str]
) -> None:
    (container,) = chain.ids("notebook")
    executing = ["jupyter", "nbconvert", "--execute", "--to", "notebook", "--output-dir", "/tmp"]
    began = time.monotonic()
    docker("exec", container, *executing, "/notebooks/explore.ipynb", seconds=900)
    seen.append(f"notebook, in its container: {time.monotonic() - began:.0f} s")


VICTIMS = ("kafka", "mongo", "mlflow", "train")


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_training_in_which_a_container_is_killed_ends_with_the_same_weights(
    victim: str, chain: Composed, tracking: MlflowClient, store: ModelStore, seen: list[str]
) -> None:
    before = store.list_models()
    first = store.load_model("latest")
    chain.compose("up", "--detach", "--no-build", "--no-deps", "--force-recreate", "train")
    (training,) = chain.ids("train")
    until(lambda: "epoch 2" in chain.said(training), "two epochs")
    chain.kill(chain.ids(victim)[0])
    assert chain.state(training)["Running"], "it ended before the kill: it needs more epochs"
    assert chain.ended("train") == 0, chain.said(training)

    second = store.load_model("latest")
    assert len(store.list_models()) == len(before) + 1
    assert second.model_id != first.model_id
    assert second.weights_sha256 == first.weights_sha256
    run, *older = runs_of(tracking, "train")
    assert (run.info.status, run.data.tags["model_id"]) == ("FINISHED", second.model_id)
    history = tracking.get_metric_history(run.info.run_id, "train/loss")
    assert sorted({one.step for one in history}) == list(range(EPOCHS))
    assert [one.info.status for one in older if one.info.status == "RUNNING"] == []
    if victim == "train":
        assert older[0].info.status == "KILLED"
    seen.append(f"| {victim} | in training | 1 | the same weights, all {EPOCHS} epochs in MLflow |")


def test_publishers_and_scorers_that_are_killed_lose_and_repeat_nothing(
    chain: Composed, store: ModelStore, kafka: KafkaConnection, seen: list[str]
) -> None:
    chain.variables = {
        **chain.variables,
        "OVERRIDES": "data.rows=400000 data.offset=10000000 stream/codec=csv",
    }
    high = height(kafka)
    chain.compose("up", "--detach", "--no-build", "--no-deps", "--force-recreate", "publish")
    (publisher,) = chain.ids("publish")
    until(lambda: height(kafka) > high + 1000, "messages")
    chain.kill(publisher)
    grown = height(kafka)
    until(lambda: height(kafka) > grown + 1000, "more messages")
    for scorer in chain.ids("score"):
        chain.kill(scorer)
    assert chain.ended("publish") == 0, chain.said(publisher)
    until(lambda: lag(chain, kafka) == 0, "all scores")

    events, wanted = events_of(store, kafka)
    found = list(read_scores(kafka, f"{TOPIC}.scores"))
    scored = np.concatenate([one.numbers for one in found])
    assert len(scored) == len(np.unique(scored)) == len(events)
    places = np.searchsorted(events, scored)
    assert (events[places] == scored).all()
    scores = np.concatenate([one.scores for one in found])
    assert np.abs(scores - wanted[places]).max() < 1e-5
    seen.append(f"| publish, score (three) | in mid-work | 4 | {len(scored):,} events, each once |")


def height(kafka: KafkaConnection) -> int:
    """Messages on the topic."""
    return sum(high for _, high in watermarks(kafka, TOPIC).values())


def lag(chain: Composed, kafka: KafkaConnection) -> int:
    """Messages that the group has not scored."""
    admin = KafkaAdminClient(bootstrap_servers=chain.address("KAFKA_PORT"))
    try:
        places = admin.list_group_offsets(GROUP)[GROUP]
        done = {one.partition: place.offset for one, place in places.items() if one.topic == TOPIC}
    finally:
        admin.close()
    held = watermarks(kafka, TOPIC)
    return sum(high - done.get(partition, 0) for partition, (_, high) in held.items())


def events_of(store: ModelStore, kafka: KafkaConnection) -> tuple[Int64Array, Float32Array]:
    """Sorted numbers of all events of the registered data sets, proven, and the model's scores."""
    model: ModelDocument = store.load_model("latest")
    scorer = scorer_plan_of(model).open(threads=2, block_rows=4096)
    numbers, scores = list[Int64Array](), list[Float32Array]()
    for record in store.list_datasets():
        digest = ContentDigest()
        reader = KafkaReader(kafka, codec_named(record.codec))
        for batch in reader.batches(TopicSlice.from_json(record.slice)):
            digest = digest.update(batch)
            numbers.append(batch.numbers)
            scores.append(1 / (1 + np.exp(-scorer.logits(batch.features))))
        assert (str(digest), digest.rows) == (record.digest, record.rows), record.dataset_id
    events, places = np.unique(np.concatenate(numbers), return_index=True)
    return events, np.concatenate(scores)[places]


def test_a_stage_that_failed_before_does_not_fail_a_start_of_the_servers(chain: Composed) -> None:
    chain.variables = {**chain.variables, "OVERRIDES": "evaluate.rowz=3"}
    chain.compose("up", "--detach", "--no-build", "--no-deps", "--force-recreate", "evaluate")
    assert chain.ended("evaluate") == 2
    done = chain.up("kafka", "mongo", "mlflow")
    assert done.returncode == 0, done.stderr


def test_a_setting_that_a_stage_does_not_take_is_told_with_its_variable(chain: Composed) -> None:
    chain.variables = {**chain.variables, "OVERRIDES": "train.epochs=zz"}
    done = chain.up("publish")
    assert done.returncode != 0
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("docker/up.sh: publish: expected settings that it takes")
    assert line.endswith(
        "correct OVERRIDES, EXPERIMENT, PARTITIONS or SUSYSTREAM_IMAGE in the environment"
    )
    assert "received 'zz'" in done.stdout + done.stderr


def test_a_port_that_is_taken_stops_no_service_that_runs(chain: Composed) -> None:
    (broker,) = chain.ids("kafka")
    own = chain.variables
    with socket.create_server(("127.0.0.1", 0)) as taken:
        chain.variables = {**own, "KAFKA_PORT": str(taken.getsockname()[1])}
        done = chain.up("kafka", "mongo", "mlflow")
    chain.variables = own
    assert "docker/up.sh: kafka: expected port" in done.stderr
    assert chain.ids("kafka") == [broker]
    assert chain.state(broker)["Status"] == "running"


def test_a_stage_that_an_earlier_start_left_running_sees_what_this_one_makes(
    chain: Composed, tracking: MlflowClient, store: ModelStore
) -> None:
    few = "data.rows=20000 train.epochs=1 evaluate.sets.toy_large.rows=10000000"
    chain.variables = {**chain.variables, "OVERRIDES": few, "SUSYSTREAM_IMAGE": OURS}
    chain.compose("up", "--detach", "--no-build", "--no-deps", "--force-recreate", "evaluate")
    (left,) = chain.ids("evaluate")
    assert chain.state(left)["Status"] == "running"
    done = chain.up()
    assert done.returncode == 0, done.stderr
    assert "stopping evaluate, which an earlier start left running" in done.stdout
    assert runs_of(tracking, "evaluate")[0].data.tags["model_id"] == store.model_id_of("latest")


def test_spark_counts_the_same_figures_bit_for_bit(chain: Composed, tracking: MlflowClient) -> None:
    few = "data.rows=20000 train.epochs=1 evaluate.sets.toy_large.rows=200000"
    chain.variables = {**chain.variables, "OVERRIDES": few}
    done = chain.up("--profile", "spark")
    assert done.returncode == 0, done.stderr
    assert "evaluate-spark | evaluate " in done.stdout
    by_spark, by_polars, *_ = (_figures(one) for one in runs_of(tracking, "evaluate"))
    assert by_spark == by_polars
    assert len(by_spark) > 20


def _figures(run: Run) -> dict[str, float]:
    """All but how fast it was."""
    slow = ("rows_per_second", "seconds", "system/")
    return {
        name: value
        for name, value in run.data.metrics.items()
        if name.startswith("test/") and not any(one in name for one in slow)
    }
