"""Worker processes change no figure, no error and no window; none outlives its parent."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from evaluate.plain import plain_tallies

from susystream.data.enlarge import write_csv, write_parquet
from susystream.data.files import FilesSource, sifted_events
from susystream.data.source import bounded
from susystream.errors import BadRow, DataError, EvaluationError
from susystream.evaluate import workers
from susystream.evaluate.ensemble import with_ensemble
from susystream.evaluate.journal import Journal
from susystream.evaluate.windows import Counted, count_windows, scored_here
from susystream.evaluate.workers import Workers
from susystream.model.network import architecture_of, build_network
from susystream.model.plan import Activation, Dense, Plan, Scaling
from susystream.model.scorer_plan import OpenVinoPlan, TensorFlowPlan
from susystream.physics.toy import toy_events

WINDOW = 1500


def plan(seed: int) -> OpenVinoPlan:
    """A small network with random weights."""
    random = np.random.default_rng(seed)

    def array(*shape: int) -> Any:
        return random.normal(size=shape).astype(np.float32)

    layers: Plan = (
        Scaling(array(18), np.abs(array(18)) + 1),
        Dense(array(18, 16), array(16)),
        Activation("relu"),
        Dense(array(16, 1), array(1)),
    )
    return OpenVinoPlan(layers, tuple(range(18)))


PLANS = {"a": plan(1), "b": plan(2)}


def here(paths: tuple[Path, ...], *, skip_bad: bool = False, **more: Any) -> Counted:
    """One process."""

    def scan(skip: int) -> Any:
        source = FilesSource(Path("all"), paths, batch_rows=700, skip_rows=skip)
        return sifted_events(source) if skip_bad else source.batches()

    scorers = with_ensemble({name: one.open() for name, one in PLANS.items()}, "logits")
    opened = scored_here(scan, scorers=scorers, window_rows=WINDOW)
    return count_windows(opened, models=scorers, window_rows=WINDOW, **more)


def by_workers(paths: tuple[Path, ...], *, skip_bad: bool = False, **more: Any) -> Counted:
    opened = Workers(PLANS, "logits", 2).scored(paths, skip_bad=skip_bad, window_rows=WINDOW)
    return count_windows(opened, models=[*PLANS, "ensemble"], window_rows=WINDOW, **more)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few thousand rows are many blocks."""
    monkeypatch.setattr("susystream.data.files.blocks_of", partial(blocks_of, size=300_000))
    monkeypatch.setattr("susystream.data.blocks.BLOCK_ROWS", 1000)


def blocks_of(*given: Any, **more: Any) -> Any:
    from susystream.data import blocks

    return blocks.blocks_of(*given, **more)


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, ...]:
    """CSV, CSV.GZ and Parquet of 4000 rows together."""
    events = toy_events(start=50, stop=4050, seed=3)
    csv, packed, parquet = (tmp_path / name for name in ("a.csv", "b.csv.gz", "c.parquet"))
    write_csv([events[:2100]], csv, progress=lambda rows: None)
    write_csv([events[2100:2700]], tmp_path / "b.csv", progress=lambda rows: None)
    packed.write_bytes(gzip.compress((tmp_path / "b.csv").read_bytes()))
    write_parquet([events[2700:]], parquet, progress=lambda rows: None)
    return csv, packed, parquet


def told() -> tuple[dict[int, Any], Any]:
    windows: dict[int, Any] = {}
    return windows, lambda number, figures: windows.update({number: figures})


def test_all_figures_are_those_of_one_process(paths: tuple[Path, ...]) -> None:
    (one, tell_one), (several, tell_several) = told(), told()
    expected = here(paths, on_window=tell_one)
    found = by_workers(paths, on_window=tell_several)
    assert found.tallies == expected.tallies
    assert found.digest == expected.digest
    assert found.digest.rows == 4000
    assert several == one
    assert set(found.tallies) == {"a", "b", "ensemble"}


def test_bad_rows_are_those_of_one_process(paths: tuple[Path, ...]) -> None:
    for path, at in ((paths[0], (0, 700, 701, 2099)), (paths[1], (5,))):
        packed = path.suffix == ".gz"
        text = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
        lines = text.splitlines(keepends=True)
        for row in at:
            lines[row] = lines[row].replace(b",", b",x", 1)
        text = b"".join(lines)
        path.write_bytes(gzip.compress(text) if packed else text)
    (one, tell_one), (several, tell_several) = told(), told()
    expected = here(paths, skip_bad=True, on_window=tell_one)
    found = by_workers(paths, skip_bad=True, on_window=tell_several)
    assert [str(row) for row in found.bad.sample] == [str(row) for row in expected.bad.sample]
    assert [row.line for row in found.bad.sample] == [1, 701, 702, 2100, 6]
    assert (found.tallies, found.digest, several) == (expected.tallies, expected.digest, one)
    assert found.digest.rows == 3995
    for strict in (here, by_workers):
        with pytest.raises(BadRow, match=r"a\.csv, line 1, lepton 1 pT: expected a number"):
            strict(paths)


