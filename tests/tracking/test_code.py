"""The commit of the code that runs is its own, and new source files are changes."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from susystream.tracking.code import built_from, state_of, version_of


def git(folder: Path, *words: str) -> str:
    author = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    done = subprocess.run(
        ["git", *author, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one commit."""
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "main.py").write_text("")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


def package_in(folder: Path) -> Path:
    package = folder / "venv" / "site" / "susystream"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    return package


def test_a_package_installed_within_another_project_has_no_commit_of_that_one(
    project: Path,
) -> None:
    package = package_in(project)
    assert state_of(package) == ("unknown", False)
    (project / ".gitignore").write_text("venv/\n")
    assert state_of(package) == ("unknown", False)


def test_changed_and_new_source_files_are_told_and_others_are_not(project: Path) -> None:
    package = package_in(project)
    (project / ".gitignore").write_text("scratch.py\n")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "second")
    commit = git(project, "rev-parse", "HEAD")
    (package / "notes.txt").write_text("")
    (project / "beside.py").write_text("")
    assert state_of(package) == (commit, False)
    for new in (package / "model" / "layer.py", package / "scratch.py"):
        new.write_text("")
        assert state_of(package) == (commit, True)
        new.unlink()
    (package / "__init__.py").write_text("changed = True")
    assert state_of(package) == (commit, True)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("0a" * 20, ("0a" * 20, False)),
        ("0a" * 20 + "-dirty", ("0a" * 20, True)),
        ("", ("unknown", False)),
        ("unknown", ("unknown", False)),
        ("0a" * 20 + "; rm -rf", ("unknown", False)),
    ],
)
def test_an_image_says_what_it_was_built_from(stated: str, expected: tuple[str, bool]) -> None:
    assert built_from(stated) == expected


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment of its own; nothing is installed in it."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def install(environment: Path, name: str, version: str) -> None:
    """What an installer leaves of a library for others to know it by."""
    known = environment / f"{name.replace('-', '_')}-{version}.dist-info"
    known.mkdir()
    (known / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_tensorflow_is_known_by_either_name_and_by_its_own_first(installed: Path) -> None:
    with pytest.raises(PackageNotFoundError, match="tensorflow"):
        version_of("tensorflow")
    install(installed, "tensorflow-cpu", "2.19.0")
    assert version_of("tensorflow") == "2.19.0"
    install(installed, "tensorflow", "2.16.2")
    assert version_of("tensorflow") == "2.16.2"
