"""The events a model is tested on.

In: `evaluate.sets` or `evaluate.input`, and the models. Out: a source of each set, none of which
the models were trained on as far as their records tell.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susystream.data.enlarge import write_csv
from susystream.data.files import FilesSource, is_glob, matching
from susystream.data.prepared import Prepared, folder_of, load_prepared, prepare_events
from susystream.data.source import FileSource, RealLowLevelSource, Source, ToySource, real_sample
from susystream.errors import DataError, SettingsError
from susystream.registry.document import DatasetRecord, ModelDocument
from susystream.settings.data import (
    FileSet,
    HoldoutSet,
    RealLowLevelSet,
    RealSampleSet,
    SliceSet,
    TestSet,
    ToySet,
)
from susystream.stages.context import StageContext
from susystream.stages.learned import Learned, learned_by
from susystream.stages.slice_source import SliceSource, slice_source
from susystream.stages.unseen import TOY, check_files, check_holdout, check_toy, trained_on_real

_REAL = (RealSampleSet, RealLowLevelSet)


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A test set.

    Attributes:
        name: As in the names of its metrics.
        source: Its events.
        described: What they are, as plain data.
        digest: What they must have, where that is known beforehand.
        cure: What helps when they have another.
    """

    name: str
    source: Source
    described: dict[str, Any]
    digest: str | None = None
    cure: str = ""


def test_sets(context: StageContext, documents: list[ModelDocument]) -> Iterator[NamedSet]:
    """Every test set; real ones only for models that saw no real event.

    Raises:
        SettingsError: No set is left, or the models have no holdout in common.
    """
    evaluate = context.settings.evaluate
    learned = learned_by(context, documents)
    if evaluate.given is not None:
        given = given_set(context, evaluate.given, learned)
        _tell_offsets(context, given)
        yield given
        return
    left, saw_real = 0, trained_on_real([one.record for one in learned])
    for name, wanted in evaluate.sets.items():
        if isinstance(wanted, _REAL) and saw_real:
            context.note(f"{name} is left out: a model was trained on real events")
            continue
        found = _set_of(context, name, wanted, learned)
        if isinstance(wanted, HoldoutSet) and found.source.rows == 0:
            context.note(f"{name} is left out: data.test_fraction kept no event for it")
            continue
        left += 1
        _tell_offsets(context, found)
        yield found
    if not left:
        raise SettingsError(
            "expected at least one test set, received none; set evaluate.input=FILE "
            "or an entry of evaluate.sets"
        )


def one_set(
    context: StageContext, name: str, wanted: TestSet, documents: list[ModelDocument]
) -> NamedSet:
    """A named test set by itself.

    Raises:
        SettingsError: A model has seen its events, or may have.
    """
    learned = learned_by(context, documents)
    if isinstance(wanted, _REAL) and trained_on_real([one.record for one in learned]):
        raise SettingsError(
            f"expected a test set {name} of events no model was trained on, received real ones, "
            "and a model was trained on real events; choose another set"
        )
    return _set_of(context, name, wanted, learned)


def given_set(
    context: StageContext, given: FileSet | SliceSet, learned: Sequence[Learned], *, cure: str = ""
) -> NamedSet:
    """The one set that is named in place of all; `cure` is told where a model has seen it."""
    if isinstance(given, SliceSet):
        return _slice_set(context, None, given, learned, cure=cure)
    name = _name_of(given.path.name)
    if name in context.settings.evaluate.sets:  # else its figures are mixed with theirs
        name = f"input_{name}"
    return _file_set(context, name, given, [one.record for one in learned], cure=cure)


def _set_of(
    context: StageContext, name: str, wanted: TestSet, learned: Sequence[Learned]
) -> NamedSet:
    records = [one.record for one in learned]
    match wanted:
        case HoldoutSet():
            return holdout(context, name, learned)
        case ToySet():
            check_toy(name, wanted, context.settings.seed, records)
            return _toy(context, name, wanted)
        case RealSampleSet():
            return NamedSet(name, real_sample(), {"kind": wanted.kind})
        case RealLowLevelSet():
            return NamedSet(name, RealLowLevelSource(), {"kind": wanted.kind})
        case FileSet():
            return _file_set(context, name, wanted, records)
        case SliceSet():
            return _slice_set(context, name, wanted, learned)


def _file_set(
    context: StageContext,
    name: str,
    wanted: FileSet,
    records: Sequence[DatasetRecord | None],
    *,
    cure: str = "",
) -> NamedSet:
    """A file or all files of a glob; none that a model was trained on.

    Raises:
        SettingsError: One was.
        DataError: No file matches.
    """
    path, limits = wanted.path, (wanted.expected_rows, wanted.limit)
    if not is_glob(path):
        check_files(name, [path], records, cure=cure)
        described = {"kind": wanted.kind, "file": path.name, "limit": wanted.limit}
        return NamedSet(name, _file(context, path, *limits), described)
    paths = matching(path)
    check_files(name, paths, records, cure=cure)
    if len(paths) > 1:
        context.note(f"{name}: {len(paths):,} files, {paths[0].name} to {paths[-1].name}")
    batch_rows = context.settings.evaluate.batch_rows
    files = FilesSource(path, paths, name, *limits, batch_rows=batch_rows)
    return NamedSet(name, files, files.describe())


