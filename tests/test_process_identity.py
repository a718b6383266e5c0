"""Whether a process that wrote down its identity still lives."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from susystream import process_identity
from susystream.process_identity import created, has_ended, is_going_on, own_identity


def test_one_that_lives_has_not_ended_and_one_that_was_killed_has() -> None:
    code = (
        "from susystream.process_identity import own_identity\n"
        "print(own_identity(), flush=True)\nimport time\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        identity = one.stdout.readline().strip()
        assert (has_ended(identity), is_going_on(identity)) == (False, True)
        one.kill()
        one.wait()
        assert (has_ended(identity), is_going_on(identity)) == (True, False)


def test_another_process_with_the_same_number_is_not_the_same() -> None:
    place, pid, started = own_identity().rsplit("/", 2)
    assert not has_ended(own_identity())
    assert has_ended(f"{place}/{pid}/{float(started) - 1000}")


def test_of_another_machine_nothing_is_known() -> None:
    for told in ("elsewhere/1/1.0", "", "a/b", "elsewhere/x/y"):
        assert (has_ended(told), is_going_on(told)) == (False, False)


@pytest.mark.parametrize(("seconds_before", "ended"), [(60, True), (-60, False)])
def test_what_ran_in_a_container_before_it_started_again_has_ended_and_nothing_else_has(
    monkeypatch: pytest.MonkeyPatch, seconds_before: int, ended: bool
) -> None:
    """A later one is of this life: in a place of its own within the container."""
    monkeypatch.setattr(platform, "node", lambda: "0123456789ab")
    name, mark, _ = own_identity().rsplit("/", 2)[0].rpartition(" pid:")
    assert mark, "the place says whose the numbers are"
    former = f"{name} pid:[1]/7/{created(1) - seconds_before}"
    assert not has_ended(former), "outside of containers that is another machine's"
    monkeypatch.setattr(process_identity, "_container_id", lambda: "0123456789ab" + "0" * 52)
    assert (has_ended(former), is_going_on(former)) == (ended, False)
    monkeypatch.setattr(process_identity, "_container_id", lambda: "another" + "0" * 57)
    assert not has_ended(former)


def test_a_host_name_that_somebody_chose_is_no_container_s_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two containers of one machine may both be called `c0`."""
    monkeypatch.setattr(platform, "node", lambda: "c0")
    monkeypatch.setattr(process_identity, "_container_id", lambda: "c0" * 32)
    name = own_identity().rsplit("/", 2)[0].rpartition(" pid:")[0]
    assert not has_ended(f"{name} pid:[1]/7/1.0")
