"""A run's own figures come first, and what accompanies it is not lost."""

from __future__ import annotations

import time

from mlflow import MlflowClient

from susystream.tracking.precedence import Precedence
from susystream.tracking.tracker import Tracker


def test_what_accompanies_a_run_waits_for_its_first_own_figures() -> None:
    precedence = Precedence()
    assert precedence.passed(["lag"], beside=True) == []
    assert precedence.passed(["cpu"], beside=True) == []
    assert precedence.passed([], beside=False) == []
    assert precedence.passed(["auc"], beside=False) == ["auc", "lag", "cpu"]
    assert precedence.passed(["cpu 2"], beside=True) == ["cpu 2"]
    assert precedence.rest() == []


def test_more_points_than_are_held_go_at_once() -> None:
    precedence = Precedence(most=2)
    assert precedence.passed(["cpu", "lag"], beside=True) == []
    assert precedence.passed(["cpu 2"], beside=True) == ["cpu", "lag", "cpu 2"]
    assert precedence.passed(["cpu 3"], beside=True) == ["cpu 3"]
    assert precedence.passed(["auc"], beside=False) == ["auc"]


def test_the_first_point_after_some_time_lets_all_go() -> None:
    precedence = Precedence(seconds=0.05)
    time.sleep(0.06)
    assert precedence.passed(["cpu"], beside=True) == [], "it just came"
    time.sleep(0.06)
    assert precedence.passed(["cpu 2"], beside=True) == ["cpu", "cpu 2"]


def test_a_run_without_figures_of_its_own_keeps_the_others(tracker: Tracker) -> None:
    client = MlflowClient(tracker.uri)
    with tracker.run("train", name="n", params={}, tags={}) as run:
        run.log_metrics({"stream/lag_messages": 3.0}, step=7, beside=True)
        assert client.get_run(run.run_id).data.metrics == {}
    (point,) = client.get_metric_history(run.run_id, "stream/lag_messages")
    assert (point.value, point.step) == (3.0, 7)


def test_the_ui_gets_the_auc_before_the_processors_load(tracker: Tracker) -> None:
    client = MlflowClient(tracker.uri)
    with tracker.run("train", name="n", params={}, tags={}) as run:
        run.log_metrics({"system/cpu": 90.0}, beside=True)
        time.sleep(0.01)
        run.log_metrics({"validation/auc": 0.8})
    names = list(client.get_run(run.run_id).data.metrics)
    assert names == ["validation/auc", "system/cpu"]
    auc, cpu = (client.get_metric_history(run.run_id, name)[0].timestamp for name in names)
    assert cpu < auc  # a point that waited keeps its time
