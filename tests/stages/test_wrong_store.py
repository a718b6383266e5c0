"""A store's wrong address is told at once: nothing is started or prepared for it in vain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from stages.desk import Open

from susystream.errors import StoreUnavailable
from susystream.stages.context import StageContext
from susystream.stages.follow import follow
from susystream.stages.pipeline import pipeline
from susystream.stages.publish import publish
from susystream.stages.result import StageResult
from susystream.stages.score import score


@pytest.mark.parametrize("stage", [publish, score, follow, pipeline])
def test_a_wrong_address_is_told_before_events_are_prepared_and_a_broker_starts(
    stage: Callable[[StageContext], StageResult], opened: Open, tmp_path: Path
) -> None:
    wrong = ("registry.uri=mongodb://127.0.0.1:1", "registry.timeout_seconds=1")
    with (
        opened("stream.bootstrap_servers=null", *wrong) as context,
        pytest.raises(StoreUnavailable, match=r"registry\.uri"),
    ):
        stage(context)
    home = tmp_path / "home"
    assert [name for name in ("kafka", "data") if (home / name).exists()] == []
