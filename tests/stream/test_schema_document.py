"""The document of a topic's form: enough to decode by, and exact about where it holds."""

from __future__ import annotations

import json
import struct
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_messages import events, same

from susystream.errors import BadMessage, SettingsError
from susystream.schema import FEATURES, EventBatch
from susystream.stream.codec import BlockCodec, Codec, CsvCodec
from susystream.stream.schema_document import codec_of, in_force, parsed, schema_of
from susystream.stream.slices import TopicSlice

BOTH = pytest.mark.parametrize("codec", [BlockCodec(7), CsvCodec()], ids=lambda one: one.name)


def text(codec: Codec, *starts: int, identity: str | None = "a") -> bytes:
    """A document of messages that begin at these offsets of partitions 0, 1, …"""
    begin = TopicSlice("t", tuple((p, start, start) for p, start in enumerate(starts)))
    return schema_of(codec, begin, identity).to_json().encode()


def changed(document: bytes, **values: Any) -> bytes:
    return json.dumps({**json.loads(document), **values}).encode()


def fields_of(layout: list[dict[str, Any]], value: bytes) -> dict[str, Any]:
    """A consumer's own decoder: the document and Python's struct, nothing of ours."""
    found: dict[str, Any] = {}
    at = 0
    for field in layout:
        if field["when"] and not found[field["when"]]:
            continue
        count = prod(found[name] for name in field["count"])
        kind = struct.Struct("<" + (f"{count}{field['type']}" if field["count"] else field["type"]))
        read = kind.unpack_from(value, at)
        found[field["name"]] = read if field["count"] else read[0]
        at += kind.size
    assert at == len(value)
    return found


@pytest.mark.parametrize("stored", [False, True], ids=["counted", "numbered"])
def test_blocks_are_decoded_by_their_document_alone(stored: bool) -> None:
    batch = events(20, start=5)
    if stored:
        batch = EventBatch(batch.numbers[::-1].copy(), batch.features, batch.labels)
    ((key, value),) = BlockCodec(100).encode(batch)
    document = json.loads(text(BlockCodec(100), 0))
    found = fields_of(document["codec"]["value"], value)
    assert found["version"] == document["codec"]["version"]
    assert int(key) == found["first"] == batch.numbers[0]
    numbers = found.get("numbers", range(found["first"], found["first"] + found["events"]))
    names = [feature["name"] for feature in document["event"]["features"]]
    read = EventBatch(
        np.array(numbers, np.int64),
        np.array(found["values"], document["event"]["features"][0]["type"]).reshape(-1, len(names)),
        np.array(found["labels"], document["event"]["label"]["type"]),
    )
    assert names == list(FEATURES)
    assert ("numbers" in found) == stored
    assert same(read, batch)


def test_lines_are_decoded_by_their_document_alone() -> None:
    batch, document = events(20, start=5), json.loads(text(CsvCodec(), 0))
    names = [field["name"] for field in document["codec"]["value"]]
    for number, (key, value) in enumerate(CsvCodec().encode(batch)):
        found = dict(zip(names, map(float, value.split(b",")), strict=True))
        row = [found[one["name"]] for one in document["event"]["features"]]
        assert int(key) == batch.numbers[number]
        assert np.array(row, np.float32).tobytes() == batch.features[number].tobytes()
        assert int(found[document["event"]["label"]["name"]]) == batch.labels[number]


@BOTH
def test_a_document_comes_back_as_it_was_and_describes_every_feature(codec: Codec) -> None:
    document = parsed(text(codec, 3, 4))
    assert document == parsed(document.to_json().encode())
    assert document.says(codec)
    assert not document.says(BlockCodec(8))
    assert (document.topic, document.begins) == ("t", {0: 3, 1: 4})
    kinds = [feature.kind for feature in document.event.features]
    assert kinds == ["low-level"] * 8 + ["high-level"] * 10
    assert all(feature.description for feature in document.event.features)
    assert document.event.label.meaning == {"0": "background", "1": "signal"}


