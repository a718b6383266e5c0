"""A run told as overrides composes exactly its settings; what cannot be repeated is one line."""

from __future__ import annotations

import re
import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag
from omegaconf import OmegaConf

from susystream.as_overrides import text_of
from susystream.composition import composed_settings, config_folder
from susystream.errors import SettingsError, SusystreamError, TrackingError
from susystream.logged_run import overrides_of
from susystream.repeating import is_asked, other_code, repeated
from susystream.settings import public_config
from susystream.settings.data import SliceSet
from susystream.settings.engine import SparkEngine
from susystream.tracking.code import code_state, library_versions
from susystream.tracking.label import REUSED_FROM
from susystream.tracking.recorded_run import RecordedRun
from susystream.tracking.tracker import Tracker

_CHARACTERS = st.sampled_from([*"ab19'\"\\ $:,=[](){}~|é\n\t.+-%#@/"])
_TEXTS = st.text(_CHARACTERS, max_size=12).filter(lambda text: "\\${" not in text)
_NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
_KEYS = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,6}", fullmatch=True).filter(
    lambda key: key.lower() not in {"null", "true", "false", "nan", "inf"}
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)),
    max_leaves=6,
)


@given(VALUES)
def test_every_value_has_a_text_that_hydra_reads_as_the_same(value: Any) -> None:
    (override,) = OverridesParser.create().parse_overrides([f"++a={text_of(value)}"])
    config = OmegaConf.create({})
    OmegaConf.update(config, "a", override.value(), force_add=True)
    assert OmegaConf.to_container(config, resolve=True) == {"a": value}


ID = "d20261126-024851417-rdf54"


def logged(*overrides: str, tags: dict[str, str] | None = None, **changed: Any) -> RecordedRun:
    """What a run of these overrides logged of its settings."""
    config = {**public_config(composed_settings(overrides)), **changed}
    return RecordedRun("f" * 32, config, tags or {}, {})


def told(run: RecordedRun, *typed: str, stage: str = "train") -> list[str]:
    return overrides_of(run, stage=stage, typed=typed)


RECIPES = sorted(path.stem for path in (config_folder() / "experiment").glob("*.yaml"))
RUNS = [
    [],
    *([f"experiment={name}"] for name in RECIPES),
    ["stage=train", "seed=7", "train.learning_rate=1e-05", "model.hidden=[8]", "model.dropout=[0]"],
    ["data=susy", "data.path='/a b/it\\'s.csv'", "data.limit=5", "stream/codec=csv"],
    ["data=real_sample", "evaluate.input='dataset:d1'", "model.features=[MT2,R]"],
    ["~evaluate.sets.real", "+evaluate.sets.mine={kind: file, path: my.parquet}"],
    ["~evaluate.sets.toy_large", "+evaluate.sets.toy_large={kind: slice, events: 'slice:t/0:0-5'}"],
    ["evaluate/engine=spark", "evaluate.engine.options={spark.executor.cores: 2}"],
    ["stream/reader=tfio", "evaluate.sets.toy_large.rows=77", "evaluate.models=[a,b]"],
    ["++evaluate.sets={v1.0: {kind: slice, events: 'dataset:d1'}, v1: {kind: toy, rows: 7}}"],
]


@pytest.mark.parametrize("overrides", RUNS, ids=str)
def test_a_run_as_overrides_composes_its_own_settings(overrides: list[str]) -> None:
    run = logged(*overrides)
    assert public_config(composed_settings(told(run))) == run.config


def test_only_what_is_not_usual_is_told() -> None:
    assert told(logged()) == []
    assert told(logged("seed=7", "stage=train")) == ["stage=train", "++seed=7"]


def test_places_are_those_of_the_command_that_repeats() -> None:
    places = [
        *("home=/else", "tracking.uri=http://else", "registry.uri=mongodb://else/"),
        *("stream.bootstrap_servers=else:9", "stream.timeout_seconds=99", "repeats=abc"),
        *("stream.security={security.protocol: SSL}", "stream.reader.stall_seconds=99"),
    ]
    assert told(logged(*places)) == []


