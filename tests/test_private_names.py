"""The private names of libraries that are used are those that pyproject.toml lists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from test_architecture import imports

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src"
TABLE = re.findall(r"^#   \S+ +(\S.*?) +(\S+\.py)$", (ROOT / "pyproject.toml").read_text(), re.M)
PUBLIC = {"_asdict", "_exit", "_replace", "_target_"}  # documented, of Python and of Hydra


def listed() -> Iterator[tuple[str, str]]:
    """The modules of the list, each with every part of the names beside it."""
    for names, place in TABLE:
        module = place if place.startswith("hydra_plugins") else f"susystream/{place}"
        yield from ((module, name) for name in re.findall(r"\w+", names))


def private_names(path: Path) -> set[str]:
    """Those that a module asks of what is neither itself nor made in it."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    found = [one for one in nodes if isinstance(one, ast.Attribute)]
    own = {one.attr for one in found if ast.unparse(one.value) in ("self", "cls")}
    own |= {one.name for one in nodes if isinstance(one, ast.FunctionDef | ast.ClassDef)}
    imported = {part for name in imports(path) for part in name.split(".")}
    asked = {one.attr for one in found} | imported | asked_in_words(nodes) | variables(nodes)
    return {one for one in asked - own - PUBLIC if re.match("_[^_]", one)}


def asked_in_words(nodes: list[ast.AST]) -> set[str]:
    """As in `getattr(network, "_layers")`."""
    calls = [one for one in nodes if isinstance(one, ast.Call) and len(one.args) > 1]
    names = [one.args[1] for one in calls if ast.unparse(one.func) == "getattr"]
    return {str(one.value) for one in names if isinstance(one, ast.Constant)}


def variables(nodes: list[ast.AST]) -> set[str]:
    """Of the environment, as in `_PYSPARK_DRIVER_CONN_INFO_PATH`."""
    texts = {str(one.value) for one in nodes if isinstance(one, ast.Constant)}
    return {one for one in texts if re.fullmatch("_[A-Z]+(_[A-Z]+)+", one)}


def test_the_private_names_in_use_are_those_that_are_listed() -> None:
    modules = {str(path.relative_to(SOURCES)): path for path in SOURCES.rglob("*.py")}
    used = {(module, name) for module, path in modules.items() for name in private_names(path)}
    assert used == {(module, name) for module, name in listed() if name.startswith("_")}


def test_what_is_listed_stands_in_its_module() -> None:
    gone = [
        (module, name)
        for module, name in listed()
        if not re.search(rf"\b{name}\b", (SOURCES / module).read_text())
    ]
    assert (gone, bool(TABLE)) == ([], True)