def _file(
    context: StageContext, path: Path, expected_rows: int | None = None, limit: int | None = None
) -> FileSource:
    batch_rows = context.settings.evaluate.batch_rows
    return FileSource(path, expected_rows=expected_rows, limit=limit, batch_rows=batch_rows)


def _slice_set(
    context: StageContext,
    name: str | None,
    wanted: SliceSet,
    learned: Sequence[Learned],
    *,
    cure: str = "",
) -> NamedSet:
    source = slice_source(context, wanted, learned, cure=cure)
    name = name or _name_of(source.name)
    again = "publish the data again"
    return NamedSet(name, source, source.describe(), source.digest, again)


def _tell_offsets(context: StageContext, found: NamedSet) -> None:
    if isinstance(found.source, SliceSource):
        context.note(f"{found.name}: {found.source.wanted}")


def _name_of(file: str) -> str:
    """A name for metrics: the file's, without its endings and without marks a name cannot hold."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", file.partition(".")[0]).strip("_-") or "input"


def holdout(
    context: StageContext,
    name: str,
    learned: Sequence[Learned],
    *,
    cure: str = "remove the set: ~evaluate.sets.holdout",
) -> NamedSet:
    """The test part of the models' own data; toy events are made again where they are not there.

    `cure` is what helps where they have no such part.

    Raises:
        SettingsError: The models were trained on different data, or on unknown data, or a parent
            of one may have seen the test part.
        DataError: What is prepared here is not what was published.
    """
    own = [one.record for one in learned if one.own]
    known = [record for record in own if record is not None]
    if len(known) < len(own):
        raise SettingsError(
            "expected the record of each model's data set in this store, received none for one; "
            f"go on where it was trained, or {cure}"
        )
    if any(one.source != known[0].source for one in known):
        raise SettingsError(
            "expected models with one holdout, received models that were trained on different "
            f"data; evaluate them one by one, or {cure}"
        )
    record, under = known[0], context.prepared_folder
    check_holdout(record, learned, cure=cure)
    folder = folder_of(under, record.name, record.source)
    if record.source.get("kind") != TOY and not folder.exists():
        raise DataError(
            f"expected the test part of data set {record.dataset_id} in {folder}, received none; "
            "run stage=prepare with the data settings it was published with (data=..., data.path)"
        )
    prepared = _toy_again(under, record) or load_prepared(folder)
    if prepared.digest_train != record.digest:
        raise DataError(
            f"expected the training events of data set {record.dataset_id} in {prepared.folder}, "
            "received others; remove the folder and run stage=prepare again"
        )
    described = {"kind": "holdout", "dataset_id": record.dataset_id}
    file = _file(context, prepared.test, prepared.rows_test)
    again = f"remove {under} and prepare again"
    return NamedSet(name, file, described, prepared.digest_test, again)


def _toy_again(under: Path, record: DatasetRecord) -> Prepared | None:
    source: dict[str, Any] = dict(record.source)
    if source.get("kind") != TOY:
        return None
    toy = ToySource(source["rows"], source["seed"], name=record.name, offset=source["offset"])
    if {**toy.describe(), "test_fraction": source["test_fraction"]} != source:
        return None  # of another version of the generator
    return prepare_events(
        toy, under=under, test_fraction=source["test_fraction"], progress=lambda rows: None
    )


def _toy(context: StageContext, name: str, data: ToySet) -> NamedSet:
    """Writes the set's CSV once; a manifest beside it says what it holds and is written last."""
    seed = context.settings.seed
    path = context.settings.home / "testsets" / f"{name}-{data.rows}-{data.offset}-{seed}.csv"
    manifest = path.with_suffix(".json")
    source = ToySource(data.rows, seed, name=name, offset=data.offset)
    if not _agrees(manifest, path, source.describe()):
        path.parent.mkdir(parents=True, exist_ok=True)
        with context.console.progress(f"rows written for {name}", data.rows) as progress:
            write_csv(source.batches(), path, progress=progress)
        draft = manifest.with_suffix(f".{os.getpid()}.part")
        draft.write_text(json.dumps({"source": source.describe(), "bytes": path.stat().st_size}))
        draft.replace(manifest)
    return NamedSet(name, _file(context, path, data.rows), source.describe())


def _agrees(manifest: Path, path: Path, described: dict[str, Any]) -> bool:
    if not manifest.exists() or not path.exists():
        return False
    try:
        known = json.loads(manifest.read_text())
    except ValueError:
        return False
    return bool(known == {"source": described, "bytes": path.stat().st_size})