def test_what_is_typed_replaces_what_was_logged() -> None:
    run = logged("data=susy", "data.limit=5", "train.epochs=9", "seed=7")
    assert told(run, "train.epochs=3", "data=toy", "-m") == ["++seed=7"]
    assert told(run, "++seed=1", "~train.epochs", "data=toy") == []


@pytest.mark.parametrize(
    ("stage", "tags", "words"),
    [
        ("train", {"dataset_id": "d1"}, ["++train.dataset=d1"]),
        ("pipeline", {"dataset_id": "d1", "model_id": "m1"}, []),
        ("train", {"parent_model_id": "m0"}, ["++train.parent=m0"]),
        ("evaluate", {"model_id": "m1,m2"}, ["++evaluate.models=[m1, m2]"]),
    ],
)
def test_latest_becomes_what_it_was(stage: str, tags: dict[str, str], words: list[str]) -> None:
    assert told(logged(tags=tags), f"stage={stage}", stage=stage) == words


def test_a_data_set_to_test_on_becomes_what_it_was() -> None:
    kind = "{kind: slice, events: 'dataset:latest'}"
    for overrides, word in (
        (["evaluate.input='dataset:latest'"], "++evaluate.input='dataset:d9'"),
        (
            [f"+evaluate.sets.mine={kind}"],
            "++evaluate.sets.mine={kind: slice, events: 'dataset:d9'}",
        ),
        (
            [f"++evaluate.sets={{v1.0: {kind}}}"],
            "++evaluate.sets={v1.0: {kind: slice, events: 'dataset:d9'}}",
        ),
    ):
        run = logged(*overrides)
        of_set = RecordedRun(run.run_id, run.config, {}, {"mine": "d9", "v1.0": "d9"})
        assert told(of_set, stage="evaluate") == [word]


def test_what_helps_with_a_set_whose_name_holds_a_dot_can_be_typed() -> None:
    """And replaces that set alone, for Hydra merges the two mappings."""
    run = logged(
        "++evaluate.sets={v1.0: {kind: slice, events: 'dataset:latest'}}",
        "++evaluate.sets={v1: {kind: toy, rows: 7}, v1.1: {kind: slice, events: 'dataset:latest'}}",
    )
    typed: list[str] = []
    for name in ("v1.0", "v1.1"):
        place = rf"which id evaluate\.sets\.{re.escape(name)}\.events="
        with pytest.raises(SettingsError, match=place) as caught:
            told(run, *typed, stage="evaluate")
        typed += shlex.split(str(caught.value).rpartition("type one: ")[2].replace("…", "d9"))
    sets = composed_settings([*told(run, *typed, stage="evaluate"), *typed]).evaluate.sets
    assert sets["v1.0"] == sets["v1.1"] == SliceSet(events="dataset:d9")
    assert {**public_config(composed_settings([]))["evaluate"]["sets"]}.keys() < sets.keys()
    assert sets["v1"].model_dump()["rows"] == 7


def test_a_typed_mapping_replaces_what_it_names_alone() -> None:
    run = logged("model.hidden=[8]", "model.dropout=[0.5]", "evaluate.sets.toy_large.rows=77")
    words = told(run, "model={hidden: [9]}", "evaluate.sets={toy_large: {seed: 3}}")
    assert words == ["++model.dropout=[0.5]", "++evaluate.sets.toy_large.rows=77"]


@pytest.mark.parametrize(
    ("typed", "left"),
    [
        ("evaluate.sets={toy_large: {kind: toy, rows: 5}}", {"rows": 5, "offset": 9}),
        ("evaluate.sets.toy_large={kind: toy, rows: 5}", {"rows": 5, "offset": 9}),
        ("evaluate.sets.toy_large={kind: real_sample}", None),
        ("evaluate.sets.toy_large.kind=real_sample", None),
    ],
)
def test_a_typed_set_replaces_the_runs_settings_only_if_it_is_of_another_kind(
    typed: str, left: dict[str, int] | None
) -> None:
    run = logged("evaluate.sets.toy_large.rows=77", "evaluate.sets.toy_large.offset=9")
    words = told(run, typed, stage="evaluate")
    if left is None:
        assert words == []
        return
    found = composed_settings([*words, typed]).evaluate.sets["toy_large"]
    assert found.model_dump() == {"kind": "toy", **left}


