"""An evaluation that is killed and run again gives exactly the same figures."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from susystream.data.enlarge import write_events
from susystream.data.source import ToySource

ROWS, WINDOW = 300_000, 10_000


class Desk:
    """A folder with a trained model and a large file."""

    def __init__(self, folder: Path, broker: str, store_uri: str) -> None:
        self.folder, self.big = folder, folder / "big.csv"
        name = folder.name.replace(".", "_")
        self.addresses = [
            f"stream.bootstrap_servers={broker}",
            f"registry.uri={store_uri}",
            f"registry.database={name}",
            f"stream.topic={name}",
            "tracking.system_metrics=false",
        ]

    def start(self, *overrides: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "susystream", "run", *self.addresses, *overrides],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env={**os.environ, "MLFLOW_TRACKING_URI": ""},
        )

    def run(self, *overrides: str) -> tuple[dict[str, Any], str]:
        process = self.start(*overrides)
        said, _ = process.communicate(timeout=200)
        assert process.returncode == 0, said
        named = re.search(r"result\s+(\S+)", said.splitlines()[-1])
        assert named, said
        return json.loads((self.folder / named.group(1)).read_text()), said

    def killed(self, *overrides: str, windows: int = 1) -> None:
        """Starts an evaluation and kills it once so many windows are kept."""
        process = self.start(*overrides)
        ends = time.monotonic() + 120
        kept = self.folder / ".susystream" / "evaluations"
        while len(list(kept.glob("*/*.window"))) < windows:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < ends
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, broker: str, store_uri: str) -> Desk:
    made = Desk(tmp_path_factory.mktemp("resume"), broker, store_uri)
    made.run("stage=publish", "data.rows=4000")
    made.run("stage=train", "train.epochs=1")
    write_events(ToySource(ROWS, 3, offset=10**9).batches(), made.big, progress=lambda rows: None)
    return made


def figures(result: dict[str, Any]) -> dict[str, float]:
    metrics: dict[str, float] = result["metrics"]
    return {name: value for name, value in metrics.items() if "per_second" not in name}


def test_a_killed_evaluation_goes_on_and_gives_the_same_figures(desk: Desk) -> None:
    evaluate = ["stage=evaluate", f"evaluate.input={desk.big}", f"evaluate.window_rows={WINDOW}"]
    whole, said = desk.run(*evaluate)
    assert "went on" not in said
    for _ in range(3):
        desk.killed(*evaluate)
    resumed, said = desk.run(*evaluate)
    done = re.search(r"went on after ([\d,]+) rows", said)
    assert done, said
    assert 0 < int(done.group(1).replace(",", "")) < ROWS
    assert figures(resumed) == figures(whole)
    assert resumed["inputs"] == whole["inputs"]
    assert not list((desk.folder / ".susystream" / "evaluations").glob("*/*.window"))


def test_a_changed_file_starts_over(desk: Desk) -> None:
    evaluate = ["stage=evaluate", f"evaluate.input={desk.big}", f"evaluate.window_rows={WINDOW}"]
    desk.killed(*evaluate)
    lines = desk.big.read_text().splitlines(keepends=True)
    desk.big.write_text("".join(lines[:-1]))
    result, said = desk.run(*evaluate)
    assert "went on" not in said
    assert result["metrics"]["test/big/rows"] == ROWS - 1


def test_files_of_a_glob_go_on_after_a_kill_unless_one_of_them_changed(desk: Desk) -> None:
    lines = desk.big.read_text().splitlines(keepends=True)
    parts = [desk.folder / f"part-{number}.csv" for number in range(3)]
    for number, path in enumerate(parts):
        path.write_text("".join(lines[number * 95_555 : (number + 1) * 95_555]))
    pattern = desk.folder / "part-*.csv"
    evaluate = ["stage=evaluate", f"evaluate.input={pattern}", f"evaluate.window_rows={WINDOW}"]
    whole, _ = desk.run(*evaluate)
    desk.killed(*evaluate, windows=11)  # in the second file
    resumed, said = desk.run(*evaluate)
    assert "went on after 1" in said
    assert figures(resumed) == figures(whole)
    desk.killed(*evaluate, windows=1)
    parts[2].write_text("".join(lines[:1000]))
    changed, said = desk.run(*evaluate)
    assert "went on" not in said
    assert changed["metrics"]["test/part/rows"] == 2 * 95_555 + 1000


def test_a_slice_in_kafka_goes_on_after_a_kill(desk: Desk) -> None:
    published, _ = desk.run("stage=publish", f"data.rows={ROWS}", "data.offset=1000000")
    (dataset_id,) = published["dataset_ids"]
    evaluate = [
        *("stage=evaluate", f"evaluate.input=dataset:{dataset_id}"),
        f"evaluate.window_rows={WINDOW}",
    ]
    whole, _ = desk.run(*evaluate)
    desk.killed(*evaluate, windows=3)
    resumed, said = desk.run(*evaluate)
    assert "went on after" in said
    assert figures(resumed) == figures(whole)
    assert resumed["inputs"] == whole["inputs"]
