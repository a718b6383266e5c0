"""What the files of `conf/` say about their settings, in the help of `susystream run`.

In: the help as Hydra prints it, and the options that its settings were composed of. Out: the same
with the comments of those files beside the settings; Hydra leaves them out.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path

from susystream.as_overrides import Keys

_MARK = "\n== Settings"  # of conf/hydra/help: what stands below is composed
_WIDTH = 100
_KEY = re.compile(r"( *)([\w.-]+):(?=\s|$)")
_COMMENT = re.compile(r"(?:^|\s)#(?! @) *(.*)")  # `# @package` is for Hydra


def with_comments(told: str, folder: Path, choices: Mapping[str, str | None]) -> str:
    """The help with comments.

    Args:
        told: As Hydra prints it.
        folder: `conf/`.
        choices: The option of each group.
    """
    head, mark, settings = told.partition(_MARK)
    comments = {keys: text for keys, text in _of_files(folder, choices) if keys and text}
    shown = (_shown(line, comments.get(keys, "")) for keys, line in _placed(settings.split("\n")))
    return head + mark + "\n".join(shown)


def _shown(line: str, comment: str) -> str:
    """Behind it on its line, or in lines above it where that would be too long."""
    if not comment:
        return line
    if len(whole := f"{line}  # {comment}") <= _WIDTH:
        return whole
    sign = " " * (len(line) - len(line.lstrip())) + "# "
    above = textwrap.fill(
        comment, _WIDTH, initial_indent=sign, subsequent_indent=sign, break_on_hyphens=False
    )
    return f"{above}\n{line}"


def _of_files(folder: Path, choices: Mapping[str, str | None]) -> Iterator[tuple[Keys, str]]:
    yield from _of_file(folder / "config.yaml", ())
    for group, option in choices.items():
        path = folder / f"{group}/{option}.yaml"
        if path.is_file():  # not of Hydra's own groups
            yield from _of_file(path, tuple(group.split("/")))


def _of_file(path: Path, group: Keys) -> Iterator[tuple[Keys, str]]:
    """Comments above a key or behind it; those at the head of a file are of the whole option."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head = [*takewhile(lambda line: line.startswith("#"), lines)]
    if said := " ".join(_comments(head)):
        yield group, f"{path.stem}: {said}"
    above: list[str] = []
    for keys, line in _placed(lines[len(head) :]):
        above += _comments([line])
        if keys:
            yield (*group, *keys), " ".join(above)
            above = []


def _comments(lines: Iterable[str]) -> list[str]:
    return [found[1] for found in map(_COMMENT.search, lines) if found]


def _placed(lines: Iterable[str]) -> Iterator[tuple[Keys, str]]:
    """Lines of YAML, each with the keys of the setting that it begins; none of other lines."""
    inside: list[tuple[int, str]] = []
    for line in lines:
        found = _KEY.match(line)
        if found:
            depth = len(found[1])
            inside = [*(one for one in inside if one[0] < depth), (depth, found[2])]
        yield tuple(name for _, name in inside) if found else (), line
