"""A real JupyterLab and a real Chromium, for every module that asks for `lab_page`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

from .lab import LabPage

ROOT = Path(__file__).resolve().parent.parent.parent
OUTPUT = ROOT / "test-output"
TOKEN = "a-token-for-tests-only"

#: Whole test modules are skipped without it, which fails where CI is set.
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

#: What JupyterLab is told so that a test sees only its own doing: no news, no updates, every cell in the page.
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}


@dataclass(frozen=True)
class LabServer:
    """A running server; files are written below `root`."""

    url: str
    root: Path


@pytest.fixture(scope="session")
def lab_server(hopx_kernelspec: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    base = tmp_path_factory.mktemp("lab")
    root = base / "root"
    root.mkdir()
    for name, value in SETTINGS.items():
        path = base / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")
    _extend_server("tests.browser.canaries")
    environment = {
        **os.environ,
        "JUPYTERLAB_SETTINGS_DIR": str(base / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(base / "workspaces"),
    }
    arguments = [
        "--no-browser",
        "--allow-root",
        "--ServerApp.port=0",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={root}",
        f"--IdentityProvider.token={TOKEN}",
        "--LabApp.extension_manager=readonly",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    OUTPUT.mkdir(exist_ok=True)
    with (OUTPUT / "lab.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *arguments],
            env=environment,
            cwd=ROOT,  # from where it imports the extension
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield LabServer(_wait_url(process), root)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _extend_server(extension: str) -> None:
    path = Path(os.environ["JUPYTER_CONFIG_DIR"]) / "jupyter_server_config.d" / "tests.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"ServerApp": {"jpserver_extensions": {extension: True}}}), encoding="utf-8")


def _wait_url(process: subprocess.Popen[bytes]) -> str:
    """The server's address, once it answers; the port is of its own choosing."""
    info = Path(os.environ["JUPYTER_RUNTIME_DIR"]) / f"jpserver-{process.pid}.json"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"JupyterLab ended with {process.returncode}: see test-output/lab.log")
        if info.exists() and (text := info.read_text(encoding="utf-8")).endswith("}"):
            return str(json.loads(text)["url"])
        time.sleep(0.1)
    raise TimeoutError("JupyterLab did not start within 60 s: see test-output/lab.log")


def set_theme(server: LabServer, theme: str) -> None:
    """Choose a theme, as JupyterLab itself stores the user's setting."""
    request = urllib.request.Request(
        f"{server.url}lab/api/settings/@jupyterlab/apputils-extension:themes",
        method="PUT",
        data=json.dumps({"raw": json.dumps({"theme": theme})}).encode(),
        headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30):
        pass


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser a module: Playwright's loop runs as long as it lives, and anyio's tests need to start their own."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: `make chromium` brings it where apt can be used")
    switches = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    # Longer than Playwright's own 5 s: a small machine runs a server, a browser and a kernel side by side.
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=switches)
        yield browser
        browser.close()


@pytest.fixture
def browser_context(chromium: Browser) -> Iterator[BrowserContext]:
    """An own profile for each test."""
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    context.set_default_timeout(30_000)
    yield context
    context.close()


@pytest.fixture
def lab_page(
    lab_server: LabServer, browser_context: BrowserContext, request: pytest.FixtureRequest
) -> Iterator[LabPage]:
    """A page on JupyterLab, logged in; its last sight is kept in ``test-output/`` when the test fails or not."""
    page = browser_context.new_page()
    lab = LabPage(page, lab_server.url, TOKEN, lab_server.root, OUTPUT)
    yield lab
    lab.screenshot(request.node.name)
    lab.shutdown_kernels()
