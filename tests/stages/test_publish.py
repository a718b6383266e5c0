"""Publishing: two commands at once take turns; a slice is what the record says."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

from stages.desk import Open

from susystream.stages.publish import publish
from susystream.stages.train import train


def test_two_publications_to_one_topic_at_once_take_turns(opened: Open, said: io.StringIO) -> None:
    wanted = ("data.rows=60000", "stream/codec=csv")
    with (
        opened(*wanted) as context,
        opened(*wanted) as other,
        ThreadPoolExecutor(2) as pool,
    ):
        results = list(pool.map(publish, (context, other)))
    first, second = sorted(results, key=lambda result: str(result.inputs["slice"]["partitions"]))
    for partition, (start, end) in first.inputs["slice"]["partitions"].items():
        assert (start, end) == (0, 27_000)
        assert second.inputs["slice"]["partitions"][partition] == [27_000, 54_000]
    assert said.getvalue().count("waiting for another command that publishes") == 1
    with opened(f"train.dataset={second.dataset_ids[0]}") as context:
        assert train(context).rows == 54_000
