"""The number of processors is the least of what the system grants."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from susystream.processors import _quota, processor_name, processors


def test_it_is_no_more_than_the_affinity() -> None:
    assert 1 <= processors() <= len(os.sched_getaffinity(0))
    assert processor_name()


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"a/b": "max 100000"}, 2**31),
        ({"a/b": "200000 100000"}, 2),
        ({"a/b": "150000 100000"}, 2),
        ({"a/b": "400000 100000", "a": "50000 100000"}, 1),
        ({"a": "300000 100000"}, 3),
        ({"c": "100000 100000"}, 2**31),
        ({"a/b": "nonsense"}, 2**31),
    ],
)
def test_a_quota_of_any_group_around_the_process_counts(
    tmp_path: Path, limits: dict[str, str], expected: int
) -> None:
    own, groups = tmp_path / "own", tmp_path / "groups"
    own.write_text("1:name=systemd:/x\n0::/a/b\n")
    (groups / "a" / "b").mkdir(parents=True)
    (groups / "c").mkdir()
    for place, text in limits.items():
        (groups / place / "cpu.max").write_text(text + "\n")
    assert _quota(own, groups) == expected


def test_without_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert _quota(tmp_path / "none", tmp_path) == 2**31
