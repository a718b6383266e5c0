"""Fetching against a real HTTP server on this machine."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from susystream.data.download import download_susy
from susystream.data.source import sample_path
from susystream.errors import DownloadError

SAMPLE = sample_path().read_bytes()
PACKED = gzip.compress(SAMPLE, mtime=0)


@dataclass
class Remote:
    """What the server holds and how it behaves."""

    content: bytes = PACKED
    etag: str | None = '"one"'
    ranges: bool = True
    if_range: bool = True
    length: bool = True
    cut_at: list[int] = field(default_factory=list)  # bytes sent before each break
    asked: list[str | None] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)  # cleared: stops half-way
    url: str = ""

    def __post_init__(self) -> None:
        self.go_on.set()


@pytest.fixture
def remote() -> Iterator[Remote]:
    state = Remote()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            start = self._start()
            state.asked.append(self.headers.get("Range"))
            if self.path == "/missing" or (start and start >= len(state.content)):
                self.send_error(404 if self.path == "/missing" else 416)
                return
            self.send_response(206 if start else 200)
            if state.etag:
                self.send_header("ETag", state.etag)
            if state.length:
                self.send_header("Content-Length", str(len(state.content) - start))
            if start:
                size = len(state.content)
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.end_headers()
            body = state.content[start:]
            body = body[: state.cut_at.pop(0)] if state.cut_at else body
            half = len(body) // 2
            self.wfile.write(body[:half])
            self.wfile.flush()
            state.go_on.wait(60)
            self.wfile.write(body[half:])

        def _start(self) -> int:
            asked = self.headers.get("Range")
            known = self.headers.get("If-Range")
            if not asked or not state.ranges:
                return 0
            if state.if_range and known and known != state.etag:
                return 0
            return int(asked.removeprefix("bytes=").rstrip("-"))

        def log_message(self, *arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *arguments: object) -> None:
            pass  # a client that leaves in the middle is part of the tests

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/SUSY.csv.gz"
    yield state
    server.shutdown()
    server.server_close()
    thread.join(10)


def fetch(remote: Remote, folder: Path, *, rows: int | None = 500, url: str = "") -> Path:
    return download_susy(
        folder / "SUSY.csv.gz",
        url=url or remote.url,
        expected_rows=rows,
        progress=lambda done, total: None,
        deadline_seconds=20.0,
    )


def only(folder: Path) -> list[str]:
    """All but the lock, which stays: to remove it would let two commands in."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def zipped(name: str, data: bytes) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr(name, data)
    return memory.getvalue()


def test_the_file_arrives_whole_and_alone(remote: Remote, tmp_path: Path) -> None:
    assert fetch(remote, tmp_path / "new").read_bytes() == PACKED
    assert only(tmp_path / "new") == ["SUSY.csv.gz"]


