"""What the wheel and the sdist hold, and what they say of themselves."""

from __future__ import annotations

import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from package.building import ROOT, Built, build
from packaging.metadata import Metadata

SOURCES = ("src", "conf", "pyproject.toml", "README.md", "LICENSE", "CITATION.cff", ".gitignore")
TO_RUN = ("MLproject", "python_env.yaml", "requirements.lock")
PLACES = {"conf": "susystream/conf", "src/susystream": "susystream"}
PLACES["src/hydra_plugins"] = "hydra_plugins"


def files_of(folder: Path) -> dict[str, bytes]:
    """The content of all files below a folder, but for what Python compiled."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if "__pycache__" not in path.parts
    }


def content_of(built: Built) -> tuple[dict[str, bytes], set[str]]:
    """The files of the wheel, and the names of those of the sdist below its one folder."""
    with zipfile.ZipFile(built.wheel) as wheel:
        files = {name: wheel.read(name) for name in wheel.namelist()}
    with tarfile.open(built.sdist) as sdist:
        names = {one.name.partition("/")[2] for one in sdist if one.isfile()}
    return files, names


@pytest.fixture(scope="module")
def metadata(built: Built) -> Metadata:
    """What an installer and an index read, checked by the standard's own rules."""
    files, _ = content_of(built)
    (text,) = (one for name, one in files.items() if name.endswith(".dist-info/METADATA"))
    return Metadata.from_email(text, validate=True)


def test_the_wheel_holds_every_file_of_the_package_and_of_conf_and_no_other(built: Built) -> None:
    expected = {
        f"{place}/{name}": content
        for source, place in PLACES.items()
        for name, content in files_of(ROOT / source).items()
    }
    files, _ = content_of(built)
    held = {name: one for name, one in files.items() if ".dist-info/" not in name}
    assert sorted(held) == sorted(expected)
    assert held == expected


def test_the_sdist_builds_the_same_wheel_to_the_byte(built: Built, tmp_path: Path) -> None:
    with tarfile.open(built.sdist) as sdist:
        sdist.extractall(tmp_path)
    (source,) = tmp_path.iterdir()
    again = build(source, tmp_path / "built")
    assert again.wheel.name == built.wheel.name
    assert again.wheel.read_bytes() == built.wheel.read_bytes()


def test_the_sdist_holds_what_builds_the_package_and_what_runs_it(built: Built) -> None:
    _, names = content_of(built)
    expected = {f"{top}/{name}" for top in ("src", "conf") for name in files_of(ROOT / top)}
    assert names == expected | {*SOURCES[2:], *TO_RUN, "PKG-INFO"}


STRAY = (
    *("mlruns/0/meta.yaml", ".susystream/data/big", "experiments/runs/a/result.json", "mlflow.db"),
    *("outputs/a", "multirun/a", "notes.txt", ".env", "docker/.env", "src/susystream/mlruns/0/a"),
    *("src/susystream/__pycache__/a.pyc", "conf/__pycache__/a.pyc", "tests/test_a.py"),
)


def test_what_runs_and_people_leave_in_the_folder_gets_into_neither(
    built: Built, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    for name in (*SOURCES, *TO_RUN):
        whole = (ROOT / name).is_dir()
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if whole else shutil.copy)(ROOT / name, source / name)
    for name in STRAY:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("stray")
    assert content_of(build(source, tmp_path / "built")) == content_of(built)


def test_the_metadata_say_what_pyproject_and_readme_say(metadata: Metadata) -> None:
    assert metadata.license_expression == "Apache-2.0 AND CC-BY-4.0"
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description == (ROOT / "README.md").read_text()
    assert str(metadata.requires_python) == "<3.13,>=3.10"
    assert sorted(metadata.provides_extra or []) == ["dev", "notebook", "spark", "tfio"]


def test_every_licence_file_is_in_the_wheel(built: Built, metadata: Metadata) -> None:
    files, _ = content_of(built)
    assert metadata.license_files
    for name in metadata.license_files:
        held = files[f"susystream-{metadata.version}.dist-info/licenses/{name}"]
        assert held == (ROOT / name).read_bytes()


def test_each_extra_asks_for_what_pyproject_lists(metadata: Metadata) -> None:
    """Without one, nothing of them is asked for."""
    text = (ROOT / "pyproject.toml").read_text().partition("[project.optional-dependencies]")[2]
    for extra in metadata.provides_extra or []:
        listed = re.search(rf"^{extra} = \[.*?^\]", text, re.M | re.S)
        assert listed is not None
        names = re.findall(r'^    "([\w-]+)', listed[0], re.M)
        asked = {one.name for one in metadata.requires_dist or [] if one.marker is not None}
        of_it = {
            one.name
            for one in metadata.requires_dist or []
            if one.marker is not None and one.marker.evaluate({"extra": extra})
        }
        assert asked >= of_it == {name.lower() for name in names}


def test_the_versions_of_the_package_and_of_its_citation_are_the_same(metadata: Metadata) -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {metadata.version}\n" in citation
    assert "\nlicense: Apache-2.0\n" in citation  # of the code that is cited
