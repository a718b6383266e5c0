"""A run's own figures come first, and what accompanies it is neither lost nor held for long."""

from __future__ import annotations

from mlflow import MlflowClient

from susystream.tracking.precedence import Precedence
from susystream.tracking.tracker import Tracker


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_accompanies_a_run_waits_for_its_first_own_figures() -> None:
    precedence = Precedence(Clock())
    assert precedence.passed(["lag"], beside=True) == []
    assert precedence.passed(["cpu"], beside=True) == []
    assert precedence.passed([], beside=False) == []
    assert precedence.passed(["auc"], beside=False) == ["auc", "lag", "cpu"]
    assert precedence.passed(["cpu 2"], beside=True) == ["cpu 2"]
    assert precedence.rest() == []


def test_after_half_a_minute_nothing_waits() -> None:
    clock = Clock()
    precedence = Precedence(clock)
    assert precedence.passed(["cpu"], beside=True) == []
    clock.now = 31.0
    assert precedence.passed(["cpu 2"], beside=True) == ["cpu", "cpu 2"]
    assert precedence.passed(["auc"], beside=False) == ["auc"]


def test_a_run_without_figures_of_its_own_keeps_the_others(tracker: Tracker) -> None:
    client = MlflowClient(tracker.uri)
    with tracker.run("train", name="n", params={}, tags={}) as run:
        run.log_metrics({"stream/lag_messages": 3.0}, step=7, beside=True)
        assert client.get_run(run.run_id).data.metrics == {}
    (point,) = client.get_metric_history(run.run_id, "stream/lag_messages")
    assert (point.value, point.step) == (3.0, 7)


def test_the_ui_gets_the_auc_before_the_processors_load(tracker: Tracker) -> None:
    with tracker.run("train", name="n", params={}, tags={}) as run:
        run.log_metrics({"system/cpu": 90.0}, beside=True)
        run.log_metrics({"validation/auc": 0.8})
    names = list(MlflowClient(tracker.uri).get_run(run.run_id).data.metrics)
    assert names == ["validation/auc", "system/cpu"]
