"""What is said beside a result is of that result, or says where else it comes from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from susystream.evaluate.paper import TABLE_II

READMES = sorted((Path(__file__).parents[2] / "experiments").glob("*/README.md"))
BY_HAND = "Typed by hand from "
LIKE_AN_AUC = re.compile(r"(?<![\d.])0\.8\d{2,}")


def numbers(node: Any) -> Iterator[float]:
    if isinstance(node, dict | list):
        for one in node.values() if isinstance(node, dict) else node:
            yield from numbers(one)
    elif isinstance(node, float):
        yield node


def unknown(text: str, known: set[float]) -> list[str]:
    """What looks like an AUC, outside the marks, and is none of those to the digits shown."""
    prose = re.sub(r"<!-- result -->.*<!-- /result -->", "", text, flags=re.S)
    told = [one for one in prose.split("\n\n") if not one.startswith(BY_HAND)]
    found = LIKE_AN_AUC.findall("\n\n".join(told))
    return [one for one in found if one not in {f"{n:.{len(one) - 2}f}" for n in known}]


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.name)
def test_every_auc_in_prose_is_of_the_result_or_says_that_it_is_not(readme: Path) -> None:
    result = readme.with_name("result.json")
    known = {one for row in TABLE_II.values() for one in row.values()}
    if result.exists():
        known |= set(numbers(json.loads(result.read_text())))
    assert unknown(readme.read_text(), known) == []


def test_a_number_of_no_run_is_found() -> None:
    text = "The AUC is 0.8612, or 0.861.\n\nTyped by hand from a run: 0.8999.\n\nIt was 0.8613."
    assert unknown(text, {0.86123}) == ["0.8613"]
