"""Promises about Kafka's jars: only pinned bytes are ever run."""

from __future__ import annotations

import hashlib
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


def _prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, content: bytes) -> None:
    (tmp_path / "jgo").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    monkeypatch.setattr(kafka_jars, "pinned_digests", lambda: {"one.jar": _sha(content)})


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
