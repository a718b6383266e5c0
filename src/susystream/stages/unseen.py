"""What a model learned from is no test set.

In: the records of the data sets that models were trained on (None where the store knows none).
Out: nothing, or one line that names what a model has seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from susystream.data.source import FileSource
from susystream.errors import SettingsError
from susystream.registry.document import DatasetRecord
from susystream.settings.data import ToySet

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
        if source.get("kind") != TOY or source.get("seed") != seed:
            continue
        first, rows = int(str(source["offset"])), int(str(source["rows"]))
        if wanted.offset < first + rows and first < wanted.offset + wanted.rows:
            raise SettingsError(
                f"expected a test set {name} of events no model was trained on, received events "
                f"{wanted.offset} to {wanted.offset + wanted.rows - 1} of seed {seed}; choose "
                f"evaluate.sets.{name}.offset of at least {first + rows}"
            )


def check_files(name: str, paths: Iterable[Path], records: Records) -> None:
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
                f"{path}, which one was; its test part is the set holdout"
            )
