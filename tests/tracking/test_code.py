"""The commit of the code that runs is its own, and new source files are changes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from susystream.tracking.code import built_from, state_of


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
