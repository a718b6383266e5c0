"""Promises about Kafka's jars: only pinned bytes are ever run."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

import pytest

from susystream.errors import ServiceError
from susystream.services import kafka_jars
from susystream.services.kafka_jars import cache_folder, digest_of, pinned_digests


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own, filled with the verified jars."""
    verified = kafka_jars.kafka_jars()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache_folder().mkdir(parents=True)
    for jar in verified:
        shutil.copyfile(jar, cache_folder() / jar.name)
    return cache_folder()


def test_every_pin_is_a_sha256_of_a_jar_and_kafka_itself_is_among_them() -> None:
    pins = pinned_digests()
    assert "kafka_2.13-3.9.1.jar" in pins
    assert all(name.endswith(".jar") and len(bytes.fromhex(pins[name])) == 32 for name in pins)


def test_jars_in_the_cache_need_no_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jgo", None)  # importing it would fail
    assert {jar.parent for jar in kafka_jars.kafka_jars()} == {cache}


@pytest.mark.parametrize("damage", ["truncated", "changed", "missing"])
def test_a_damaged_jar_is_fetched_again(cache: Path, damage: str) -> None:
    name = "kafka-raft-3.9.1.jar"
    content = (cache / name).read_bytes()
    if damage == "truncated":
        (cache / name).write_bytes(content[:1000])
    elif damage == "changed":
        (cache / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        (cache / name).unlink()
    assert cache / name in kafka_jars.kafka_jars()
    assert digest_of(cache / name) == pinned_digests()[name]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Maven repository of its own with the jars and poms that jgo has already."""
    kafka_jars._resolve(update=False)  # fills the user's own, if nothing did yet
    own = Path(os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository")
    names = set(pinned_digests())
    for file in own.rglob("*.*"):
        if file.is_file() and (file.suffix != ".jar" or file.name in names):
            _link(file, tmp_path / "m2" / file.relative_to(own))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    monkeypatch.setenv("JGO_CACHE_DIR", str(tmp_path / "jgo"))
    return tmp_path / "m2"


def test_a_jar_truncated_in_the_maven_repository_too_is_downloaded_and_good_copies_stay(
    cache: Path, repository: Path
) -> None:
    name = "slf4j-simple-1.7.36.jar"
    pin, (kept,) = pinned_digests()[name], repository.rglob(name)
    mine = repository / "mine" / name
    _link(kept, mine)
    others = {jar: jar.stat().st_ino for jar in repository.rglob("*.jar") if jar != kept}
    for copy in (cache / name, kept):
        content = copy.read_bytes()
        copy.unlink()  # a link's content is not only ours
        copy.write_bytes(content[:1000])
    assert cache / name in kafka_jars.kafka_jars()
    assert [digest_of(copy) for copy in (cache / name, kept, mine)] == [pin] * 3
    assert {jar: jar.stat().st_ino for jar in others} == others  # nothing else was fetched


def test_a_jar_that_jgo_kept_truncated_is_removed_and_had_on_the_second_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, asked = tmp_path / "jgo" / "one.jar", []
    _prepare(tmp_path, monkeypatch, content=b"whole")

    def resolve(*, update: bool) -> dict[str, Path]:
        asked.append((update, kept.exists()))
        kept.write_bytes(b"whole" if update else b"who")
        return {"one.jar": kept}

    monkeypatch.setattr(kafka_jars, "_resolve", resolve)
    assert [jar.read_bytes() for jar in kafka_jars.kafka_jars()] == [b"whole"]
    assert asked == [(False, False), (True, False)]


def test_a_jar_that_stays_wrong_is_refused_with_both_digests_and_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "jgo" / "one.jar"
    _prepare(tmp_path, monkeypatch, content=b"whole")

    def resolve(*, update: bool) -> dict[str, Path]:
        kept.write_bytes(b"evil")
        return {"one.jar": kept}

    monkeypatch.setattr(kafka_jars, "_resolve", resolve)
    with pytest.raises(ServiceError) as caught:
        kafka_jars.kafka_jars()
    for part in ("one.jar", _sha(b"whole"), _sha(b"evil"), "check the Maven repository"):
        assert part in str(caught.value)
    assert not (cache_folder() / "one.jar").exists()


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another disk
        shutil.copyfile(source, target)


def _prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, content: bytes) -> None:
    (tmp_path / "jgo").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    monkeypatch.setattr(kafka_jars, "pinned_digests", lambda: {"one.jar": _sha(content)})


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