@pytest.mark.parametrize("windows", [1, 2])
@pytest.mark.parametrize("second", [here, by_workers])
def test_what_broke_off_is_gone_on_with_by_one_process_or_by_several(
    paths: tuple[Path, ...], tmp_path: Path, windows: int, second: Any
) -> None:
    first = by_workers if second is here else here

    def break_off(number: int, figures: Any) -> None:
        if number == windows - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Journal(tmp_path / "j", {}) as journal:
        first(paths, journal=journal, on_window=break_off)
    with Journal(tmp_path / "j", {}) as journal:
        found = second(paths, journal=journal)
    expected = here(paths)
    assert found.resumed == windows * WINDOW
    assert (found.tallies, found.digest) == (expected.tallies, expected.digest)


def test_a_bad_row_behind_the_limit_is_nobodys_business(paths: tuple[Path, ...]) -> None:
    lines = paths[0].read_bytes().splitlines(keepends=True)
    lines[900] = b"1,2,3\n"
    paths[0].write_bytes(b"".join(lines))
    source = FilesSource(Path("all"), paths, limit=800)
    opened = Workers(PLANS, None, 2).scored(
        paths, bounded=lambda rows, before: bounded(rows, source, before=before)
    )
    assert count_windows(opened, models=PLANS).digest.rows == 800


def test_what_broke_off_goes_on_with_bad_rows_too(paths: tuple[Path, ...], tmp_path: Path) -> None:
    lines = paths[0].read_bytes().splitlines(keepends=True)
    for row in (3, 1400, 1499, 1500, 2000):
        lines[row] = b"1,2,3\n"
    paths[0].write_bytes(b"".join(lines))

    def break_off(number: int, figures: Any) -> None:
        raise KeyboardInterrupt

    expected = here(paths, skip_bad=True)
    for first, second in ((here, by_workers), (by_workers, here)):
        with pytest.raises(KeyboardInterrupt), Journal(tmp_path / "j", {}) as journal:
            first(paths, skip_bad=True, journal=journal, on_window=break_off)
        with Journal(tmp_path / "j", {}) as journal:
            found = second(paths, skip_bad=True, journal=journal)
        assert found.resumed == WINDOW
        assert (found.tallies, found.digest) == (expected.tallies, expected.digest)
        assert found.bad.count == 5
        assert [one.line for one in found.bad.sample] == [4, 1401, 1500, 1501, 2001]


def test_a_cut_gzip_is_an_error_after_what_came_before(paths: tuple[Path, ...]) -> None:
    paths[1].write_bytes(paths[1].read_bytes()[:-2000])
    read: list[int] = []
    with pytest.raises(DataError, match="ends early or is damaged"):
        by_workers(paths, on_progress=read.append)
    assert read[-1] >= 2100


def children_that_score() -> list[psutil.Process]:
    found = []
    for one in psutil.Process().children():
        with suppress(psutil.Error):
            if "spawn_main" in " ".join(one.cmdline()):
                found.append(one)
    return found


def test_a_killed_worker_is_an_error_and_leaves_no_other(paths: tuple[Path, ...]) -> None:
    killed: list[int] = []

    def kill(rows: int) -> None:
        for child in children_that_score() if rows and not killed else ():
            killed.append(child.pid)
            child.send_signal(signal.SIGKILL)

    with pytest.raises(EvaluationError, match=r"received the end of one .*lower evaluate.workers"):
        by_workers(paths * 40, on_progress=kill)
    assert killed
    assert not [pid for pid in killed if psutil.pid_exists(pid) and _runs(pid)]


def test_a_halted_worker_does_not_keep_an_interrupted_run(paths: tuple[Path, ...]) -> None:
    halted: list[psutil.Process] = []

    def interrupt(rows: int) -> None:
        found = children_that_score()
        if rows and found:
            halted.extend(found)
            for one in found:
                one.suspend()
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        by_workers(paths * 40, on_progress=interrupt)
    assert halted
    assert not [one for one in halted if _runs(one.pid)]
    assert time.monotonic() - started < 60


