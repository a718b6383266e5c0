"""What a model learned from is no test set.

In: the records of the data sets that models were trained on (None where the store knows none).
Out: nothing, or one line that names what a model has seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from susystream.data.source import FileSource, RealLowLevelSource, real_sample
from susystream.errors import SettingsError
from susystream.registry.document import DatasetRecord
from susystream.settings.data import ToySet
from susystream.stages.learned import Learned
from susystream.stream.slices import TopicSlice

TOY = "toy"
Records = Sequence[DatasetRecord | None]


def trained_on_real(records: Records) -> bool:
    """Whether a model saw a real event, as far as the records tell."""
    return any(record is not None and record.source.get("kind") != TOY for record in records)


def check_toy(name: str, wanted: ToySet, seed: int, records: Records) -> None:
    """Toy events are the same for the same seed and number.

    Raises:
        SettingsError: A model was trained on some of the set's events.
    """
    for record in records:
        source = record.source if record is not None else {}
        if _has_toys(source, seed, wanted.offset, wanted.rows):
            end = int(str(source["offset"])) + int(str(source["rows"]))
            raise SettingsError(
                f"expected a test set {name} of events no model was trained on, received events "
                f"{wanted.offset} to {wanted.offset + wanted.rows - 1} of seed {seed}; choose "
                f"evaluate.sets.{name}.offset of at least {end}"
            )


def _has_toys(source: Mapping[str, Any], seed: object, offset: int, rows: int) -> bool:
    """Whether some of the toy events `offset` to `offset + rows - 1` of a seed are among these."""
    if source.get("kind") != TOY or source.get("seed") != seed:
        return False
    first, count = int(str(source["offset"])), int(str(source["rows"]))
    return offset < first + count and first < offset + rows


def check_files(name: str, paths: Iterable[Path], records: Records, *, cure: str = "") -> None:
    """A file of the same name and content as one that a model was trained on has been seen.

    Raises:
        SettingsError: There is one.
    """
    learned = {(one.source.get("file"), one.source.get("sha256")) for one in records if one}
    names = {file for file, _ in learned}
    # the hash of a large file takes a while: only a file of the same name is hashed
    for path in (one for one in paths if one.name in names and one.is_file()):
        if (path.name, FileSource(path).describe()["sha256"]) in learned:
            raise SettingsError(
                f"expected a test set {name} of events no model was trained on, received "
                f"{path}, which one was; {cure or 'its test part is the set holdout'}"
            )


def check_slice(
    wanted: TopicSlice,
    cluster: str,
    known: Sequence[DatasetRecord],
    *,
    learned: Iterable[Learned],
    cure: str = "",
) -> None:
    """Neither the offsets a model was trained on, nor the same events published another time.

    Args:
        wanted: The offsets of the test set.
        cluster: The Kafka cluster that holds them.
        known: The data sets that hold some of them.
        learned: What the models were trained on.
        cure: What helps; empty for that of an evaluation.

    Raises:
        SettingsError: A model has seen some of the events.
    """
    for one in learned:
        record = one.record
        here = record is None or record.cluster_id == cluster
        seen = here and one.slice.overlaps(wanted)
        seen = seen or any(other.dataset_id == one.dataset_id for other in known)
        seen = seen or any(record is not None and same_events(record, other) for other in known)
        if seen:
            raise SettingsError(
                f"expected events that {one.who} was not trained on, received "
                f"{wanted}: it learned from data set {one.dataset_id}, which holds some of "
                f"them; {cure or 'choose another slice'}, or publish other events "
                "(data.offset, seed)"
            )


def check_holdout(record: DatasetRecord, learned: Iterable[Learned], *, cure: str) -> None:
    """The rest of a data set may be a part of another one that a model learned from.

    Raises:
        SettingsError: It is.
    """
    for one in learned:
        other = one.record
        if other is None or other.source == record.source:
            continue
        if same_events(other, record):
            raise SettingsError(
                f"expected a holdout of data set {record.dataset_id} that {one.who} was not "
                f"trained on, received one of which data set {one.dataset_id} may hold events; "
                f"{cure}, or publish other events (data.offset, seed)"
            )


def same_events(trained: DatasetRecord, other: DatasetRecord) -> bool:
    """Whether two data sets have events in common, as far as their sources tell."""
    ours, theirs = trained.source, other.source
    if theirs.get("kind") == TOY:
        offset, rows = int(str(theirs["offset"])), int(str(theirs["rows"]))
        return _has_toys(ours, theirs.get("seed"), offset, rows)
    sha256 = theirs.get("sha256")
    shipped = {real.describe()["sha256"] for real in (real_sample(), RealLowLevelSource())}
    same_file = sha256 is not None and sha256 == ours.get("sha256")
    real_twice = sha256 in shipped and trained_on_real([trained])
    return same_file or real_twice or trained.digest == other.digest
