"""Messages of either form, told apart by how they begin: for readers of a topic without an end.

In: keys and values of messages. Out: their events.
"""

from __future__ import annotations

from susystream.errors import BadMessage
from susystream.schema import EventBatch
from susystream.stream.codec import MAGIC, BlockCodec, CsvCodec, Message

BLOCK, LINES = BlockCodec(), CsvCodec()


def is_block(message: Message) -> bool:
    """Whether it begins as a block does; no line of numbers does."""
    return message[1].startswith(MAGIC)


def decode_either(message: Message) -> EventBatch:
    """The events of one message.

    Raises:
        BadMessage: It is of neither form, or damaged.
    """
    if is_block(message):
        return BLOCK.decode(*message)
    if not message[1].isascii():
        begin = message[1][:12]
        raise BadMessage(f"expected a block or a line of numbers, received {begin!r}…")
    return LINES.decode(*message)
