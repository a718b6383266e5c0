"""The installed package: it works from any folder, without the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from package.building import ROOT, Built, Environment, environment_with

from susystream import __version__

FOUND = """
import json
from importlib.metadata import distribution
from mlflow.data.dataset_source_registry import _dataset_source_registry as sources
from hydra.core.plugins import Plugins
from hydra.plugins.plugin import Plugin
import susystream
from susystream.composition import config_folder
ours = distribution("susystream").entry_points
print(json.dumps({
    "package": susystream.__file__,
    "conf": str(config_folder()),
    "entries": sorted(f"{one.name}={one.load().__name__}" for one in ours),
    "sources": [one.__name__ for one in sources.sources if one.__module__.startswith("susystream")],
    "plugins": sorted({one.__module__ for one in Plugins.instance().discover(Plugin)
                       if "susystream" in one.__module__}),
}))
"""


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """The wheel in an environment of its own, whose package nobody may write."""
    environment = environment_with(built.wheel, tmp_path_factory.mktemp("installed") / "venv")
    folders = [one for one in (environment.packages / "susystream").rglob("*") if one.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    yield environment
    for folder in folders:
        folder.chmod(0o755)


@pytest.fixture
def elsewhere(tmp_path: Path, empty_database: Path) -> Path:
    """A folder of another project, whose settings are not ours."""
    folder = tmp_path / "élse where"
    (folder / "conf").mkdir(parents=True)
    (folder / "conf" / "config.yaml").write_text("another: project\n")
    shutil.copy(empty_database, folder)
    return folder


def result_of(done: subprocess.CompletedProcess[str], folder: Path) -> dict[str, object]:
    """The result that the last line names."""
    assert done.returncode == 0, done.stdout + done.stderr
    name, path = done.stdout.splitlines()[-1].split()
    assert name == "result"
    return dict(json.loads((folder / path).read_text()))


def test_the_console_script_says_its_version(installed: Environment, elsewhere: Path) -> None:
    done = installed.run("susystream", "--version", cwd=elsewhere)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip().endswith(f" {__version__}")


def test_all_settings_and_recipes_come_with_it(installed: Environment, elsewhere: Path) -> None:
    done = installed.run("susystream", "run", "--help", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    for folder in (path for path in (ROOT / "conf").iterdir() if path.is_dir()):
        options = sorted(path.stem for path in folder.glob("*.yaml"))
        assert ", ".join(options) in done.stdout, folder.name


def test_it_is_found_where_it_is_installed_by_python_mlflow_and_hydra(
    installed: Environment, elsewhere: Path
) -> None:
    done = installed.run("python", "-c", FOUND, cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    package = installed.packages / "susystream"
    assert found["package"] == str(package / "__init__.py")
    assert found["conf"] == str(package / "conf")
    sources = {"events=EventsSource", "kafka_slice=KafkaSliceSource"}
    assert {*found["entries"]} == {*sources, "susystream=main"}
    assert {*found["sources"]} == {one.partition("=")[2] for one in sources}
    plugins = sorted((ROOT / "src" / "hydra_plugins").glob("*/[a-z]*.py"))
    assert found["plugins"] == [f"hydra_plugins.{one.parent.name}.{one.stem}" for one in plugins]


@pytest.mark.parametrize(
    ("data", "rows"),
    [(("data.rows=300",), 300), (("data=real_sample",), 500), (("data=real_low_level",), 10_499)],
)
def test_a_stage_runs_on_toy_events_and_on_the_rows_that_come_with_it(
    installed: Environment, elsewhere: Path, data: tuple[str, ...], rows: int
) -> None:
    before = state_of(installed.packages)
    words = ("run", "stage=prepare", *data, "tracking.system_metrics=false")
    result = result_of(installed.run("susystream", *words, cwd=elsewhere), elsewhere)
    assert result["rows"] == rows
    assert state_of(installed.packages) == before
    made = {path.name for path in elsewhere.iterdir()} - {"conf"}
    assert made <= {".susystream", "experiments", "mlflow.db", "mlflow.db.lock", "mlruns"}


def state_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of all that is in a folder: who may write everywhere might have done so."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def test_a_folder_that_cannot_be_written_is_told_in_one_line(installed: Environment) -> None:
    assert not os.access("/proc/experiments", os.W_OK)
    done = installed.run("susystream", "run", "stage=prepare", "data.rows=300", cwd=Path("/proc"))
    assert done.returncode == 1
    assert done.stderr.startswith("susystream: expected to use experiments, received: ")
    assert len(done.stderr.splitlines()) == 1
