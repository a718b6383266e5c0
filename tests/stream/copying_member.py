"""A member of a group in a process of its own, which can be killed: copies messages.

Arguments: address, topic, group, session seconds. Every message goes to `<topic>.copy`; a line on
standard output says that it has partitions.
"""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType

from susystream.stream.connection import KafkaConnection
from susystream.stream.exchange import Exchange
from susystream.stream.transaction import Outgoing


def main(address: str, topic: str, group: str, session: str) -> None:
    stopping: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.append(number)

    signal.signal(signal.SIGTERM, stop)
    told = False
    exchange = Exchange(
        KafkaConnection(address), topic, group, at_most=20, session_seconds=float(session)
    )
    with exchange:
        while not stopping:
            arrived = exchange.poll()
            if exchange.partitions() and not told:
                told = True
                print("joined", flush=True)
            copies = [
                Outgoing(f"{topic}.copy", one.place.partition, *one.message) for one in arrived
            ]
            time.sleep(0.002 * len(arrived))  # a kill shall find work under way
            if arrived:
                exchange.commit(copies, arrived)


if __name__ == "__main__":
    main(*sys.argv[1:])
