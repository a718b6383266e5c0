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
        process = desk.start(*evaluate)
        ends = time.monotonic() + 120
        while not list((desk.folder / ".susystream" / "evaluations").glob("*/*.npz")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < ends
            time.sleep(0.01)
        time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
    resumed, said = desk.run(*evaluate)
    done = re.search(r"went on after ([\d,]+) rows", said)
    assert done, said
    assert 0 < int(done.group(1).replace(",", "")) < ROWS
    assert figures(resumed) == figures(whole)
    assert resumed["inputs"] == whole["inputs"]
    assert not list((desk.folder / ".susystream" / "evaluations").glob("*/*.npz"))


def test_a_changed_file_starts_over(desk: Desk) -> None:
    evaluate = ["stage=evaluate", f"evaluate.input={desk.big}", f"evaluate.window_rows={WINDOW}"]
    process = desk.start(*evaluate)
    while not list((desk.folder / ".susystream" / "evaluations").glob("*/*.npz")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    lines = desk.big.read_text().splitlines(keepends=True)
    desk.big.write_text("".join(lines[:-1]))
    result, said = desk.run(*evaluate)
    assert "went on" not in said
    assert result["metrics"]["test/big/rows"] == ROWS - 1
