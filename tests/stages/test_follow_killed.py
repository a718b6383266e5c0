"""A trainer that is killed anywhere ends with the models of one that never was; a stop is clean."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest
from mlflow import MlflowClient
from stages.desk import Open

from susystream.registry.document import ModelSummary
from susystream.stages.chain import chain_of
from susystream.stages.context import StageContext
from susystream.stages.follow import follow
from susystream.stages.publish import publish

SMALL = [
    *("stage=train", "data.rows=2000", "train.epochs=2", "model.hidden=[16]"),
    *("model.dropout=[0.2]", "train.follow=true", "train.following.poll_seconds=0.1"),
]
SLICES = 2
LONG = "train.epochs=100000"  # so that a signal surely comes in the middle of it
DEADLINE_SECONDS = 200


def ended_at(
    context: StageContext, line: str, number: signal.Signals, *overrides: str
) -> tuple[int, list[str]]:
    """Starts a trainer and sends it a signal when it says a line.

    Returns:
        Its exit status and what it said.
    """
    settings = context.settings
    addresses = [
        f"home={settings.home}",
        f"stream.bootstrap_servers={settings.stream.bootstrap_servers}",
        f"stream.topic={settings.stream.topic}",
        f"registry.uri={settings.registry.uri}",
        f"registry.database={settings.registry.database}",
        f"tracking.uri={settings.tracking.uri}",
        "tracking.system_metrics=false",
    ]
    with started([*addresses, *SMALL, *overrides]) as (process, lines):
        said, ends = list[str](), time.monotonic() + DEADLINE_SECONDS
        while (text := lines.get(timeout=max(0.0, ends - time.monotonic()))) is not None:
            said.append(text)
            if line in text and len(said) > 1:
                process.send_signal(number)
                line = "\n\n"  # once
        return process.wait(timeout=60), said


@contextmanager
def started(overrides: list[str]) -> Iterator[tuple[subprocess.Popen[str], Queue[str | None]]]:
    """A trainer, and its lines as they come, None after the last; it ends with the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "susystream", "run", *overrides],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        lines: Queue[str | None] = Queue()
        reader = Thread(target=read, args=(process, lines), daemon=True)
        reader.start()
        try:
            yield process, lines
        finally:
            process.kill()  # nothing, where it ended
            reader.join(30)


def read(process: subprocess.Popen[str], lines: Queue[str | None]) -> None:
    assert process.stdout is not None
    for text in process.stdout:
        lines.put(text.rstrip())
    lines.put(None)


def chain(context: StageContext, name: str) -> list[ModelSummary]:
    return chain_of(context.store.list_models(), name)


def known(models: list[ModelSummary]) -> list[tuple[str, str, dict[str, float]]]:
    """What must not depend on a kill: data sets, weights and figures."""
    return [
        (
            one.training.dataset_id,
            one.weights_sha256,
            {name: value for name, value in one.metrics.items() if name.startswith("follow/")},
        )
        for one in models
    ]


@pytest.mark.timeout(900)  # five trainers, each of which loads TensorFlow
def test_a_killed_trainer_loses_no_event_learns_none_twice_and_a_stop_leaves_no_half_model(
    opened: Open,
) -> None:
    for number in range(SLICES):
        with opened(*SMALL, f"data.offset={2000 * number}") as context:
            publish(context)
    undisturbed = ["train.following.chain=whole", f"train.following.slices={SLICES}"]
    with opened(*SMALL, *undisturbed) as context:
        whole = follow(context).inputs["models"]
    with opened(*SMALL) as context:
        for overrides, line in ((LONG, "epoch 1:"), ("seed=42", "is stored and proven")):
            status, said = ended_at(context, line, signal.SIGKILL, overrides)
            assert status == -signal.SIGKILL, said
        before = context.store.list_models()
        status, said = ended_at(context, "epoch 1:", signal.SIGTERM, LONG)
        assert status == 128 + signal.SIGTERM, said
        assert [one.model_id for one in context.store.list_models()] == [
            one.model_id for one in before
        ]
        status, said = ended_at(context, "waiting for the next", signal.SIGINT)
        assert status == 130, said
        killed, expected = chain(context, "report_mlp"), chain(context, "whole")
    assert [one.model_id for one in expected] == whole
    assert len(killed) == len({one.training.dataset_id for one in killed}) == SLICES
    assert known(killed) == known(expected)
    result = result_of(said)
    last = len(result["model_ids"])
    assert result["model_ids"] == [one.model_id for one in killed[SLICES - last :]]
    client = MlflowClient(context.settings.tracking.uri)
    assert client.get_run(result["run_id"]).info.status == "FINISHED"
    runs = client.search_runs([client.get_run(result["run_id"]).info.experiment_id])
    # those that kill -9 ended are marked by the next command, and say so
    killed_runs = [run for run in runs if run.info.status == "KILLED"]
    stopped = [run.data.tags["stage"] for run in killed_runs if "error" not in run.data.tags]
    assert sorted(stopped) == ["follow", "train"]


def result_of(said: list[str]) -> dict[str, Any]:
    (named,) = [line for line in said if line.startswith("stopped between two data sets: ")]
    return dict(json.loads(Path(named.partition(": ")[2]).read_text()))