def test_progress_counts_up_to_the_whole(remote: Remote, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    download_susy(
        tmp_path / "x.csv.gz",
        url=remote.url,
        expected_rows=500,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == sorted(seen)
    assert seen[-1] == (len(PACKED), len(PACKED))


@pytest.mark.parametrize("etag", ['"one"', 'W/"one"', None])
def test_a_cut_connection_is_continued_where_it_broke(
    remote: Remote, tmp_path: Path, etag: str | None
) -> None:
    remote.cut_at, remote.etag = [1000, 20_000], etag
    assert fetch(remote, tmp_path).read_bytes() == PACKED
    assert remote.asked == [None, "bytes=1000-", "bytes=21000-"]


def test_a_later_run_continues_the_part_of_an_earlier_one(remote: Remote, tmp_path: Path) -> None:
    remote.cut_at = [5000, 0, 0, 0, 0, 0]
    with pytest.raises(DownloadError, match="broke off"):
        fetch(remote, tmp_path)
    remote.cut_at = []
    assert fetch(remote, tmp_path).read_bytes() == PACKED
    assert remote.asked[-1] == "bytes=5000-"


def test_a_server_without_ranges_begins_anew(remote: Remote, tmp_path: Path) -> None:
    remote.cut_at, remote.ranges = [1000], False
    assert fetch(remote, tmp_path).read_bytes() == PACKED


def test_a_server_that_states_no_length_is_read_to_its_end(remote: Remote, tmp_path: Path) -> None:
    remote.length = False
    assert fetch(remote, tmp_path).read_bytes() == PACKED


@pytest.mark.parametrize("if_range", [True, False])
@pytest.mark.parametrize("shorter", [True, False])
def test_a_file_that_changed_between_runs_is_begun_anew(
    remote: Remote, tmp_path: Path, if_range: bool, shorter: bool
) -> None:
    remote.content = gzip.compress(SAMPLE, 1, mtime=0) if shorter else PACKED + b"x" * 100
    remote.cut_at, remote.if_range = [len(remote.content) - 10] + [0] * 5, if_range
    with pytest.raises(DownloadError, match="broke off"):
        fetch(remote, tmp_path)
    remote.content, remote.etag, remote.cut_at = PACKED, '"two"', []
    assert fetch(remote, tmp_path).read_bytes() == PACKED


def test_a_part_of_another_address_is_not_continued(remote: Remote, tmp_path: Path) -> None:
    remote.cut_at = [5000] + [0] * 5
    with pytest.raises(DownloadError):
        fetch(remote, tmp_path, url=remote.url + "?old")
    remote.asked.clear()
    assert fetch(remote, tmp_path).read_bytes() == PACKED
    assert remote.asked == [None]


@pytest.mark.parametrize("name", ["SUSY.csv.gz", "folder/SUSY.csv.gz"])
def test_the_file_is_taken_out_of_a_zip(remote: Remote, tmp_path: Path, name: str) -> None:
    remote.content = zipped(name, PACKED)
    assert fetch(remote, tmp_path).read_bytes() == PACKED
    assert only(tmp_path) == ["SUSY.csv.gz"]


def changed_rows() -> bytes:
    return gzip.compress(
        SAMPLE.replace(b"9.728614687919616699e-01", b"9.728614687919616699e-02", 1)
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped("other.txt", b"hello"), "expected SUSY.csv.gz in the zip"),
        (zipped("SUSY.csv.gz", PACKED)[:-30], "a damaged one"),
        (PACKED[:-4000], "ends early or is damaged"),
        (changed_rows(), "first 500 rows"),
        (gzip.compress(b"".join(SAMPLE.splitlines(keepends=True)[:400])), "400 rows, not 500"),
        (b"<html>please log in</html>\n", "received '<html>"),
        (gzip.compress(b""), "received none"),
    ],
    ids=["zip", "cut zip", "cut gzip", "changed", "fewer", "html", "empty"],
)
def test_another_file_is_refused_and_not_kept(
    remote: Remote, tmp_path: Path, content: bytes, words: str
) -> None:
    remote.content = content
    with pytest.raises(DownloadError, match=words) as found:
        fetch(remote, tmp_path)
    assert "\n" not in str(found.value)
    assert only(tmp_path) == []
    remote.content = PACKED  # so that the next run can succeed
    assert fetch(remote, tmp_path).read_bytes() == PACKED


def test_any_number_of_rows_passes_when_none_is_expected(remote: Remote, tmp_path: Path) -> None:
    remote.content = gzip.compress(SAMPLE * 3)
    fetch(remote, tmp_path, rows=None)


def test_a_missing_page_and_a_dead_server_are_one_line_with_the_cure(
    remote: Remote, tmp_path: Path
) -> None:
    for url in (
        remote.url.replace("SUSY.csv.gz", "missing"),
        "http://127.0.0.1:1/SUSY.csv.gz",
        "file:///etc/hostname",
        "nonsense",
        "http://127.0.0.1:port/x",
    ):
        with pytest.raises(DownloadError, match=r"data\.path=") as found:
            fetch(remote, tmp_path, url=url)
        assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://me:hush@127.0.0.1:1/x",
        "http://me:h/ush@127.0.0.1:1/x",
        "http://127.0.0.1:1/x?token=hush",
        "http://127.0.0.1:1/x y?token=hush",
        "ftp://me:hush@127.0.0.1/x",
    ],
)
def test_no_message_shows_a_secret_of_the_address(
    remote: Remote, tmp_path: Path, address: str
) -> None:
    with pytest.raises(DownloadError) as found:
        fetch(remote, tmp_path, url=address)
    assert "ush" not in str(found.value)
    assert "127.0.0.1" in str(found.value)


