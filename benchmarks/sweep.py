"""A sweep of eight trainings: two at once beside one after the other, and beside a shell loop.

python benchmarks/sweep.py [--trials 8] [--rows 90000] [--epochs 5] [--rounds 3]

All train on one data set, with one broker, store and tracking database that are up already. Time is
that of whole commands, from start to end. The figures of each trial must be the same whichever way
it ran: what is compared does the same work.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from susystream.processors import processor_name, processors
from susystream.services.broker import embedded_broker
from susystream.services.store import embedded_store

JOBLIB = "hydra/launcher=joblib"


class Place:
    """Addresses, and a data set to train on."""

    def __init__(self, folder: Path, broker: str, store: str, given: argparse.Namespace) -> None:
        self.folder, self.given, self.count = folder, given, 0
        self.addresses = [
            f"home={folder}/home",
            f"stream.bootstrap_servers={broker}",
            f"registry.uri={store}",
            f"tracking.uri=sqlite:///{folder}/mlflow.db",
        ]
        self.run("stage=publish", f"data.rows={given.rows}", "stream.topic=sweep")

    def run(self, *words: str) -> float:
        """Seconds of `susystream run`."""
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "susystream", "run", *words, *self.addresses],
            cwd=self.folder,
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - started

    def sweep(self, *words: str) -> tuple[float, list[float]]:
        """Seconds of a sweep over the seed, and the figure of each trial."""
        self.count += 1
        output = self.folder / f"sweep{self.count}"
        seconds = self.run(
            *("-m", "stage=train", f"train.epochs={self.given.epochs}", f"seed={self._seeds()}"),
            *("sweep.resume=false", f"hydra.sweep.dir={output}", *words),
        )
        found = json.loads((output / "result.json").read_text())["trials"]
        return seconds, [one["objective"] for one in sorted(found, key=lambda one: one["number"])]

    def loop(self) -> float:
        """Seconds of as many commands, one after the other."""
        return sum(
            self.run("stage=train", f"train.epochs={self.given.epochs}", f"seed={seed}")
            for seed in range(1, self.given.trials + 1)
        )

    def _seeds(self) -> str:
        return ",".join(map(str, range(1, self.given.trials + 1)))


def measure(place: Place, given: argparse.Namespace) -> None:
    print(f"{processor_name()}, {processors()} processors, Python {platform.python_version()}")
    print(
        f"{given.trials} trials of {given.rows:,} events, {given.epochs} epochs; "
        f"{given.rounds} rounds, medians (least to most)"
    )
    times: dict[str, list[float]] = {}
    for _ in range(given.rounds):
        ways = {
            "joblib, 2 workers": place.sweep(JOBLIB, "hydra.launcher.n_jobs=2"),
            "joblib, 1 worker": place.sweep(JOBLIB, "hydra.launcher.n_jobs=1"),
            "basic launcher": place.sweep(),
        }
        figures = [found for _, found in ways.values()]
        assert all(found == figures[0] for found in figures), figures
        for name, (seconds, _) in ways.items():
            times.setdefault(name, []).append(seconds)
        times.setdefault("a shell loop", []).append(place.loop())
    first = times["joblib, 2 workers"]
    for name, found in times.items():
        ratios = [one / two for one, two in zip(found, first, strict=True)]
        show(f"{name}, seconds", found, ".1f")
        show(f"{name}, times 2 workers", ratios, ".2f")
    print("the figures of each trial were the same in all sweeps")


def show(name: str, values: list[float], form: str) -> None:
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"{name:36} {middle:{form}}  ({low:{form}} to {high:{form}})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--rows", type=int, default=90_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_broker(Path(folder)) as broker,
        embedded_store(Path(folder)) as store,
    ):
        measure(Place(Path(folder), broker, store, given), given)


if __name__ == "__main__":
    main()
