"""A real Voilà on a notebook, and what a visitor does on its page."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

import psutil
from playwright.sync_api import Page, expect

__all__ = ["Voila", "wait_gone"]


class Voila:
    """A Voilà that serves one notebook; ``with`` ends it.

    Parameters
    ----------
    notebook : Path
        What it serves.
    log : Path
        Where what it and its kernels say is kept.
    *arguments : str
        For its command line.
    """

    def __init__(self, notebook: Path, log: Path, *arguments: str) -> None:
        self._notebook = notebook
        self._log = log
        self._arguments = arguments

    def __enter__(self) -> Voila:
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}/"
        command = [sys.executable, "-m", "voila", str(self._notebook), f"--port={port}", "--no-browser"]
        self._log.parent.mkdir(exist_ok=True)
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--Voila.ip=127.0.0.1", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_served()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _wait_served(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"Voilà ended with {self.process.returncode}: see {self._log}")
            try:
                with urllib.request.urlopen(f"{self.url}static/favicon.ico", timeout=5):
                    return
            except urllib.error.HTTPError:
                return  # it answers
            except OSError:
                time.sleep(0.1)
        raise TimeoutError(f"Voilà did not answer within 60 s: see {self._log}")

    # ------------------------------------------------------------------ its kernels

    def kernels(self) -> list[psutil.Process]:
        """The kernel processes that run now, oldest first."""
        children = psutil.Process(self.process.pid).children()
        return sorted((child for child in children if _is_kernel(child)), key=lambda child: child.create_time())

    def sandboxes(self) -> list[psutil.Process]:
        """The processes below the kernels: launchers, runners and what runs in their sandboxes."""
        return [process for kernel in self.kernels() for process in kernel.children(recursive=True)]

    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_log(self, text: str) -> None:
        """Wait until it has said something."""
        deadline = time.monotonic() + 60
        while text not in self.log():
            if time.monotonic() > deadline:
                raise TimeoutError(f"Voilà did not say {text!r} within 60 s: see {self._log}")
            time.sleep(0.1)

    # ------------------------------------------------------------------ its page

    def open(self, page: Page) -> None:
        """Visit the notebook, and wait until its cells are shown and their widgets live."""
        page.goto(self.url, timeout=90_000)
        self.wait_shown(page)

    def wait_shown(self, page: Page) -> None:
        """Wait until the page's cells are shown."""
        expect(page.locator("#rendered_cells")).to_be_visible(timeout=60_000)
        # Until its scripts run, a page can neither notice what ends behind it nor tell that it is left. Its guard sets
        # this cookie, or finds it, when they do.
        page.wait_for_function("document.cookie.includes('_xsrf=')")


def _is_kernel(process: psutil.Process) -> bool:
    try:
        return any("kernel" in word for word in process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_gone(processes: list[psutil.Process], seconds: float = 30) -> list[psutil.Process]:
    """Wait until processes have ended; gives those that have not."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
