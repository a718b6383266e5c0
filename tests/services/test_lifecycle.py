"""Promises about how long servers live, kept with the document store because it starts fast."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from pymongo import MongoClient

from susystream.errors import ServiceError
from susystream.services import control
from susystream.services.locks import locked
from susystream.services.state import ServiceFiles, ServiceState
from susystream.services.store import embedded_store

_CLIENT = """
import sys
from pathlib import Path
from susystream.services.state import ServiceFiles, ServiceState
from susystream.services.store import embedded_store
home = Path(sys.argv[1])
with embedded_store(home) as uri:
    print(uri, ServiceState.read(ServiceFiles.of(home, "store")).server_pid, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "a home, ü"
    control.down(tmp_path / "a home, ü")


@contextlib.contextmanager
def client(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another command that uses the store until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CLIENT, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process


def told(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def state_of(home: Path, service: str = "store") -> ServiceState:
    state = ServiceState.read(ServiceFiles.of(home, service))
    assert state is not None
    return state


def within(seconds: float, promise: Callable[[], bool]) -> bool:
    ends = time.monotonic() + seconds
    while not promise():
        if time.monotonic() > ends:
            return False
        time.sleep(0.05)
    return True


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_two_commands_that_start_at_once_share_one_server_which_stops_after_both(
    home: Path,
) -> None:
    with client(home) as one, client(home) as two:
        first, second = told(one), told(two)
        assert first == second
        assert first
        state = state_of(home)
        one.communicate("\n", timeout=20)
        time.sleep(0.8)  # longer than the keeper's look for users
        assert state_of(home) == state
        two.communicate("\n", timeout=20)
    assert within(15, lambda: is_gone(state.server_pid) and is_gone(state.keeper_pid))
    assert not ServiceFiles.of(home, "store").state.exists()


def test_documents_are_still_there_in_the_next_command_even_while_the_last_one_ends(
    home: Path,
) -> None:
    servers = set()
    for count in range(3):
        with embedded_store(home) as uri, MongoClient[dict[str, int]](uri) as mongo:
            assert mongo.promise.kept.count_documents({}) == count
            mongo.promise.kept.insert_one({"number": count})
            servers.add(state_of(home).server_pid)
        time.sleep(0.5)  # the keeper has seen that nobody is left, the server still shuts down
    assert len(servers) == 3


def test_a_command_killed_by_kill_9_leaves_no_server_behind(home: Path) -> None:
    with client(home) as one:
        assert told(one)
        state = state_of(home)
        one.kill()
        assert within(15, lambda: is_gone(state.server_pid) and is_gone(state.keeper_pid))


def test_a_killed_keeper_takes_its_server_with_it_and_the_next_start_recovers(home: Path) -> None:
    with embedded_store(home) as uri:
        with MongoClient[dict[str, int]](uri) as mongo:
            mongo.promise.kept.insert_one({"number": 1})
        state = state_of(home)
        psutil.Process(state.keeper_pid).kill()  # a signal is not yet a death
        assert within(5, lambda: is_gone(state.keeper_pid))
        with embedded_store(home) as again, MongoClient[dict[str, int]](again) as mongo:
            assert is_gone(state.server_pid)
            assert mongo.promise.kept.count_documents({}) == 1
            assert state_of(home).server_pid != state.server_pid


def test_a_killed_server_is_started_again_by_the_next_command_with_its_data(home: Path) -> None:
    with embedded_store(home) as uri:
        with MongoClient[dict[str, int]](uri) as mongo:
            mongo.promise.kept.insert_one({"number": 1})
        state = state_of(home)
        psutil.Process(state.server_pid).kill()
        assert within(5, lambda: is_gone(state.server_pid))
        with embedded_store(home) as again, MongoClient[dict[str, int]](again) as mongo:
            assert mongo.promise.kept.count_documents({}) == 1
        assert within(5, lambda: is_gone(state.keeper_pid))
        assert state_of(home).keeper_pid != state.keeper_pid


def test_a_stopped_keeper_stops_its_server_cleanly(home: Path) -> None:
    with embedded_store(home):
        state = state_of(home)
        psutil.Process(state.keeper_pid).terminate()
        assert within(15, lambda: is_gone(state.server_pid) and is_gone(state.keeper_pid))
        assert not ServiceFiles.of(home, "store").state.exists()


def test_a_stale_state_file_is_not_believed(home: Path) -> None:
    with embedded_store(home):
        state = state_of(home)
    files = ServiceFiles.of(home, "store")
    assert within(15, lambda: not files.state.exists() and is_gone(state.keeper_pid))
    state.write(files)
    assert not control.status(home, "store").running
    files.state.write_text('{"address": ')  # a disk that was full
    with embedded_store(home):
        assert state_of(home).server_pid != state.server_pid


def test_a_data_folder_that_is_no_folder_gives_one_line_with_reason_and_log(home: Path) -> None:
    files = ServiceFiles.of(home, "store")
    files.folder.mkdir(parents=True)
    files.data.write_text("not a folder")
    with pytest.raises(ServiceError) as caught, embedded_store(home):
        pass
    assert "\n" not in str(caught.value)
    assert "FileExistsError" in str(caught.value)
    assert str(files.log) in str(caught.value)


def test_a_start_lock_held_too_long_is_an_error_within_the_deadline(home: Path) -> None:
    files = ServiceFiles.of(home, "store")
    began = time.monotonic()
    with (
        locked(files.start, deadline_seconds=1, purpose="test"),
        pytest.raises(ServiceError, match=r"expected to start store within 1 s"),
        embedded_store(home, deadline_seconds=1.0),
    ):
        pass
    assert time.monotonic() - began < 5


def test_a_server_in_use_is_not_stopped_by_down_and_says_when_it_will(home: Path) -> None:
    with embedded_store(home):
        ServiceFiles.of(home, "store").pinned.touch()
        assert control.status(home, "store").pinned
        after = {one.name: one for one in control.down(home)}["store"]
        assert after.running
        assert after.in_use
        assert not after.pinned
        assert "stops with the last command" in str(after)
    assert within(15, lambda: not control.status(home, "store").running)
