"""A fault: the trainer that follows a topic is killed at random moments, again and again.

python benchmarks/kill_trainers.py [--kills 25] [--slices 6] [--rows 4000] [--seed 1] [--json PATH]

Publishes some data sets, follows them once undisturbed, and then once with `kill -9` at random
moments until the chain is whole; where that took fewer kills than asked for, another chain is
killed too. Told are the events that no model of a chain learned from (lost), those that two did
(duplicated), and whether the weights and figures are those of the undisturbed chain, bit for bit.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

from susystream.registry.document import UNPROVEN, ModelSummary
from susystream.registry.store import ModelStore
from susystream.services.broker import embedded_broker
from susystream.services.store import embedded_store
from susystream.stages.chain import chain_of

DEADLINE_SECONDS = 300.0  # for a trainer to begin, and to end by itself
END_SECONDS = 30.0  # for one that was killed


class Desk:
    """A folder, a topic and a database of their own."""

    def __init__(self, folder: Path, broker: str, store_uri: str, rows: int) -> None:
        self.folder, self.store_uri = folder, store_uri
        self._overrides = [
            f"stream.bootstrap_servers={broker}",
            f"registry.uri={store_uri}",
            "tracking.system_metrics=false",
            f"data.rows={rows}",
            "train.epochs=2",
            "train.following.poll_seconds=0.2",
            "train.following.idle_seconds=0.1",
        ]

    @contextmanager
    def started(self, *overrides: str) -> Iterator[tuple[subprocess.Popen[str], Queue[str]]]:
        """A command, and the lines it says as they come."""
        with subprocess.Popen(
            [sys.executable, "-m", "susystream", "run", *self._overrides, *overrides],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        ) as process:
            lines: Queue[str] = Queue()
            reader = Thread(target=_read, args=(process, lines), daemon=True)
            reader.start()
            try:
                yield process, lines
            finally:
                if process.poll() is None:
                    process.kill()
                reader.join(END_SECONDS)

    def done(self, *overrides: str) -> float:
        """Runs a command to its end; the seconds it took."""
        started = time.monotonic()
        with self.started(*overrides) as (process, lines):
            status = _ended(process, DEADLINE_SECONDS)
        if status:
            raise SystemExit("\n".join(_all(lines)))
        return time.monotonic() - started

    def killed(self, chain: str, after: float) -> str:
        """Kills a follower so long after it began to follow; its last line, or none if it ended."""
        last, ends, late = "", None, time.monotonic() + DEADLINE_SECONDS
        with self.started(*follow(chain)) as (process, lines):
            while ends is None or time.monotonic() < ends:
                try:
                    last = lines.get(timeout=0.01 if ends else 1.0)
                except Empty:
                    if process.poll() is not None:
                        break
                    if time.monotonic() > late:
                        raise SystemExit(
                            f"no beginning in {DEADLINE_SECONDS:g} s: {last}"
                        ) from None
                    continue
                if ends is None and last.startswith("follow topic"):
                    ends = time.monotonic() + after
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            status = _ended(process, END_SECONDS)
            if status == 0:
                return ""
            if status != -signal.SIGKILL:
                raise SystemExit("\n".join([last, *_all(lines)]))
            return last

    def models(self) -> list[ModelSummary]:
        with ModelStore(self.store_uri) as store:
            return store.list_models()

    def rows(self) -> dict[str, int]:
        with ModelStore(self.store_uri) as store:
            return {one.dataset_id: one.rows for one in store.list_datasets()}


def follow(chain: str) -> tuple[str, ...]:
    return "stage=train", "train.follow=true", f"train.following.chain={chain}"


def _read(process: subprocess.Popen[str], lines: Queue[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line.rstrip())


def _ended(process: subprocess.Popen[str], seconds: float) -> int:
    """Its exit status; the command that started it kills one that is late."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise SystemExit(f"a trainer did not end within {seconds:g} s") from None


def _all(lines: Queue[str]) -> list[str]:
    return [lines.get() for _ in range(lines.qsize())]


def known(models: list[ModelSummary]) -> list[tuple[str, dict[str, float]]]:
    """Weights, and figures of the test sets."""
    return [
        (
            one.weights_sha256,
            {name: value for name, value in one.metrics.items() if name.startswith("follow/")},
        )
        for one in models
    ]


def what(line: str) -> str:
    """In which part of its work a trainer was that said this last."""
    parts = {
        "follow topic": "before the first step",
        "train ": "proving a slice and learning from it",
        "from the weights": "proving a slice and learning from it",
        "epoch 1": "training",
        "epoch 2": "storing and proving the model",
        "model ": "judging the model",
        "data set ": "between two data sets",
    }
    text = line.strip()
    return next(
        (told for begin, told in parts.items() if text.startswith(begin)), "after the last data set"
    )


def main() -> None:
    """Runs it and prints what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--slices", type=int, default=6)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with embedded_broker(folder) as broker, embedded_store(folder) as store_uri:
            found = measured(Desk(folder, broker, store_uri, chosen.rows), chosen)
    text = json.dumps(found, indent=2)
    print(text)
    if chosen.json:
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        chosen.json.write_text(text + "\n", encoding="utf-8")
    if not found["as_undisturbed"] or found["events_lost"] or found["events_duplicated"]:
        raise SystemExit(1)


def measured(desk: Desk, chosen: argparse.Namespace) -> dict[str, object]:
    """Kills until it was enough, and counts."""
    for number in range(chosen.slices):
        desk.done("stage=publish", f"data.offset={number * chosen.rows}")
    took = desk.done(*follow("undisturbed"))
    expected = chain_of(desk.models(), "undisturbed")
    rows = desk.rows()
    dice, killed = random.Random(chosen.seed), Counter[str]()
    chains: list[str] = []
    while killed.total() < chosen.kills:
        chains.append(f"killed_{len(chains) + 1}")
        while last := desk.killed(chains[-1], dice.uniform(0, took / 2)):
            killed[what(last)] += 1
            print(f"kill {killed.total()}: {what(last)}", file=sys.stderr, flush=True)
    models = desk.models()
    ours = [chain_of(models, name) for name in chains]
    learned = [[one.training.dataset_id for one in chain] for chain in ours]
    return {
        "kills": killed.total(),
        "killed_while": dict(killed),
        "chains": len(chains),
        "data_sets": len(rows),
        "events_published": sum(rows.values()),
        "events_lost": sum(rows[one] for ids in learned for one in rows.keys() - set(ids)),
        "events_duplicated": sum(
            sum(rows[one] * (times - 1) for one, times in Counter(ids).items()) for ids in learned
        ),
        "as_undisturbed": all(known(chain) == known(expected) for chain in ours),
        "unproven_left": sum(one.status == UNPROVEN for one in models),
        "seed": chosen.seed,
    }


if __name__ == "__main__":
    main()
