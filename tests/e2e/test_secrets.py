"""Secrets come from the environment, and nothing that a command leaves or says holds one."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
from pymongo import MongoClient
from secure_broker import KEY_PASSWORD, PASSWORD, SecureBroker

MARK = "Sesame4"  # each secret here begins so, and each wrong one
STORE_PASSWORD = f"{MARK}Store-%/&:@ x"
SECRETS = {
    "sasl.password": "${oc.env:KAFKA_PASSWORD}",
    "ssl.key.password": "${oc.env:KAFKA_KEY_PASSWORD}",
}


def coded(secret: str) -> set[bytes]:
    """What base64 makes of it behind any text."""
    return {base64.b64encode(b" " * i + secret.encode())[2 * i : -4] for i in range(3)}


TRACES = {MARK.encode()}.union(*map(coded, (PASSWORD, KEY_PASSWORD, STORE_PASSWORD)))


def held(place: object, content: bytes) -> list[str]:
    """The secrets in a content, named with their place."""
    return [f"{place}: {trace.decode()}" for trace in TRACES if trace in content]


@dataclass(slots=True)
class Desk:
    """A folder where commands are run, what they said, and how their processes were called."""

    folder: Path
    store_uri: str
    secure: SecureBroker
    said: list[str] = field(default_factory=list)
    called: set[str] = field(default_factory=set)

    @property
    def database(self) -> str:
        return self.folder.name.replace(".", "_")

    def run(self, *overrides: str, status: int = 0, **changed: str) -> str:
        """Runs a command with the secrets in its environment, some of them changed."""
        process = subprocess.Popen(
            [sys.executable, "-m", "susystream", "run", *self._settings(), *overrides],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env={**os.environ, **self._environment(), **changed},
        )
        watch = threading.Thread(target=self._watch, args=[psutil.Process(process.pid)])
        watch.start()
        try:
            said, _ = process.communicate(timeout=240)
        finally:
            process.kill()
            watch.join(10)
        self.said.append(said)
        assert process.returncode == status, said
        return said

    def _settings(self) -> list[str]:
        security = {
            **self.secure.certificate(),
            **self.secure.login("SCRAM-SHA-512"),
            **SECRETS,
        }
        stated = ", ".join(f'{name}: "{value}"' for name, value in security.items())
        return [
            f"stream.bootstrap_servers={self.secure.addresses['BOTH']}",
            f"stream.security={{{stated}}}",
            f"stream.topic={self.folder.name}",
            f"registry.database={self.database}",
            "data.rows=4000",
            "train.epochs=1",
            "evaluate.sets.toy_large.rows=3000",
            "evaluate.workers=2",
            "~evaluate.sets.real_10k",
            # what they log at level DEBUG goes to the file of the log
            "hydra.verbose=[kafka.admin.client,kafka.net.connection,kafka.protocol.parser,pymongo]",
        ]

    def _environment(self) -> dict[str, str]:
        (self.folder / "tmp").mkdir(exist_ok=True)
        return {
            "KAFKA_PASSWORD": PASSWORD,
            "KAFKA_KEY_PASSWORD": KEY_PASSWORD,
            "SUSYSTREAM_REGISTRY_URI": login(self.store_uri, STORE_PASSWORD),
            "MLFLOW_TRACKING_URI": "",
            "TMPDIR": str(self.folder / "tmp"),
        }

    def _watch(self, process: psutil.Process) -> None:
        """Until it has ended; its children may end at any time."""
        with suppress(psutil.NoSuchProcess):
            while process.status() != psutil.STATUS_ZOMBIE:
                for one in (process, *process.children(recursive=True)):
                    with suppress(psutil.Error):
                        self.called.add(" ".join(one.cmdline()))
                time.sleep(0.05)

    def leaks(self) -> list[str]:
        """Every secret in what was written, said, stored or called."""
        found = [leak for one in self.said for leak in held("said", one.encode())]
        found += [leak for one in self.called for leak in held("called", one.encode())]
        found += [leak for one in self.documents() for leak in held("stored", repr(one).encode())]
        for path in self.folder.rglob("*"):
            found += held("name", str(path).encode())
            if path.is_file():
                found += held(path, path.read_bytes())
        return found

    def documents(self) -> list[dict[str, Any]]:
        with MongoClient[dict[str, Any]](self.store_uri) as client:
            database = client[self.database]
            return [
                one for name in database.list_collection_names() for one in database[name].find()
            ]


def login(uri: str, password: str) -> str:
    return uri.replace("://", f"://me:{quote(password, safe='')}@")


@pytest.fixture(scope="module")
def desk(
    tmp_path_factory: pytest.TempPathFactory, secure: SecureBroker, store_uri: str
) -> Iterator[Desk]:
    with MongoClient[dict[str, Any]](store_uri) as client:
        client.admin.command("createUser", "me", pwd=STORE_PASSWORD, roles=["root"])
        yield Desk(tmp_path_factory.mktemp("secrets"), store_uri, secure)
        client.admin.command("dropUser", "me")


def test_the_chain_leaves_no_secret(desk: Desk) -> None:
    desk.run("stage=pipeline", "hydra.run.dir=chain")
    kept = {str(path.relative_to(desk.folder)) for path in desk.folder.rglob("*")}
    assert {"mlflow.db", "chain/result.json", "chain/config.yaml", "chain/susystream.log"} <= kept
    assert "sasl.password: '***'" in (desk.folder / "chain" / "config.yaml").read_text()
    logged = (desk.folder / "chain" / "susystream.log").read_text()
    assert "kafka.net.connection" in logged
    assert "DEBUG pymongo" in logged
    assert len(desk.called) > 1  # the workers
    assert len(desk.documents()) > 1
    assert not desk.leaks()


WRONG = {
    "KAFKA_PASSWORD": "to log in 'me' by SCRAM-SHA-512, received: Authentication failed",
    "KAFKA_KEY_PASSWORD": "ssl.key.password to open the key",
    "SUSYSTREAM_REGISTRY_URI": "expected to be let in at mongodb://127.0.0.1:",
}


def test_a_wrong_secret_is_told_and_shown_in_no_traceback_and_no_sweep(desk: Desk) -> None:
    def said(name: str) -> str:
        wrong = f"{MARK}Wrong"
        value = login(desk.store_uri, wrong) if name.endswith("URI") else wrong
        sweep = ["-m", "seed=choice(1)", f"hydra.sweep.dir={name}"]
        return desk.run("-v", "stage=publish", *sweep, status=1, **{name: value})

    with ThreadPoolExecutor(len(WRONG)) as pool:
        texts = dict(zip(WRONG, pool.map(said, WRONG), strict=True))
    for name, told in WRONG.items():
        assert "Traceback" in texts[name]
        lines = texts[name].splitlines()
        assert any(told in line for line in lines if line.startswith("susystream: "))
        assert not (desk.folder / name / "multirun.yaml").exists()  # overrides, as typed
    assert not desk.leaks()
