"""What is said of going on holds."""

from __future__ import annotations

import pytest

from susystream.composition import composed_settings
from susystream.stages.resuming import is_resumed, once_more


@pytest.mark.parametrize(
    ("overrides", "resumed"),
    [
        ("stage=train", True),
        ("stage=train sweep.resume=false", False),
        ("stage=train train.follow=true", False),
        ("stage=publish", False),
        ("stage=score", False),
    ],
)
def test_who_takes_up_no_trial_is_not_told_that_only_the_rest_is_run(
    overrides: str, resumed: bool
) -> None:
    settings = composed_settings(overrides.split())
    told = once_more(settings, told="only the rest")
    assert (is_resumed(settings), told.endswith("again: only the rest")) == (resumed, resumed)
