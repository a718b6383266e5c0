"""Flags of `susystream run` that are wrong, or cannot stand beside each other, are one line."""

from __future__ import annotations

import pytest
from hydra._internal.utils import get_args_parser

from susystream.errors import SettingsError
from susystream.flags import FLAGS, check_flags


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("seed=1,2 -m --cfg job", "received -m and --cfg job; leave out -m"),
        ("seed=1,2 -m --info", "received -m and --info all; leave out all but one"),
        ("--cfg job --info plugins", "received --cfg job and --info plugins"),
        ("--run --shell-completion", "received --run and --shell-completion"),
        ("seed=1,2 -m --resolve", "expected --resolve beside --cfg, received it alone"),
        ("--shell-completion", "alone; type --shell-completion install=bash"),
        ("--cfg jbo", "expected --cfg with job, hydra or all, received --cfg jbo; type --cfg job"),
        ("-c", "received --cfg alone; type --cfg job"),
        ("--cfg registry.password=hunter2", "received --cfg alone"),
        ("--info=plugin", "received --info plugin; type one of them"),
        ("--cfg stream.security:{sasl.password:hunter2}", "received --cfg with another word"),
        ("-chunter2", "received --cfg with another word; type --cfg job"),
        ("--package", "expected --package with a value, received it alone; type one behind it"),
        ("--mutlirun", "received --mutlirun; did you mean --multirun"),
        ("--fly=hunter2", "received another .*; leave it out"),
        ("--hunter2", "received another .*; leave it out"),
        ("-xhunter2", "received another .*; leave it out"),
        ("--cfg it's_hunter2", "received --cfg with another word; type --cfg job"),
        ("--cfg it's\"hunter2", "received --cfg with another word; type --cfg job"),
        ("-from-run", "received -from-run; did you mean --from-run"),
        ("-mstream.security={sasl.password:hunter2}", "expected --multirun alone, .*a blank"),
        ("--multirun=hunter2", "expected --multirun alone, received a value right behind it; put"),
        ("-htracking.uri=http://u:hunter2@h", "expected --help alone, received a value"),
    ],
)
def test_flags_that_cannot_go_well_are_refused_in_one_line(typed: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as caught:
        check_flags(typed.split())
    assert "\n" not in str(caught.value)
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "seed=1,2 -m",
        "seed=1 --cfg job --resolve --package train",
        "--help --resolve",
        "--hydra-help",
        "--info",
        "install=bash --shell-completion",
        "--from-run 0123 -m",
        "--from-run",
    ],
)
def test_flags_that_can_go_well_are_left_alone(typed: str) -> None:
    check_flags(typed.split())


def test_every_flag_of_hydra_is_known() -> None:
    flags = {one for action in get_args_parser()._actions for one in action.option_strings}
    assert {one for one in flags if one.startswith("--")} - {"--version"} == FLAGS - {"--from-run"}
