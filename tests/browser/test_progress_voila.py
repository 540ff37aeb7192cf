"""Progress and Stop in Voilà, where code runs when somebody presses a button."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

pytest.importorskip("voila")
pytestmark = pytest.mark.browser

DASHBOARD = """
import time, ipywidgets
out = ipywidgets.Output(); button = ipywidgets.Button(description="Start")
def start(_):
    with out:
        for i in track(range(400), "Long work"): time.sleep(0.05)
button.on_click(start)
ipywidgets.VBox([button, out])
""".strip()


@pytest.fixture
def dashboard(hopx_kernelspec: str, tmp_path: Path) -> Iterator[str]:
    """A running Voilà's address."""
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "a",
        "source": DASHBOARD,
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    kernelspec = {"name": hopx_kernelspec, "display_name": "HopX", "language": "python"}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernelspec}, "cells": [cell]}
    path = tmp_path / "dashboard.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Voilà's templates lie in the environment's own Jupyter directory, which the tests' JUPYTER_PATH does not hide.
    command = [sys.executable, "-m", "voila", str(path), "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    with (tmp_path / "voila.log").open("wb") as log:
        process = subprocess.Popen(command, env=dict(os.environ), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}/"
        wait_for(url, process, tmp_path / "voila.log")
        yield url
    finally:
        process.terminate()
        process.wait(20)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers at all; its page runs the notebook, and takes longer."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            with urllib.request.urlopen(f"{url}voila/static/missing", timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(log.read_text(encoding="utf-8"))


def test_stop_works_while_a_callback_runs(dashboard: str, browser_context: BrowserContext) -> None:
    page = browser_context.new_page()
    page.goto(dashboard, timeout=60_000)
    page.get_by_role("button", name="Start").click()
    bar = page.locator(".hopx-run .progress-bar")
    expect(bar).to_be_visible(timeout=30_000)
    first = bar.evaluate("bar => bar.style.width")
    expect(bar).not_to_have_attribute("style", f"width: {first};")
    page.locator(".hopx-header-stop").click()
    expect(page.locator("body")).to_contain_text("variables kept", timeout=20_000)
    expect(page.locator("body")).to_contain_text("stopped after")
    expect(page.locator("body")).to_contain_text("Long work")
    expect(page.locator(".progress-bar")).to_have_count(0)
