"""What a stage needs beyond the package's own libraries is asked for by the stages that use it."""

from __future__ import annotations

import sys

import pytest

from susystream.composition import composed_settings
from susystream.errors import EvaluationError, ReaderUnsupported, SusystreamError
from susystream.settings import Settings
from susystream.stages.extras import check_extras, check_extras_of_trials

TFIO, SPARK = "stream/reader=tfio", "evaluate/engine=spark"
SLICE = "evaluate.input=slice:susy/0:0-1"


@pytest.fixture(autouse=True)
def neither(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where they are not installed: None in place of a module is Python's own word for it."""
    for name in ("tensorflow_io", "pyspark"):
        monkeypatch.setitem(sys.modules, name, None)


def settings(words: str) -> Settings:
    return composed_settings(words.split())


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (f"stage=publish stream.read_back=true {TFIO}", ReaderUnsupported),
        (f"stage=train {TFIO}", ReaderUnsupported),
        (f"stage=pipeline {TFIO}", ReaderUnsupported),
        (f"stage=evaluate {SLICE} {TFIO}", ReaderUnsupported),
        (
            "stage=evaluate ++evaluate.sets.mine={kind:slice,events:'dataset:latest'} " + TFIO,
            ReaderUnsupported,
        ),
        (f"stage=evaluate {SPARK}", EvaluationError),
        (f"stage=pipeline {SPARK}", EvaluationError),
    ],
)
def test_a_stage_that_uses_what_is_not_installed_is_refused(
    words: str, error: type[SusystreamError]
) -> None:
    with pytest.raises(error, match=r"expected the package .*; pip install"):
        check_extras(settings(words))


@pytest.mark.parametrize(
    "words",
    [
        f"stage=publish {TFIO}",
        f"stage=prepare {TFIO} {SPARK}",
        f"stage=evaluate {TFIO}",
        f"stage=evaluate evaluate.input=big.csv {TFIO}",
        f"stage=train {SPARK}",
        f"stage=score {TFIO} {SPARK}",
    ],
)
def test_a_stage_that_does_not_use_it_is_not(words: str) -> None:
    check_extras(settings(words))


def test_a_sweep_is_refused_where_none_of_its_trials_can_run() -> None:
    able, unable = settings("stage=train"), settings(f"stage=train {TFIO}")
    check_extras_of_trials([able])
    check_extras_of_trials([unable, able])
    with pytest.raises(ReaderUnsupported):
        check_extras_of_trials([unable, unable])