def test_a_hidden_value_must_be_typed() -> None:
    run = logged("data=susy", "data.url='http://h/SUSY.csv.gz?sig=hunter2'")
    with pytest.raises(SettingsError, match=r"type it: data\.url=…$") as caught:
        told(run)
    assert "hunter2" not in str(caught.value)
    assert told(run, "data.url='http://h/SUSY.csv.gz?sig=hunter3'") == ["data=susy"]


def test_a_hidden_value_within_a_mapping_is_typed_as_the_line_says() -> None:
    """And nothing else of the mapping."""
    names = ["spark.mongodb.password", "spark.ssl.keyPassword"]
    secrets = ", ".join(f"{name}: hunter2" for name in names)
    run = logged("evaluate/engine=spark", f"evaluate.engine.options={{{secrets}, spark.a: 8}}")
    typed: list[str] = []
    for name in names:
        with pytest.raises(SettingsError, match=rf"options\.{re.escape(name)} to rep") as caught:
            told(run, *typed, stage="evaluate")
        cure = str(caught.value).rpartition("type it: ")[2].replace("…", f"new {name}")
        typed += shlex.split(cure)
    for words in (typed, [word.lstrip("+") for word in typed]):
        engine = composed_settings([*told(run, *words, stage="evaluate"), *words]).evaluate.engine
        assert isinstance(engine, SparkEngine)
        assert engine.options == {**{name: f"new {name}" for name in names}, "spark.a": 8}


def test_settings_of_another_version_are_named_with_their_commit() -> None:
    tags = {"version": "9.9.9", "commit": "abcdef0123456789"}
    run = logged(tags=tags, train={"epochs": 3, "warp": 9})
    with pytest.raises(SettingsError, match=r"version 9\.9\.9, commit abcdef012345 .*train\.warp"):
        told(run)
    run = logged(tags=tags, data={"kind": "lhe"})
    with pytest.raises(SettingsError, match=r"repeat it with that commit$"):
        told(run)


def test_a_setting_that_is_newer_than_the_run_has_its_default() -> None:
    run = logged("train.epochs=9")
    del run.config["train"]["shuffle_window"]
    del run.config["score"]
    assert told(run) == ["++train.epochs=9"]