def test_a_secret_of_the_address_stays_off_the_disk_and_the_part_is_still_continued(
    remote: Remote, tmp_path: Path
) -> None:
    remote.cut_at = [5000, 0, 0, 0, 0, 0]
    with pytest.raises(DownloadError):
        fetch(remote, tmp_path, url=remote.url + "?sig=hush")
    assert not [path for path in tmp_path.iterdir() if b"hush" in path.read_bytes()]
    assert fetch(remote, tmp_path, url=remote.url + "?sig=another").read_bytes() == PACKED
    assert remote.asked[-1] == "bytes=5000-"


FETCH = """
import sys
from pathlib import Path
from susystream.data.download import download_susy
def show(done, total): print(done, total, flush=True)
options = {"url": sys.argv[2], "expected_rows": 500, "deadline_seconds": float(sys.argv[3])}
print(download_susy(Path(sys.argv[1]), progress=show, **options))
"""


def command(remote: Remote, target: Path, deadline: float = 60.0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, str(target), remote.url, str(deadline)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_two_commands_at_once_fetch_the_file_once(remote: Remote, tmp_path: Path) -> None:
    target = tmp_path / "SUSY.csv.gz"
    remote.go_on.clear()  # the server stops in the middle until both commands are there
    both = [command(remote, target) for _ in range(2)]
    assert all(first_line(process) for process in both)  # the one that waits shows it as well
    remote.go_on.set()
    for process in both:
        said, wrong = process.communicate(timeout=60)
        assert process.returncode == 0, wrong
        assert said.splitlines()[-1] == str(target)
    assert target.read_bytes() == PACKED
    assert remote.asked == [None]
    assert only(tmp_path) == ["SUSY.csv.gz"]


def test_a_command_that_waits_goes_on_where_a_killed_one_stopped(
    remote: Remote, tmp_path: Path
) -> None:
    target = tmp_path / "SUSY.csv.gz"
    remote.go_on.clear()
    first = command(remote, target)
    assert first_line(first)
    second = command(remote, target)
    assert first_line(second)
    first.kill()
    first.communicate(timeout=60)
    remote.go_on.set()
    _, wrong = second.communicate(timeout=60)
    assert second.returncode == 0, wrong
    assert target.read_bytes() == PACKED
    assert len(remote.asked) == 2


def test_a_command_that_waits_too_long_says_for_whom(remote: Remote, tmp_path: Path) -> None:
    target = tmp_path / "SUSY.csv.gz"
    remote.go_on.clear()
    first = command(remote, target)
    assert first_line(first)
    with pytest.raises(DownloadError, match=r"another process has held .*lock for .*data\.path="):
        download_susy(
            target, url=remote.url, progress=lambda done, total: None, deadline_seconds=0.2
        )
    remote.go_on.set()
    first.communicate(timeout=60)
    assert first.returncode == 0


def test_the_deadline_ends_a_transfer_and_keeps_the_part(remote: Remote, tmp_path: Path) -> None:
    remote.content = np.random.default_rng(0).bytes(8 << 20)
    with pytest.raises(DownloadError, match="deadline"):
        download_susy(
            tmp_path / "SUSY.csv.gz",
            url=remote.url,
            progress=lambda done, total: None,
            deadline_seconds=0.0,
        )
    assert (tmp_path / "SUSY.csv.gz.part").stat().st_size > 0


def test_a_whole_file_of_another_length_is_kept_for_the_right_number(
    remote: Remote, tmp_path: Path
) -> None:
    remote.content = gzip.compress(SAMPLE * 2)
    with pytest.raises(DownloadError, match=r"1,000 rows, not 500; correct data\.expected_rows"):
        fetch(remote, tmp_path)
    remote.asked.clear()
    assert fetch(remote, tmp_path, rows=1000).read_bytes() == remote.content
    assert remote.asked == [f"bytes={len(remote.content)}-"]  # there was nothing left to fetch
