"""From data settings to a source of events.

In: one `data` group. Out: an object with `batches()`; the UCI file is fetched on first use.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from susystream.data.download import SUSY_ROWS, SUSY_URL, download_susy
from susystream.data.source import FileSource, RealLowLevelSource, Source, ToySource, real_sample
from susystream.disclosure import public_uri
from susystream.settings import Settings
from susystream.settings.data import RealLowLevelData, RealSampleData, SusyData, ToyData
from susystream.stages.console import Console


def open_source(
    data: ToyData | RealSampleData | RealLowLevelData | SusyData,
    *,
    settings: Settings,
    console: Console,
) -> Source:
    """The source that `data` describes.

    Raises:
        DownloadError: The file had to be fetched and could not.
    """
    match data:
        case ToyData():
            return ToySource(data.rows, settings.seed, name=data.name, offset=data.offset)
        case RealSampleData():
            return real_sample(data.name)
        case RealLowLevelData():
            return RealLowLevelSource(data.name)
        case SusyData():
            path = data.path or _fetched(data, settings.home, console)
            return FileSource(
                path, name=data.name, expected_rows=data.expected_rows, limit=data.limit
            )


def _fetched(data: SusyData, home: Path, console: Console) -> Path:
    url = data.url or SUSY_URL
    # a folder for each address: another file must not pass for this one
    target = home / "download" / hashlib.sha256(url.encode()).hexdigest()[:12] / "SUSY.csv.gz"
    if target.exists():
        return target
    console.say(f"fetching {public_uri(url)}; give data.path=SUSY.csv.gz to use a file you have")
    with console.progress("fetched", None, unit="bytes") as progress:
        return download_susy(
            target,
            url=url,
            expected_rows=data.expected_rows or SUSY_ROWS,
            progress=progress,
        )
