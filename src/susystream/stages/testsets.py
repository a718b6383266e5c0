"""The files a model is tested on.

In: `evaluate.sets` or `evaluate.input`. Out: (name, path, rows if known) of each; toy sets are
written once as CSV and reused while their manifest agrees.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from susystream.data.enlarge import write_csv
from susystream.data.source import FileSource
from susystream.errors import SettingsError
from susystream.settings import HoldoutData, TestSet, ToyData
from susystream.stages.context import StageContext
from susystream.stages.prepare import prepared_data
from susystream.stages.sources import open_source


def test_files(context: StageContext) -> Iterator[tuple[str, Path, int | None]]:
    """Every test set's name, file and number of rows."""
    evaluate = context.settings.evaluate
    if evaluate.input is not None:
        yield evaluate.input.name.partition(".")[0], evaluate.input, None
        return
    if not evaluate.sets:
        raise SettingsError(
            "expected at least one test set, received none; set evaluate.input=FILE "
            "or an entry of evaluate.sets"
        )
    for name, data in evaluate.sets.items():
        yield name, *_file_of(context, name, data)


def _file_of(context: StageContext, name: str, data: TestSet) -> tuple[Path, int | None]:
    if isinstance(data, HoldoutData):
        prepared = prepared_data(context)
        return prepared.test, prepared.rows_test
    if isinstance(data, ToyData):
        return _toy_file(context, name, data), data.rows
    source = open_source(data, settings=context.settings, console=context.console)
    if not isinstance(source, FileSource):
        raise SettingsError(f"expected test set {name} to be a file, received {data.kind}")
    return source.path, source.rows


def _toy_file(context: StageContext, name: str, data: ToyData) -> Path:
    """Writes the set's CSV once; a manifest beside it says what it holds and is written last."""
    seed = context.settings.seed
    path = context.settings.home / "testsets" / f"{name}-{data.rows}-{data.offset}-{seed}.csv"
    manifest = path.with_suffix(".json")
    source = open_source(data, settings=context.settings, console=context.console)
    if _agrees(manifest, path, source.describe()):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with context.console.progress(f"rows written for {name}", data.rows) as progress:
        write_csv(source.batches(), path, progress=progress)
    draft = manifest.with_suffix(f".{os.getpid()}.part")
    draft.write_text(json.dumps({"source": source.describe(), "bytes": path.stat().st_size}))
    draft.replace(manifest)
    return path


def _agrees(manifest: Path, path: Path, described: dict[str, Any]) -> bool:
    if not manifest.exists() or not path.exists():
        return False
    try:
        known = json.loads(manifest.read_text())
    except ValueError:
        return False
    return bool(known == {"source": described, "bytes": path.stat().st_size})
