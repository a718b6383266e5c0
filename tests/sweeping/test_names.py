"""Names such as `latest` are the same for all trials of a sweep."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf
from sweeping.desk import SweepDesk

from susystream.composition import run_composed
from susystream.registry.store import ModelStore

SMALL = ("data.rows=300", "train.epochs=1", "model.hidden=[4]", "model.dropout=[0]")


def test_a_data_set_that_comes_between_two_trials_changes_none(
    desk: SweepDesk, broker: str, store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", desk.uri)
    name = desk.folder.name[-40:]
    given = (
        *(f"stream.bootstrap_servers={broker}", f"stream.topic={name}", *SMALL),
        *(f"registry.uri={store_uri}", f"registry.database={name}", f"home={desk.folder}/home"),
        *("tracking.system_metrics=false", "tracking.pictures=false"),
        "data.name=toy_${data.rows}",
    )
    run_composed(["stage=publish", *given, f"hydra.run.dir={desk.folder}/publish"])
    names = "train.dataset=latest,'name:${data.name}'"
    late = "+hydra.callbacks.late._target_=sweeping.late.LateDataSet"
    sweep = ["-m", "stage=train", *given, f"hydra.sweep.dir={desk.folder}/out", names, late]
    run_composed(sweep)
    with ModelStore(store_uri, name) as store:
        first, *later = sorted(store.list_datasets(), key=lambda one: one.created_at)
    assert len(later) == 2
    ran = OmegaConf.load(desk.folder / "out" / "0" / "config.yaml")
    assert ran.train.dataset == first.dataset_id
    named_latest, by_name = desk.trials().values()
    assert (named_latest["state"], by_name["state"]) == ("finished", "reused")
    assert named_latest["run_id"] == by_name["run_id"]  # its settings came to the same
