"""What a run tells of its reading: rates and lag, a few points a minute, in a real store."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient
from stages.desk import Open

from susystream.stages.metering import Meter
from susystream.stages.publish import publish
from susystream.stages.train import train
from susystream.stream.slices import TopicSlice
from susystream.tracking.tracker import Tracker

NAMES = ("lag_messages", "events_per_second_now", "messages_per_second_now")


def points(uri: str, run_id: str, name: str) -> list[tuple[int, float]]:
    found = MlflowClient(uri).get_metric_history(run_id, f"stream/{name}")
    return sorted((one.step, one.value) for one in found)


def test_samples_are_rates_since_the_last_and_the_lag_at_most_one_in_so_many_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    uri, now = f"sqlite:///{tmp_path}/mlflow.db", [100.0]
    with Tracker(uri, "tests", system_metrics=False).run("t", name="n", params={}, tags={}) as run:
        meter = Meter(run, 5.0, clock=lambda: now[0])
        first = meter.watching(TopicSlice("t", ((0, 10, 50), (1, 10, 40))))
        for second, messages in ((102, 20), (103, 30), (106.9, 40), (107, 50), (111, 70)):
            now[0] = second
            first(messages, 10 * messages)
        second_read = meter.watching(TopicSlice("t", ((0, 10, 20),)))
        now[0] = 117
        second_read(5, 50)
        second_read(10, 100)
        now[0] = 119
        meter.finish()
        meter.finish()
    lag, events, taken = (points(uri, run.run_id, name) for name in NAMES)
    steps = [200, 500, 750, 800]
    assert lag == list(zip(steps, [50, 20, 5, 0], strict=True))
    assert events == list(zip(steps, [100, 60, 25, 25], strict=True))
    assert taken == list(zip(steps, [10, 6, 2.5, 2.5], strict=True))


@pytest.mark.parametrize("reader", ["kafka", "tfio"])
def test_training_tells_how_far_its_reading_is_behind(opened: Open, reader: str) -> None:
    with opened(f"stream/reader={reader}", "train.epochs=2") as context:
        publish(context)
        run_id = train(context).run_id
        uri = context.tracker.uri
    for name in NAMES:
        assert 2 <= len(points(uri, run_id, name)) < 10, name
    steps, lag = zip(*points(uri, run_id, "lag_messages"), strict=True)
    assert (steps[-1], lag[-1]) == (3 * 3600, 0)  # proven once, then two epochs
    assert all(value > 0 for _, value in points(uri, run_id, "events_per_second_now"))
