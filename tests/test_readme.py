"""The README's commands exist and its links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep

from susystream.commands import cli
from susystream.composition import config_folder, settings_of

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.S)
LINES = [line.split("  #")[0].strip() for block in BLOCKS for line in block.splitlines() if line]
MAKEFILE = (ROOT / "Makefile").read_text()


def commands(program: str) -> list[list[str]]:
    split = [shlex.split(line) for line in LINES]
    return [words[1:] for words in split if words[0] == program]


def first_value(word: str) -> str:
    """Of a sweep its first trial's override."""
    (override,) = OverridesParser.create().parse_overrides([word])
    if not override.is_sweep_override():
        return word
    value = override.value()
    if isinstance(value, IntervalSweep):
        return f"{override.get_key_element()}={value.start}"
    return f"{override.get_key_element()}={next(iter(override.sweep_string_iterator()))}"


@pytest.mark.parametrize("words", commands("make"), ids=" ".join)
def test_every_make_target_exists(words: list[str]) -> None:
    for target in words:
        assert re.search(rf"^{target}:", MAKEFILE, re.M)


@pytest.mark.parametrize("words", commands("susystream"), ids=" ".join)
def test_every_susystream_command_exists(words: list[str]) -> None:
    command = cli
    for word in words:
        found = getattr(command, "commands", {}).get(word)
        if found is None:
            break
        command = found
    assert command is not cli


@pytest.mark.parametrize(
    "words", [w for w in commands("susystream") if w[0] == "run"], ids=" ".join
)
def test_every_run_command_composes(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_PASSWORD", "KEY_PASSWORD"):
        monkeypatch.setenv(name, "a secret")
    overrides = [word for word in words[1:] if "=" in word]
    if "-m" in words:
        overrides = [first_value(word) for word in overrides]
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        settings_of(compose("config", overrides=overrides))


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", *ROOT.glob("docker/**/README.md"), *ROOT.glob("experiments/*/README.md")],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
