"""What a person does in JupyterLab, as methods. Waits on what the page shows, never on time alone."""

from __future__ import annotations

import json
import re
import urllib.request
import uuid
import warnings
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, Locator, Page, expect

from .notebook import write_notebook

__all__ = ["LabPage"]

#: Records what an element shows, each time that it changes. `seen[i]` is [milliseconds, value].
_RECORDER = """
([root, read]) => {
  const value = new Function("root", "return " + read);
  const seen = [];
  const note = () => {
    const now = value(root);
    if (now !== null && (!seen.length || seen[seen.length - 1][1] !== now)) seen.push([performance.now(), now]);
  };
  new MutationObserver(note).observe(root, {subtree: true, childList: true, characterData: true, attributes: true});
  note();
  return seen;
}
"""


class LabPage:
    """A page of JupyterLab.

    Parameters
    ----------
    page : Page
        Playwright's page.
    url, token : str
        The server's.
    root, screenshots : Path
        Where notebooks are made, and where screenshots go.
    """

    def __init__(self, page: Page, url: str, token: str, root: Path, screenshots: Path) -> None:
        self.page = page
        self.url = url
        self.token = token
        self.root = root
        self.screenshots = screenshots

    # ------------------------------------------------------------------ going places

    def open_launcher(self) -> Locator:
        """Open JupyterLab with nothing but its launcher; gives the launcher."""
        self.page.goto(f"{self.url}lab?token={self.token}&reset")
        launcher = self.page.locator(".jp-Launcher")
        expect(launcher).to_be_visible(timeout=60_000)
        return launcher

    def open_notebook(self, *cells: str, kernel: str = "hopx", name: str | None = None) -> Path:
        """Make a notebook of code cells, open it, and wait for its kernel; gives its path."""
        path = write_notebook(self.root / (name or f"{uuid.uuid4().hex[:8]}.ipynb"), *cells, kernel=kernel)
        self.page.goto(f"{self.url}lab/tree/{path.name}?token={self.token}&reset")
        expect(self.page.locator(".jp-Notebook")).to_be_visible(timeout=60_000)
        self.wait_idle()
        return path

    def reload(self) -> None:
        """Reload the page, as a person would; the kernel lives on."""
        self.page.reload()
        expect(self.page.locator(".jp-Notebook")).to_be_visible(timeout=60_000)
        self.wait_idle()

    # ------------------------------------------------------------------ cells

    def cell(self, index: int) -> Locator:
        """A code cell, counted from 0."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(index)

    def output(self, index: int) -> Locator:
        """The output area of a cell; it is there before it holds anything."""
        return self.cell(index).locator(".jp-Cell-outputArea")

    def run(self, index: int) -> None:
        """Select a cell and run it, without waiting for its end."""
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def run_to_end(self, index: int, timeout_seconds: float = 60) -> None:
        """Run a cell and wait until its prompt has a number."""
        before = self.prompt(index).inner_text()
        self.run(index)
        pattern = re.compile(r"\[(?!" + re.escape(before.strip("[]: ") or " ") + r"\])\d+\]")
        expect(self.prompt(index)).to_have_text(pattern, timeout=timeout_seconds * 1000)

    def prompt(self, index: int) -> Locator:
        """The ``[1]:`` of a cell; ``[*]:`` while it runs."""
        return self.cell(index).locator(".jp-InputPrompt")

    def wait_running(self, index: int) -> None:
        """Wait until a cell's prompt has its star."""
        expect(self.prompt(index)).to_have_text("[*]:")

    def record(self, root: Locator, read: str = "root.textContent") -> Any:
        """Record from now on what `read`, an expression of `root`, gives at each change; read it with `recorded`."""
        return self.page.evaluate_handle(_RECORDER, [root.element_handle(), read])

    def recorded(self, handle: Any) -> list[tuple[float, Any]]:
        """What a recording has seen, each value with its moment in milliseconds."""
        return [(moment, value) for moment, value in handle.json_value()]

    # ------------------------------------------------------------------ the kernel

    def wait_idle(self, timeout_seconds: float = 30) -> None:
        """Wait until the status bar shows an idle kernel; the toolbar's circle says so before there is a kernel."""
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=timeout_seconds * 1000)

    def press_stop(self) -> None:
        """The toolbar's Stop."""
        self._toolbar("interrupt-kernel").click()

    def press_restart(self) -> None:
        """The toolbar's Restart, confirmed, and waited for."""
        self._toolbar("restart-kernel").click()
        with self.page.expect_response(lambda answer: "/restart" in answer.url):
            self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.wait_idle()

    def save(self) -> None:
        """Save the notebook and wait until the file has been written."""
        with self.page.expect_response(
            lambda answer: answer.request.method == "PUT" and "/api/contents/" in answer.url
        ):
            self.page.keyboard.press("Control+s")

    def shutdown_kernels(self) -> None:
        """End every session of the server, so that tests do not share a machine's memory."""
        for session in self._api("GET", "sessions"):
            self._api("DELETE", f"sessions/{session['id']}")

    def screenshot(self, name: str) -> Path:
        """Keep what the page shows in ``test-output/``. It is there to be looked at: no test fails for want of it."""
        path = self.output_path(name)
        try:
            self.page.screenshot(path=path)
        except Error as error:
            warnings.warn(f"no screenshot {path.name}: {error.message}", stacklevel=2)
        return path

    def output_path(self, name: str) -> Path:
        """Where a screenshot of this name is kept."""
        return self.screenshots / f"{re.sub(r'[^a-zA-Z0-9_.-]', '-', name)}.png"

    def _toolbar(self, command: str) -> Locator:
        return self.page.locator(f".jp-NotebookPanel-toolbar [data-command^='notebook:{command}']").first

    def _api(self, method: str, path: str) -> Any:
        request = urllib.request.Request(
            f"{self.url}api/{path}", method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read() or b"null")
