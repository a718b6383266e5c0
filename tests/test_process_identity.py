"""Whether a process that wrote down its identity still lives."""

from __future__ import annotations

import subprocess
import sys

from susystream.process_identity import has_ended, is_going_on, own_identity


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
