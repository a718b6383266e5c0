"""What a workspace opened is closed: with an evaluation, with it, or with its process.

And what it reads of a broker with TLS and logins, by settings whose secrets are in the environment.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from secure_broker import PASSWORD, SecureBroker
from test_listing import dataset_record, trained

from susystream.errors import HandshakeFailed, ServiceError, SettingsError, SusystreamError
from susystream.physics.toy import toy_events
from susystream.registry.document import DatasetRecord, MlflowLink, ModelDocument, new_id
from susystream.schema import COLUMNS
from susystream.services import control
from susystream.services.state import ServiceFiles, ServiceState
from susystream.stream.codec import BlockCodec
from susystream.stream.connection import KafkaConnection
from susystream.stream.producer import publish
from susystream.stream.topics import cluster_id
from susystream.workspace import Workspace

pytestmark = pytest.mark.usefixtures("no_addresses")
LINK = MlflowLink(experiment="susystream", run_id="r1", tracking_uri="sqlite:///mlflow.db")
EVENTS = 500
ENDS_SECONDS = 60


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """With the folders that say that a chain was here."""
    for name in ("kafka", "store"):
        (tmp_path / "home" / name).mkdir(parents=True)
    yield tmp_path / "home"
    control.down(tmp_path / "home")


def published(kafka: KafkaConnection, *, start: int) -> DatasetRecord:
    """The record of toy events on a topic of their own."""
    found = publish(
        [toy_events(start=start, stop=start + EVENTS, seed=1)],
        connection=kafka,
        topic=new_id("t"),
        codec=BlockCodec(100),
        partitions=2,
        progress=lambda rows: None,
    )
    changed = {
        "slice": found.slice.to_json(),
        "events_per_message": 100,
        "rows": found.rows,
        "digest": str(found.digest),
        "cluster_id": cluster_id(kafka),
        "source": {"kind": "file", "sha256": str(start)},
    }
    return dataset_record().model_copy(update=changed)


def trained_with(record: DatasetRecord, **sets: Any) -> ModelDocument:
    """A model of a data set that knew these test sets."""
    model = trained(record, LINK)
    config = {**model.training.config, "evaluate": {"sets": sets}}
    training = model.training.model_copy(update={"config": config})
    return model.model_copy(update={"training": training})


def pids_of(home: Path) -> list[int]:
    """Of the servers that run, and of what keeps them."""
    states = [ServiceState.read(ServiceFiles.of(home, name)) for name in control.SERVICES]
    return [pid for one in states if one for pid in (one.server_pid, one.keeper_pid)]


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def all_end(pids: list[int]) -> bool:
    ends = time.monotonic() + ENDS_SECONDS
    while not all(map(is_gone, pids)):
        if time.monotonic() > ends:
            return False
        time.sleep(0.1)
    return True


def open_things(home: Path, broker: str) -> list[str]:
    """What this process holds: files of the home, the locks of its users, and ways to a broker."""
    own, port = psutil.Process(), int(broker.rpartition(":")[2])
    files = [one.path for one in own.open_files() if Path(one.path).is_relative_to(home)]
    ways = [one for one in own.net_connections() if one.raddr and one.raddr.port == port]
    return sorted([*files, *("broker" for _ in ways)])


def test_an_evaluation_of_a_named_slice_leaves_nothing_open_and_close_ends_the_broker(
    home: Path,
) -> None:
    workspace = Workspace(f"home='{home}'")
    kafka = KafkaConnection(workspace.bootstrap_servers)
    learned, live = published(kafka, start=0), published(kafka, start=10**6)
    for record in (learned, live):
        workspace.store.save_dataset(record)
    events = f"dataset:{live.dataset_id}"
    model = trained_with(learned, live={"kind": "slice", "events": events})
    first = workspace.evaluate(model, "live")
    before = open_things(home, kafka.bootstrap_servers)
    again = workspace.evaluate(model, "live")
    assert (first.tally, first.rows) == (again.tally, EVENTS)
    assert open_things(home, kafka.bootstrap_servers) == before
    assert len(before) == 2, before  # one lock for each server
    pids = pids_of(home)
    assert len(pids) == 4
    assert not any(map(is_gone, pids))
    workspace.close()
    assert all_end(pids)


def test_a_named_slice_starts_no_broker_where_there_was_none(home: Path) -> None:
    (home / "kafka").rmdir()
    model = trained_with(dataset_record(), live={"kind": "slice", "events": "dataset:latest"})
    with (
        Workspace(f"home='{home}'") as workspace,
        pytest.raises(ServiceError, match=r"broker's data in .*, received none"),
    ):
        workspace.evaluate(model, "live")
    assert not (home / "kafka").exists()


def test_a_workspace_that_nobody_has_lets_its_servers_go(home: Path) -> None:
    workspace = Workspace(f"home='{home}'")
    assert workspace.models().is_empty()
    pids = pids_of(home)
    assert len(pids) == 2
    assert not any(map(is_gone, pids))
    del workspace
    gc.collect()
    assert all_end(pids)


SCRIPT = """
import sys
from susystream.workspace import Workspace
workspace = Workspace("home=" + sys.argv[1])
workspace.store, workspace.bootstrap_servers
print("open", flush=True)
sys.stdin.readline()
"""
ENDS: dict[str, tuple[str, Callable[[subprocess.Popen[str]], None], int]] = {
    "its last line": ("", lambda process: None, 0),
    "an error": ("raise ValueError('mine')", lambda process: None, 1),
    "kill": ("", lambda process: process.kill(), -9),
}


@pytest.mark.parametrize("end", ENDS)
def test_servers_of_a_workspace_that_was_never_closed_end_with_the_process(
    home: Path, end: str
) -> None:
    last, act, status = ENDS[end]
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT + last, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        while (line := process.stdout.readline()) not in ("open\n", ""):
            pass  # what it says of starting them
        pids = pids_of(home)
        assert (line, len(pids)) == ("open\n", 4)
        assert not any(map(is_gone, pids))
        act(process)
        process.communicate("\n", timeout=ENDS_SECONDS)
    assert process.returncode == status
    assert all_end(pids)


def security(**changed: str) -> str:
    stated = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "me",
        **changed,
    }
    inner = ", ".join(f'{name}: "{value}"' for name, value in stated.items())
    return f"stream.security={{{inner}}}"


def test_events_of_a_secured_broker_come_by_settings_with_secrets_of_the_environment(
    secure: SecureBroker, store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka = secure.connection("LOGIN", secure.login("SCRAM-SHA-512"))
    learned, live = published(kafka, start=0), published(kafka, start=10**6)
    address = secure.addresses["LOGIN"]
    ours = [f"registry.uri='{store_uri}'", f"registry.database=w{uuid4().hex}"]
    ours += ["home=h", f"stream.bootstrap_servers='{address}'", "stream.timeout_seconds=60"]
    files = {"ssl.ca.location": str(secure.authority.path)}
    stated = security(**files, **{"sasl.password": "${oc.env:MY_KAFKA_PASSWORD}"})
    model = trained(learned, LINK)
    with Workspace(*ours, stated) as workspace:
        with pytest.raises(SettingsError, match="environment variable MY_KAFKA_PASSWORD for"):
            workspace.events(model)
        monkeypatch.setenv("MY_KAFKA_PASSWORD", PASSWORD)
        for record in (learned, live):
            workspace.store.save_dataset(record)
        events = workspace.events(model)
        assert tuple(events.columns) == COLUMNS
        assert events.height == EVENTS
        found = workspace.evaluate(model, f"dataset:{live.dataset_id}")
        assert found.digest == live.digest
    with Workspace(*ours) as workspace, pytest.raises(SusystreamError) as told:
        workspace.events(model)
    assert "\n" not in str(told.value)
    assert "; set security.protocol: SSL or SASL_SSL" in str(told.value)
    monkeypatch.setenv("MY_KAFKA_PASSWORD", "wrong")
    with Workspace(*ours, stated) as workspace, pytest.raises(HandshakeFailed):
        workspace.events(model)


@pytest.mark.parametrize("name", ["sasl.password", "ssl.key.password", "sasl.passwort"])
@pytest.mark.parametrize("value", ["hunter2", "${oc.env:PW,hunter2}"])
def test_a_secret_as_text_is_refused_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match="from the environment, received it as text") as told:
        _ = Workspace(security(**{name: value})).settings
    assert "hunter2" not in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("typed", "cure"),
    [
        ("registry.uri=mongodb://me:hunter2@h/", "set SUSYSTREAM_REGISTRY_URI, or write"),
        ("registry={uri: 'mongodb://me:hunter2@h/?a=b'}", "set SUSYSTREAM_REGISTRY_URI, or write"),
        ("tracking.uri=http://me:hunter2@h", "set MLFLOW_TRACKING_URI, or write"),
        ("tracking.uri=http://hunter2@h", "set MLFLOW_TRACKING_URI, or write"),
        ("registry.uri='mongodb://me:${oc.env:PW,hunter2}@h/'", "or write"),
        ("registry.uri='mongodb://me:${oc.env:PW}hunter2@h/'", "or write"),
    ],
)
def test_a_login_in_an_address_is_refused_and_not_repeated(typed: str, cure: str) -> None:
    with pytest.raises(SettingsError, match=r"the login of \w+\.uri from the environment") as told:
        _ = Workspace(typed).settings
    assert f"{cure} ${{oc.env:VARIABLE}} in its place" in str(told.value)
    assert "hunter2" not in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "uri", ["${oc.env:MINE}", "mongodb://me:${oc.env:PW}@h/", "mongodb://${oc.env:ME}@h/"]
)
def test_a_login_of_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    for name, value in {"MINE": "mongodb://a:b@h/", "PW": "hunter2", "ME": "a:b"}.items():
        monkeypatch.setenv(name, value)
    found = str(Workspace(f"registry.uri='{uri}'").settings.registry.uri)
    assert found in ("mongodb://a:b@h/", "mongodb://me:hunter2@h/")
