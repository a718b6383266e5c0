"""Names such as `latest` are the same for all trials of a sweep."""

from __future__ import annotations

import os
import sys

import pytest
from omegaconf import OmegaConf
from sweeping.desk import SweepDesk

from susystream.composition import composed_settings
from susystream.registry.store import ModelStore
from susystream.stages.console import Console
from susystream.stages.context import open_context
from susystream.stages.publish import publish
from susystream.sweeping.known import Known, told
from susystream.sweeping.trials import _trial


def test_a_data_set_that_comes_between_two_trials_changes_none(
    desk: SweepDesk, broker: str, store_uri: str
) -> None:
    desk.environment = {"PYTHONPATH": os.pathsep.join(sys.path)}  # the callback's module too
    name = desk.folder.name[-40:]
    given = [
        *(f"stream.bootstrap_servers={broker}", f"stream.topic={name}", "stage=train"),
        *(f"registry.uri={store_uri}", f"registry.database={name}", f"home={desk.folder}/home"),
        *("tracking.system_metrics=false", "tracking.pictures=false", f"tracking.uri={desk.uri}"),
        *("data.rows=300", "train.epochs=1", "model.hidden=[4]", "model.dropout=[0]"),
        "data.name=toy_${data.rows}",
    ]
    settings = composed_settings(given)
    with open_context(settings, output=desk.folder / "publish", console=Console()) as context:
        dataset_id = publish(context).dataset_ids[0]
    names = "train.dataset=latest,'name:${data.name}'"
    late = "+hydra.callbacks.late._target_=sweeping.late.LateDataSet"
    status, _, err = desk.sweep(*given, names, late)
    assert status == 0, err
    with ModelStore(store_uri, name) as store:
        assert len(store.list_datasets()) == 3
    ran = OmegaConf.load(desk.folder / "out" / "0" / "config.yaml")
    assert ran.train.dataset == dataset_id
    named_latest, by_name = desk.trials().values()
    assert (named_latest["state"], by_name["state"]) == ("finished", "reused")
    assert named_latest["run_id"] == by_name["run_id"]  # its settings came to the same


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (r"evaluate.input=slice\:q1/0\:0-10", "input=slice:q1/0:0-10"),
        ("evaluate.engine.options={spark.password:hunter2}", "options={spark.password: '***'}"),
        ("a.b={security:{sasl.jaas.config:hunter2}}", "b={security: {sasl.jaas.config: '***'}}"),
        ("stream.security={x:hunter2}", "security=***"),
        ("tracking.uri=me:hunter2@h:5000", "uri=h:5000"),
        ("tracking.uri=http://me:hunter2", "uri=***"),
        ("registry.uri='mongodb://u:a hunter2@h'", "uri=mongodb://h"),
        ("evaluate.engine.options='{spark.password: hunter2}'", "options=***"),
    ],
)
def test_a_value_is_named_without_the_marks_of_hydras_grammar_and_without_secrets(
    typed: str, shown: str
) -> None:
    hydra = {"job": {"num": 0}, "overrides": {"task": [typed]}}
    with told(Known("s", "i", (typed.partition("=")[0],))):
        trial = _trial(OmegaConf.create(hydra))
    assert trial.name == f"trial 0: {shown}"