def test_the_last_document_not_behind_an_offset_holds_there() -> None:
    texts = [text(BlockCodec(7), 0, 0), text(CsvCodec(), 10, 20), text(BlockCodec(9), 30, 30)]
    held = [in_force(texts, 1, offset, "a") for offset in (0, 19, 20, 29, 30, 99)]
    assert [one and one.codec.events_per_message for one in held] == [7, 7, 1, 1, 9, 9]
    assert in_force(texts, 2, 50, "a") is None


def test_one_that_begins_where_another_began_takes_its_place() -> None:
    """As after a publication that was killed before its first message."""
    texts = [text(BlockCodec(7), 0), text(CsvCodec(), 5), text(BlockCodec(7), 5)]
    assert codec_of(texts, TopicSlice("t", ((0, 0, 9),)), "a") == BlockCodec(7)


def test_a_document_of_a_topic_made_anew_does_not_hold() -> None:
    texts = [text(CsvCodec(), 0, identity="before")]
    assert in_force(texts, 0, 5, "a") is None
    assert in_force(texts, 0, 5, None) is not None  # a broker that tells no ids
    assert in_force([text(CsvCodec(), 0, identity=None)], 0, 5, "a") is not None


@pytest.mark.parametrize(
    ("span", "expected"),
    [((0, 10), BlockCodec(7)), ((10, 30), CsvCodec()), ((30, 99), BlockCodec(9)), ((0, 0), None)],
)
def test_the_codec_of_a_slice_is_that_of_its_offsets(
    span: tuple[int, int], expected: Codec | None
) -> None:
    texts = [text(BlockCodec(7), 0), text(CsvCodec(), 10), text(BlockCodec(9), 30)]
    assert codec_of(texts, TopicSlice("t", ((0, *span),)), "a") == expected


def test_blocks_of_several_sizes_are_one_form() -> None:
    texts = [text(BlockCodec(7), 0), text(BlockCodec(9), 10), text(BlockCodec(8), 20)]
    assert codec_of(texts, TopicSlice("t", ((0, 5, 25),)), "a") == BlockCodec(9)


@pytest.mark.parametrize("span", [(0, 11), (9, 99), (10, 31)])
def test_a_slice_of_two_forms_is_refused(span: tuple[int, int]) -> None:
    texts = [text(BlockCodec(7), 0), text(CsvCodec(), 10), text(BlockCodec(9), 30)]
    with pytest.raises(SettingsError, match=r"one form, received block and csv by t\.schema"):
        codec_of(texts, TopicSlice("t", ((0, *span),)), "a")


def test_where_no_document_holds_none_is_taken() -> None:
    texts = [text(CsvCodec(), 10, 10)]
    assert codec_of(texts, TopicSlice("t", ((0, 9, 20),)), "a") is None
    assert codec_of(texts, TopicSlice("t", ((0, 10, 20), (2, 10, 20))), "a") is None
    assert codec_of([], TopicSlice("t", ((0, 9, 20),)), "a") is None


@BOTH
def test_what_is_of_a_later_version_is_one_clear_error_where_it_holds(codec: Codec) -> None:
    later = changed(text(CsvCodec(), 10), schema_version=2, event="of another kind")
    texts = [text(codec, 0), later]
    assert codec_of(texts, TopicSlice("t", ((0, 0, 10),)), "a") == codec
    with pytest.raises(BadMessage, match=r"version 1, .*; use the version of susystream") as caught:
        codec_of(texts, TopicSlice("t", ((0, 0, 11),)), "a")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [{"name": "avro"}, {"version": 2}])
def test_a_codec_not_known_here_is_one_clear_error(change: dict[str, Any]) -> None:
    plain = text(CsvCodec(), 0)
    strange = changed(plain, codec={**json.loads(plain)["codec"], **change})
    with pytest.raises(BadMessage, match=r"expected codec block or csv of version 1 .* names"):
        codec_of([strange], TopicSlice("t", ((0, 0, 10),)), "a")


def test_a_document_with_an_unknown_key_is_refused() -> None:
    with pytest.raises(BadMessage, match="key: Extra inputs"):
        parsed(changed(text(CsvCodec(), 0), key=1))


@given(st.binary() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode))
def test_what_is_no_document_is_one_line_that_says_so(noise: bytes) -> None:
    with pytest.raises(BadMessage) as caught:
        in_force([text(CsvCodec(), 0), noise], 0, 5, "a")
    assert "\n" not in str(caught.value)
