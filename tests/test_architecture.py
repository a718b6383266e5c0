"""The floors of the design, enforced on the source text."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "susystream"
FLOOR = {
    "as_overrides": 0,
    "collector": 0,
    "direction": 0,
    "disclosure": 0,
    "errors": 0,
    "file_lock": 0,
    "interruption": 0,
    "java": 0,
    "process_identity": 0,
    "processors": 0,
    "schema": 0,
    "settings": 0,
    "stderr": 0,
    "stated_security": 0,
    "physics": 1,
    "quiet_tensorflow": 1,
    "tables": 1,
    "data": 1,
    "stream.slices": 1,
    "stream.ahead": 1,
    "stream.codec": 1,
    "stream.dataset": 1,
    "stream.layout": 1,
    "stream.schema_document": 1,
    "model": 1,
    "registry.document": 1,
    "evaluate": 1,
    "plots": 1,
    "evaluate.spark_engine": 2,
    "stream": 2,
    "registry": 2,
    "tracking": 2,
    "services": 2,
    "data.download": 2,
    "stages": 3,
    "reports": 3,
    "cli": 4,
    "commands": 4,
    "flags": 4,
    "help_comments": 4,
    "home_servers": 4,
    "known_settings": 4,
    "refusals": 4,
    "unreadable": 4,
    "composition": 4,
    "project_run": 4,
    "differences": 4,
    "variant": 4,
    "recipes": 4,
    "sweeping": 4,
    "repeating": 4,
    "logged_run": 4,
    "typed_names": 4,
    "typed_values": 4,
    "exact_ids": 4,
    "listing": 4,
    "mlflow_plugin": 4,
    "model_comparison": 4,
    "model_listing": 4,
    "data_listing": 4,
    "delivering": 4,
    "enlarging": 4,
    "reporting": 4,
    "workspace": 4,
    "__main__": 5,
    "": 0,
}
ADAPTERS = (
    *("stream", "registry", "tracking", "services", "data.download"),
    "evaluate.spark_engine",
)
HYDRA = (
    *("composition", "differences", "flags", "known_settings", "recipes", "refusals"),
    *("sweeping", "typed_names", "typed_values", "unreadable", "variant"),
)
ONLY_IN = {
    "hydra": HYDRA,
    "omegaconf": HYDRA,
    "alembic": ("tracking.schema",),
    "optuna": ("stages.pruning",),
    "mlflow": ("tracking", "mlflow_plugin"),
    "pymongo": ("registry.store", "services"),
    "bson": ("registry.store",),
    "gridfs": ("registry.store",),
    "kafka": ("stream", "services"),
    "tensorflow": ("quiet_tensorflow",),
    "keras": ("quiet_tensorflow",),
    "openvino": ("model.openvino_scorer",),
    "matplotlib": ("plots",),
    "mplhep": ("plots",),
    "hist": ("plots",),
    "pyspark": ("evaluate.spark_engine",),
    "tensorflow_io": ("stream.tfio_reader",),
    "click": (
        *("commands", "data_listing", "delivering", "enlarging", "listing", "model_comparison"),
        *("model_listing", "repeating", "reporting"),
    ),
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


def room_of(module: str) -> str:
    """The longest name in FLOOR that holds the module."""
    rooms = [room for room in FLOOR if room and within(module, room)]
    return max(rooms, key=len, default="")


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own_modules(path: Path) -> set[str]:
    known = {name_of(module) for module in MODULES}
    found = set()
    for name in imports(path):
        inner = name.removeprefix("susystream.")
        if inner == name:
            continue
        found.add(inner if inner in known else inner.rpartition(".")[0])
    return found - {""}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down_only(path: Path) -> None:
    module = name_of(path)
    floor = FLOOR[room_of(module)]
    for other in own_modules(path):
        assert FLOOR[room_of(other)] <= floor, f"{module} imports {other} from a higher floor"


@pytest.mark.parametrize(
    "path", [path for path in MODULES if FLOOR[room_of(name_of(path))] == 2], ids=name_of
)
def test_adapters_do_not_import_each_other(path: Path) -> None:
    module = name_of(path)
    mine = next(adapter for adapter in ADAPTERS if within(module, adapter))
    for other in own_modules(path):
        if FLOOR[room_of(other)] == 2:
            assert within(other, mine), f"{module} imports the adapter {other}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_outside_libraries_stay_in_their_rooms(path: Path) -> None:
    module = name_of(path)
    for name in imports(path):
        rooms = ONLY_IN.get(name.split(".")[0])
        assert rooms is None or any(within(module, room) for room in rooms), (
            f"{module} imports {name}"
        )


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_one_room_with_a_docstring(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    assert ast.get_docstring(ast.parse(text))


def test_importing_the_package_loads_no_heavy_library() -> None:
    heavy = ["tensorflow", "keras", "mlflow", "hydra", "omegaconf", "pymongo", "kafka", "polars"]
    heavy += ["pyspark", "openvino", "matplotlib"]
    code = f"import sys, susystream; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    "module", ["stages.run", "stages.prepare", "stages.publish", "cli", "reports.declared"]
)
def test_what_trains_and_scores_nothing_loads_no_tensorflow(module: str) -> None:
    """It takes seconds, which a command that prepares, publishes or reports need not wait for."""
    code = f"import sys, susystream.{module}; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr


def test_no_room_is_called_utils() -> None:
    assert not [p for p in MODULES if p.stem in {"utils", "helpers", "common", "misc"}]


def test_no_two_test_modules_share_a_name() -> None:
    """Pytest imports them by it: one of two would not be collected."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
