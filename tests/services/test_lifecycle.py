"""Promises about how long servers live, kept with the document store because it starts fast."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from pymongo import MongoClient

from susystream.errors import ServiceError
from susystream.services import control, ports
from susystream.services.locks import locked
from susystream.services.state import ServiceFiles, ServiceState, stop_process
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


@contextlib.contextmanager
def halted(home: Path) -> Iterator[ServiceState]:
    """The store's server is suspended, and more connections wait than the kernel keeps for it."""
    state, waiting = state_of(home), contextlib.ExitStack()
    address = ports.HOST, int(state.address.rstrip("/").rpartition(":")[2])
    server = psutil.Process(state.server_pid)
    server.suspend()
    try:
        with waiting:
            refused = 0
            while refused < 4:  # a signal is not yet a stop: its threads accept for a moment
                one = waiting.enter_context(socket.socket())
                one.settimeout(0.3)
                refused = refused + 1 if one.connect_ex(address) else 0
            yield state
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            server.resume()


def test_a_halted_server_that_another_command_uses_is_not_killed_but_named(home: Path) -> None:
    with client(home) as one:
        assert told(one)
        with (
            halted(home) as state,
            pytest.raises(ServiceError, match=f"process {state.server_pid}.*other commands use"),
            embedded_store(home, deadline_seconds=2.0),
        ):
            pass
        with embedded_store(home) as uri:
            assert state_of(home) == state
            assert uri == state.address


def test_a_halted_server_that_another_command_uses_is_waited_for(home: Path) -> None:
    with client(home) as one:
        assert told(one)
        with ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as used:
            with halted(home) as state:
                later = pool.submit(used.enter_context, embedded_store(home))
                time.sleep(6.0)  # longer than the patience with a server that nobody uses
                assert not later.done()
            assert later.result(20) == state.address
            assert state_of(home) == state


def test_a_halted_server_that_nobody_uses_is_replaced(home: Path) -> None:
    with embedded_store(home):
        ServiceFiles.of(home, "store").pinned.touch()
    with halted(home) as state, embedded_store(home) as uri, MongoClient[dict[str, int]](uri) as m:
        assert is_gone(state.server_pid)
        assert state_of(home).server_pid != state.server_pid
        assert m.admin.command("ping")["ok"] == 1


class Undying(psutil.Process):
    """A process that waits for a disk: signals do not reach it."""

    def terminate(self) -> None:
        pass

    def kill(self) -> None:
        pass


def test_a_process_that_outlives_sigkill_is_an_error_of_ours_with_its_number() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeping:
        with pytest.raises(ServiceError, match=f"process {sleeping.pid} .* SIGKILL"):
            stop_process(Undying(sleeping.pid), deadline_seconds=0.2)
        sleeping.kill()


def test_a_zombie_that_its_parent_never_reaps_counts_as_ended() -> None:
    parent = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); "
    with subprocess.Popen(
        [sys.executable, "-c", parent + "time.sleep(60)"], stdout=subprocess.PIPE, text=True
    ) as idle:
        child = psutil.Process(int(told(idle)))
        stop_process(child, deadline_seconds=5.0)
        assert child.status() == psutil.STATUS_ZOMBIE
        idle.kill()


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
