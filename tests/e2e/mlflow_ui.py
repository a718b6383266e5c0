"""MLflow's own UI in a real browser, for the tests of what a person sees there.

In: a folder with `mlflow.db`. Out: its pages, opened in headless Chromium. Pictures of them go to
the folder that SUSYSTREAM_UI_PICTURES names, if it does.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image
from playwright.sync_api import Locator, Page, ViewportSize, sync_playwright
from tracking.tracking_server import WITHOUT_MORE

REQUIRED = "SUSYSTREAM_REQUIRE_BROWSER"  # a missing browser is a failure then
PICTURES = "SUSYSTREAM_UI_PICTURES"
PATIENCE_MS = 60_000
_START_SECONDS = 120.0
_SIZE: ViewportSize = {"width": 1440, "height": 900}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# else MLflow greets everybody with an assistant that takes a third of the page
_NO_ASSISTANT = """
localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');
localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
"""


def chromium() -> str:
    """The browser of this machine; without one the test is skipped, or fails where it must run."""
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        told = "no Chromium on this machine; install it: apt-get install chromium"
        if os.environ.get(REQUIRED, "0") != "0":
            pytest.fail(told)
        pytest.skip(told)
    return found


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server that shows the folder's `mlflow.db`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    command += ["--host", "127.0.0.1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=folder, env={**clean, **WITHOUT_MORE}, stdout=log, stderr=log
        )
    try:
        _await(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def _await(address: str, server: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends and server.poll() is None:
        try:
            with urlopen(address, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"no server answers at {address}")


@contextmanager
def browsed() -> Iterator[Page]:
    """A page of a headless browser, 1440 pixels wide."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=list(_FLAGS))
        page = browser.new_page(viewport=_SIZE)
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script(_NO_ASSISTANT)
        yield page
        browser.close()


@dataclass(frozen=True)
class Ui:
    """The pages of an experiment.

    Attributes:
        page: The browser's.
        address: The server's.
        client: Knows what the pages must show.
        experiment_id: Of the experiment.
    """

    page: Page
    address: str
    client: MlflowClient
    experiment_id: str

    def runs(self, stage: str) -> list[Run]:
        """The runs of a stage, the latest first."""
        return list(self.client.search_runs([self.experiment_id], f"tags.stage = '{stage}'"))

    def open_list(self, **parameters: str) -> Page:
        """The table of runs, or with `compareRunsMode=CHART` their charts."""
        words = {"workflowType": "machine_learning", **parameters}
        told = "&".join(f"{name}={value}" for name, value in words.items())
        return self._open(f"#/experiments/{self.experiment_id}/runs?{told}")

    def open_run(self, run: Run, tab: str = "") -> Page:
        """A run: its overview, or a tab."""
        return self._open(f"#/experiments/{self.experiment_id}/runs/{run.info.run_id}{tab}")

    def open_comparison(self, runs: Sequence[Run]) -> Page:
        """The page that compares runs."""
        ids = json.dumps([run.info.run_id for run in runs])
        return self._open(f'#/compare-runs?runs={ids}&experiments=["{self.experiment_id}"]')

    def _open(self, place: str) -> Page:
        self.page.goto("about:blank")  # from one place to another MLflow keeps what was open
        self.page.goto(f"{self.address}/{place}")
        return self.page


@contextmanager
def taller(page: Page, height: int = 1060) -> Iterator[None]:
    """A page that shows more at once, as long as the block lasts."""
    page.set_viewport_size({"width": _SIZE["width"], "height": height})
    page.wait_for_timeout(1000)  # what comes into view is drawn only then
    try:
        yield
    finally:
        page.set_viewport_size(_SIZE)


def picture(of: Page | Locator, name: str = "") -> Image.Image:
    """What is to be seen now; if it has a name, it is kept where pictures are wanted."""
    shot = Image.open(io.BytesIO(of.screenshot())).convert("RGB")
    if name and (folder := os.environ.get(PICTURES)):
        shot.save(Path(folder) / f"{name}.png", optimize=True)
    return shot


def colours(shot: Image.Image) -> int:
    """How many different colours there are: one in an empty picture."""
    return len(shot.getcolors(shot.width * shot.height) or [])
