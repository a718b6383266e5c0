"""The embedded Kafka broker.

In: a home folder. Out: `host:port` of a real Apache Kafka on 127.0.0.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from susystream.services.attach import attached
from susystream.services.kafka_jars import kafka_jars


@contextmanager
def embedded_broker(
    home: Path,
    *,
    deadline_seconds: float = 300.0,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[str]:
    """Yields the address; `say` is told what takes a moment.

    The first start ever on a machine also fetches Kafka, here and not in the keeper, so that the
    user sees it; another command waits for that too, hence the long deadline.

    Raises:
        ServiceError: Kafka could not be fetched or did not start.
    """
    with attached(
        "kafka",
        home=home,
        deadline_seconds=deadline_seconds,
        prepare=partial(kafka_jars, say=say),
        say=say,
    ) as address:
        yield address
