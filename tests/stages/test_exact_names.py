"""What names come to: in one command, and in all trials of a sweep."""

from __future__ import annotations

import pytest
from registry.test_store import model, record
from stages.desk import Open

from susystream.composition import composed_settings
from susystream.errors import NotFound
from susystream.settings.data import SliceSet
from susystream.stages.exact_names import (
    exact_names,
    exact_settings,
    names_of_trials,
    with_names,
)
from susystream.stages.identity import config_hash
from susystream.stages.moved_names import _overrides
from susystream.stages.publish import publish

NAMED = "++evaluate.sets={v1.0: {kind: slice, events: 'dataset:latest'}}"  # with a dot


def test_what_was_the_latest_stays_what_it_was(opened: Open) -> None:
    with opened("stage=publish", "data.rows=300") as context:
        first = publish(context).dataset_ids[0]
    with opened("stage=train") as context:
        training = exact_names(context)
        hashed = config_hash(exact_settings(context))
    with opened("stage=pipeline", NAMED) as context:
        chain = exact_names(context)
        settings = with_names(context.settings, chain)
    assert training == chain == {"dataset:latest": first}
    assert settings.evaluate.sets["v1.0"] == SliceSet(events=f"dataset:{first}")
    with opened("stage=publish", "data.rows=301") as context:
        second = publish(context).dataset_ids[0]
    with opened("stage=train") as context:
        assert exact_settings(context).train.dataset == second
        assert with_names(context.settings, training).train.dataset == first
        assert config_hash(exact_settings(context)) != hashed
        assert config_hash(with_names(context.settings, training)) == hashed


def test_what_keeps_to_a_former_name_can_be_typed() -> None:
    typed = ["stage=pipeline", "train.parent=best", NAMED]
    then, now = ({"dataset:latest": f"d{day}", "model:best": f"m{day}"} for day in (1, 2))
    settings = composed_settings(typed)
    keeps = _overrides(settings, then, now)
    assert keeps == ["train.parent=m1", "evaluate.sets={v1.0: {events: 'dataset:d1'}}"]
    assert composed_settings([*typed, *keeps]) == with_names(settings, then)


def test_trials_share_what_their_names_came_to_and_keep_their_own(opened: Open) -> None:
    """Of a recipe by whose name there is nothing: each trial's name is another."""
    sets = [record(name=f"ensemble_{rows}") for rows in (50, 60)]
    parent = model()
    trials = [
        composed_settings(["experiment=ensemble", f"data.rows={rows}", f"train.parent={of}"])
        for rows, of in ((50, "latest"), (60, "null"))
    ]
    with opened("experiment=ensemble") as context:
        for one in sets:
            context.store.save_dataset(one)
        context.store.save_model(parent)
        exact = names_of_trials(context, trials)
        context.store.save_dataset(record(name="ensemble_60", created_at="2026-02-01T00:00:00Z"))
    assert exact == {
        "dataset:name:ensemble_50": sets[0].dataset_id,
        "dataset:name:ensemble_60": sets[1].dataset_id,
        "model:latest": parent.model_id,
    }
    found = [with_names(one, exact).train for one in trials]
    assert [one.dataset for one in found] == [one.dataset_id for one in sets]
    assert [one.parent for one in found] == [parent.model_id, None]


def test_a_name_of_what_is_not_there_yet_is_left_to_its_trials(opened: Open) -> None:
    first, second = (
        composed_settings(["stage=train", *more]) for more in ([], ["train.parent='name:x'"])
    )
    one = record()
    with opened("stage=train") as context:
        with pytest.raises(NotFound, match="received 'latest'"):
            names_of_trials(context, [first, second])
        context.store.save_dataset(one)
        exact = names_of_trials(context, [first, second])
        with pytest.raises(NotFound, match="received 'name:x'"):
            names_of_trials(context, [second])
    assert exact == {"dataset:latest": one.dataset_id}
    assert with_names(second, exact).train.parent == "name:x"
