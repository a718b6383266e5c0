"""What the hash of a command's settings holds."""

from __future__ import annotations

import os
from pathlib import Path

from stages.desk import Open

from susystream.stages.identity import config_hash


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
