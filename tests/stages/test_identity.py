"""What the hash of a command's settings holds, and names that are made exact."""

from __future__ import annotations

import os
from pathlib import Path

from stages.desk import Open

from susystream.stages.identity import config_hash, exact_names, exact_settings, with_names
from susystream.stages.publish import publish


def test_what_was_the_latest_stays_what_it_was(opened: Open) -> None:
    tested = "+evaluate.sets.other={kind: slice, events: 'dataset:latest'}"
    with opened("stage=publish", "data.rows=300") as context:
        first = publish(context).dataset_ids[0]
    with opened("stage=train") as context:
        training = exact_names(context)
        hashed = config_hash(exact_settings(context))
    with opened("stage=pipeline", tested) as context:
        chain = exact_names(context)
        settings = with_names(context.settings, chain)
    assert training == {"train.dataset": first}
    assert chain == {"evaluate.sets.other.events": f"dataset:{first}"}
    assert getattr(settings.evaluate.sets["other"], "events", None) == f"dataset:{first}"
    with opened("stage=publish", "data.rows=301") as context:
        second = publish(context).dataset_ids[0]
    with opened("stage=train") as context:
        assert exact_settings(context).train.dataset == second
        assert with_names(context.settings, training).train.dataset == first
        assert config_hash(exact_settings(context)) != hashed
        assert config_hash(with_names(context.settings, training)) == hashed


def test_the_hash_holds_no_place_and_every_file(opened: Open, tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text("1,2\n")
    given = ("stage=prepare", "data=susy", f"data.path={path}", "data.expected_rows=null")

    def hashed(*more: str) -> str | None:
        with opened(*given, *more) as context:
            return config_hash(context.settings)

    before = hashed()
    assert before == hashed("home=elsewhere", "stream.timeout_seconds=9", "tracking.experiment=e")
    assert before != hashed("seed=7")
    os.utime(path, ns=(1, 1))
    touched = hashed()
    path.write_text("1,2\n3,4\n")
    os.utime(path, ns=(1, 1))
    assert len({before, touched, hashed()}) == 3
    assert hashed("stage=score") is None