@dataclass(frozen=True)
class Server:
    """A tracking database with some runs, none of which computed anything."""

    uri: str
    ids: dict[str, str]

    def repeat(self, *typed: str, parameters: tuple[str, ...] = ()) -> list[str]:
        return repeated(parameters, [*typed, f"tracking.uri={self.uri}"])

    def refusal(self, kind: type[SusystreamError], *typed: str) -> str:
        with pytest.raises(kind) as caught:
            self.repeat(*typed)
        message = str(caught.value)
        assert "\n" not in message
        return message


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("repeating")
    shutil.copy(empty_database, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # MLflow puts ./mlruns into the current folder
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        uri = f"sqlite:///{folder}/mlflow.db"
        tracker = Tracker(uri, "tests", system_metrics=False)
        ids = {}
        for stage in ("train", "pipeline", "score"):
            params = public_config(composed_settings([f"stage={stage}", "seed=7"]))
            with tracker.run(stage, name="n", params=params, tags={"dataset_id": "d1"}) as run:
                ids[stage] = run.run_id
        follow = public_config(composed_settings(["stage=train", "train.follow=true"]))
        with tracker.run("follow", name="n", params=follow, tags={}) as run:
            ids["follow"] = run.run_id
        ids |= chains(tracker)
        swept = {"sweep": "seed=1,2", "best_run_id": ids["train"]}
        with tracker.run("sweep", name="n", params=params, tags=swept) as run:
            ids["sweep"] = run.run_id
            with tracker.run(
                "tested", name="n", params={}, tags={}, parent_run_id=run.run_id
            ) as one:
                ids["tested"] = one.run_id
        for name, text in (("broken", "a: ["), ("dated", "a: 2024-13-01"), ("deleted", "a: [")):
            with tracker.run("train", name="n", params=params, tags={}) as run:
                run.log_artifact_text("config.yaml", text)
                ids[name] = run.run_id
        Path("config.yaml").write_bytes(b"a: \xff")
        with tracker.run("train", name="n", params=params, tags={}) as run:
            run.log_artifact(Path("config.yaml"))
            ids["latin"] = run.run_id
        MlflowClient(uri).delete_run(ids["deleted"])
        for name, first in (("copy", ids["deleted"]), ("lone", "0" * 32)):
            reused = {REUSED_FROM: first}
            with tracker.run("reused", name="n", params={}, tags=reused) as run:
                ids[name] = run.run_id
        ids["foreign"] = str(MlflowClient(uri).create_run("0").info.run_id)
        yield Server(uri, ids)


def sliced(dataset_id: str) -> dict[str, Any]:
    """What is logged of a data set."""
    span = {"topic": "t", "partitions": {"0": [0, 9]}}
    facts = {"dataset_id": dataset_id, "cluster_id": "c", "slice": span, "codec": "block"}
    return {**facts, "source": facts, "rows": 9, "digest": "m2:" + "0" * 32}


def chains(tracker: Tracker) -> dict[str, str]:
    """A chain whose steps took what `latest` named then, and one that was killed before."""
    named = ["train.parent=latest", "evaluate.input='dataset:latest'"]
    params = public_config(composed_settings(named))
    with tracker.run("pipeline", name="n", params=params, tags={}) as chain:
        steps = {
            "publish": {"dataset_id": "dTRAIN"},
            "train": {"dataset_id": "dTRAIN", "parent_model_id": "m0", "model_id": "m1"},
            "evaluate": {"model_id": "m1"},
        }
        for stage, tags in steps.items():
            with tracker.run(
                stage, name="n", params={}, tags=tags, parent_run_id=chain.run_id
            ) as step:
                if stage == "evaluate":
                    step.log_dataset("dTEST", sliced("dTEST"), context="evaluation")
        chain.log_dataset("toy", sliced("dTRAIN"), context="training")
        chain.set_tags({"dataset_id": "dTRAIN", "model_id": "m1"})
    with tracker.run("pipeline", name="n", params=params, tags={}) as killed:
        tags = steps["publish"]
        with tracker.run("publish", name="n", params={}, tags=tags, parent_run_id=killed.run_id):
            pass
    return {"chain": chain.run_id, "killed": killed.run_id}


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("pipeline", ["++train.parent=m0", "++evaluate.input='dataset:dTEST'"]),
        ("train", ["++train.dataset=dTRAIN", "++train.parent=m0"]),
        ("evaluate", ["++evaluate.models=[m1]", "++evaluate.input='dataset:dTEST'"]),
    ],
)
def test_a_chain_takes_what_its_steps_took(server: Server, stage: str, words: list[str]) -> None:
    told = server.repeat("--from-run", server.ids["chain"], f"stage={stage}")
    assert set(words) <= {*told}
    assert not [word for word in told if "latest" in word]