def dying_while_they_receive() -> None:
    with Workers({}, None, 2)._pool() as opened:
        pool: Any = opened
        pool.submit(len, "a").result()
        for one in children_that_score():
            one.suspend()
        sent = [pool.submit(len, b"x" * (20 << 20)) for _ in range(3)]
        time.sleep(1)
        for one in children_that_score():
            one.kill()
        _ = [workers._result(pool, one) for one in sent]


def test_workers_that_die_while_they_receive_are_noticed() -> None:
    """A large task fills the pipe then, and the pool's own thread would write for ever."""
    started = time.monotonic()
    with pytest.raises(EvaluationError, match="received the end of one"):
        dying_while_they_receive()
    assert time.monotonic() - started < 60


def test_a_worker_that_answers_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_BLOCK_SECONDS", 1.0)
    pool: Any = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    with pytest.raises(EvaluationError, match="score a block within 1 s, received nothing"):
        workers._result(pool, pool.submit(time.sleep, 60))
    workers._kill(pool)
    pool.shutdown(cancel_futures=True)


def much(_: int) -> bytes:
    return b"x" * (100 << 20)


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.4])
def test_workers_killed_while_they_send_are_noticed(seconds: float) -> None:
    """Half a message lies in the pipe then, and the pool's own thread awaits the rest."""
    pool: Any = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    pool.submit(len, "a").result()
    sent = [pool.submit(much, number) for number in range(6)]
    time.sleep(seconds)
    for process in list(pool._processes.values()):
        process.kill()
    started = time.monotonic()
    with pytest.raises(BrokenProcessPool):
        _ = [workers._result(pool, one) for one in sent]
    pool.shutdown(cancel_futures=True)
    assert time.monotonic() - started < 20


def test_workers_end_with_a_parent_that_is_killed(paths: tuple[Path, ...], tmp_path: Path) -> None:
    (tmp_path / "plans").write_bytes(pickle.dumps((PLANS, paths * 2000)))
    (tmp_path / "run.py").write_text(
        "import pickle, sys\n"
        "from pathlib import Path\n"
        "from susystream.evaluate.windows import count_windows\n"
        "from susystream.evaluate.workers import Workers\n"
        "if __name__ == '__main__':\n"
        "    plans, paths = pickle.loads(Path(sys.argv[1]).read_bytes())\n"
        "    opened = Workers(plans, None, 2).scored(paths)\n"
        "    count_windows(opened, models=plans, on_progress=lambda n: print(n, flush=True))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "run.py"), str(tmp_path / "plans")],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    while int(parent.stdout.readline()) == 0:
        pass
    workers = [child.pid for child in psutil.Process(parent.pid).children(recursive=True)]
    assert len(workers) >= 2
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate(timeout=10)
    deadline = time.monotonic() + 20
    while any(_runs(pid) for pid in workers):
        assert time.monotonic() < deadline, "a worker outlives its parent"
        time.sleep(0.1)
    assert list(tmp_path.glob("susystream-*")) == []


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_network_that_tensorflow_scores_gives_the_same_bits(paths: tuple[Path, ...]) -> None:
    network = build_network(
        features=18,
        hidden=(32, 16),
        dropout=(0.1, 0.1),
        activation="relu",
        mean=[0.0] * 18,
        std=[1.0] * 18,
        seed=3,
    )
    architecture = json.dumps(architecture_of(network))
    one = TensorFlowPlan(architecture, tuple(network.get_weights()), tuple(range(18)))
    opened = Workers({"one": one}, None, 2).scored(paths, window_rows=WINDOW)
    found = count_windows(opened, models=["one"], window_rows=WINDOW)
    source = FilesSource(Path("all"), paths)
    expected = plain_tallies(source.batches(), {"one": one.open()})
    assert found.tallies == expected


def test_a_worker_loads_neither_keras_nor_tensorflow(paths: tuple[Path, ...]) -> None:
    code = (
        "import sys\n"
        "from susystream.evaluate import worker\n"
        "from susystream.data.blocks import blocks_of\n"
        "from pathlib import Path\n"
        "worker.start(Path(sys.argv[1]))\n"
        "scores = worker.score(next(blocks_of(Path(sys.argv[2]))), 1)\n"
        "print(scores.rows, [m for m in ('keras', 'tensorflow', 'mlflow') if m in sys.modules])\n"
    )
    plans = paths[0].with_name("plans.pickle")
    plans.write_bytes(pickle.dumps((PLANS, None)))
    done = subprocess.run(
        [sys.executable, "-c", code, str(plans), str(paths[0])],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "2100 []", done.stderr
