"""What the store holds of a data set beside its record: when it was published last.

In: stored documents. Out: records, and times. A record never changes, and is what runs log; the
time does, whenever a publication finds the events on their topic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from susystream.registry.document import DatasetRecord
from susystream.registry.selectors import PUBLISHED_AT, plain


def record_of(stored: Mapping[str, Any]) -> DatasetRecord:
    """The record alone."""
    return DatasetRecord.from_json(
        {name: value for name, value in plain(stored).items() if name != PUBLISHED_AT}
    )


def publications(stored: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The last time by id; of those in a former store the first, which is all that is known."""
    return {
        str(one["dataset_id"]): str(one.get(PUBLISHED_AT) or one["created_at"]) for one in stored
    }