def test_a_chain_that_never_said_what_latest_was_is_one_line(server: Server) -> None:
    killed = ["--from-run", server.ids["killed"]]
    for words, name in (
        ([], "evaluate.input"),
        (["evaluate.input=my.csv"], "train.parent"),
        (["stage=train"], "train.parent"),
        (["stage=evaluate", "evaluate.input=my.csv"], "evaluate.models"),
    ):
        told = server.refusal(SettingsError, *killed, *words)
        assert re.search(rf"which id {name}=(dataset:)?latest was.*; type one: {name}=…$", told)
    assert "++train.dataset=dTRAIN" in server.repeat(*killed, "stage=train", "train.parent=m5")


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["stage=train"], "train.dataset=latest"),
        (["stage=train", f"train.dataset={ID}", "train.parent=best"], "train.parent=best"),
        (["stage=evaluate", f"evaluate.models=[{ID},latest]"], f"evaluate.models={ID},latest"),
        (["stage=train", f"train.dataset={ID}", f"train.parent={ID}"], None),
        (["stage=evaluate", f"evaluate.models=[{ID},{ID[:-1]}x]"], None),
    ],
)
def test_a_run_that_failed_before_it_said_what_a_name_was_is_one_line(
    overrides: list[str], name: str | None
) -> None:
    run, stage = logged(*overrides, tags={"error": "…"}), overrides[0].partition("=")[2]
    if name is None:
        assert told(run, stage=stage)
        return
    with pytest.raises(SettingsError, match=f"which id {re.escape(name)} was, received none"):
        told(run, stage=stage)


def test_a_run_with_inputs_of_other_programs_is_repeated(server: Server) -> None:
    client, run_id = MlflowClient(server.uri), server.ids["train"]
    for source in ("s3://b/x", '["dataset_id", "slice"]', "3"):
        dataset = Dataset(f"of {source[:2]}", "d", "s3", source)
        inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", "evaluation")])]
        client.log_inputs(run_id, inputs)
    assert "++train.dataset=d1" in server.repeat("--from-run", run_id)


def test_a_run_is_found_by_its_id_or_its_beginning(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id, place = server.ids["train"], f"tracking.uri={server.uri}"
    wanted = ["stage=train", "++seed=7", "++train.dataset=d1", f"repeats='{run_id}'"]
    for words in (["--from-run", run_id], [f"--from-run={run_id[:12]}"]):
        assert is_asked(words)
        assert server.repeat(*words) == [*wanted, place]
    assert f"repeats run {run_id}: stage=train ++seed=7" in capsys.readouterr().err
    composed = composed_settings(wanted)
    assert (composed.repeats, composed.seed, composed.train.dataset) == (run_id, 7, "d1")


def test_a_step_of_a_chain_may_be_repeated_alone(server: Server) -> None:
    words = server.repeat("--from-run", server.ids["pipeline"], "stage=train", "-m", "seed=1,2")
    assert words[:2] == ["++train.dataset=d1", f"repeats='{server.ids['pipeline']}'"]
    assert words[2:5] == ["stage=train", "-m", "seed=1,2"]


@pytest.mark.parametrize(
    ("entry", "run", "changed"),
    [
        ("main", "train", []),
        ("sweep", "train", []),
        ("train", "train", ["stage=train"]),
        ("train", "pipeline", ["stage=train"]),
    ],
)
def test_parameters_of_an_entry_point_count_if_a_person_changed_them(
    server: Server, entry: str, run: str, changed: list[str]
) -> None:
    """`mlflow run` gives every parameter, asked or not."""
    given = {
        "main": ["stage=pipeline", "experiment=quickstart", "seed=42"],
        "sweep": ["stage=pipeline", "hydra/launcher=basic", "seed=42"],
        "train": ["stage=train", "train.dataset=latest", "train.epochs=5", "seed=42"],
    }[entry]
    asked = server.repeat("--from-run", server.ids[run], parameters=tuple(given))
    assert [word for word in asked if word in given] == changed
    composed = composed_settings([word for word in asked if not word.startswith(("track", "-"))])
    assert (composed.stage.name, composed.seed, composed.train.dataset) == ("train", 7, "d1")
    given[-1] = "seed=8"
    asked = server.repeat("--from-run", server.ids[run], parameters=tuple(given))
    assert "seed=8" in asked
    assert "++seed=7" not in asked


@pytest.mark.parametrize(
    ("words", "kind", "told"),
    [
        ("--from-run", SettingsError, "expected one run id behind --from-run, received none"),
        ("--from-run a --from-run b", SettingsError, "received a b"),
        ("--from-run best", TrackingError, "received 'best'; correct the id"),
        ("--from-run " + "0" * 32, TrackingError, "received none; correct the id"),
        ("--from-run " + "0" * 31, TrackingError, "received none; correct the id"),
        ("--from-run {foreign}", TrackingError, "config.yaml), received none"),
        ("--from-run {score}", SettingsError, "of stage score"),
        ("--from-run {follow}", SettingsError, "of stage follow; repeat a run below it, or"),
        (
            "--from-run {sweep}",
            SettingsError,
            "its best trial (susystream run --from-run {train}, all of them with -m seed=1,2 "
            "beside it), another run below it, or another",
        ),
        ("--from-run {tested}", TrackingError, "repeat the evaluation: --from-run {sweep}"),
        ("--from-run {broken}", TrackingError, "expected YAML in config.yaml of run {broken}, rec"),
        ("--from-run {dated}", TrackingError, "expected YAML in config.yaml of run {dated}, rec"),
        ("--from-run {latin}", TrackingError, "expected YAML in config.yaml of run {latin}, rec"),
        (
            "--from-run {copy}",
            TrackingError,
            "of which {copy} is a copy, received one that",
        ),
        ("--from-run {copy}", TrackingError, "mlflow runs restore --run-id {deleted}"),
        ("--from-run {lone}", TrackingError, "of which {lone} is a copy, received none"),
        ("--from-run {deleted}", TrackingError, "deleted; restore it: MLFLOW_TRACKING_URI="),
        ("--from-run {deleted:.12}", TrackingError, "mlflow runs restore --run-id {deleted}"),
        ("--from-run {train} stage=evaluate", SettingsError, "expected stage=train"),
        ("--from-run {train} experiment=quickstart", SettingsError, "no recipe beside"),
    ],
)
def test_what_cannot_be_repeated_is_one_line(
    server: Server, words: str, kind: type[SusystreamError], told: str
) -> None:
    wanted = told.format(**server.ids)
    assert wanted in server.refusal(kind, *words.format(**server.ids).split())


def test_a_beginning_of_several_ids_names_them(server: Server) -> None:
    run_id = server.ids["foreign"]
    twin = run_id[:-1] + ("0" if run_id[-1] != "0" else "1")
    with closing(sqlite3.connect(server.uri.removeprefix("sqlite:///"))) as database:
        names = [row[1] for row in database.execute("pragma table_info(runs)")]
        kept = [repr(twin) if name == "run_uuid" else name for name in names]
        columns = f"({', '.join(names)}) select {', '.join(kept)}"
        database.execute(f"insert into runs {columns} from runs where run_uuid = '{run_id}'")
        database.commit()
    message = server.refusal(TrackingError, "--from-run", run_id[:9])
    assert "received 2 that begin so" in message
    assert run_id in message
    assert twin in message


def test_other_code_is_told_in_one_line() -> None:
    commit, dirty = code_state()
    libraries = {**library_versions(), "keras": "1.0"}
    tags = {
        "commit": "0" * 40,
        "dirty": "false",
        "libraries": " ".join(f"{name}={one}" for name, one in libraries.items()),
    }
    note = other_code(tags)
    assert f"commit 000000000000 there, {commit[:12]} here; keras 1.0 there, " in note
    assert note.endswith("the result may differ")
    same = {**tags, "commit": commit, "dirty": "true", "libraries": ""}
    assert f"files were changed since commit {commit[:12]}, there" in other_code(same)
    clean = {**same, "dirty": "false"}
    assert bool(other_code(clean)) == (dirty or commit == "unknown")


def test_words_of_a_run_may_be_copied_to_a_shell(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.repeat("--from-run", server.ids["train"], "registry.uri='mongodb://me:hunter2@h/'")
    line = next(one for one in capsys.readouterr().err.splitlines() if "repeats run" in one)
    assert "hunter2" not in line
    assert composed_settings(shlex.split(line.partition(": ")[2])).seed == 7
    assert re.match(r"repeats run [0-9a-f]{32}: ", line)
