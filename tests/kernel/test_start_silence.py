"""A runner that stands still before it has said a word: Stop and the end of the kernel do not wait for it."""

from __future__ import annotations

import time
import venv
from contextlib import suppress
from pathlib import Path

import psutil

from .client import TIMEOUT, Kernel, kill_all
from .test_life import sandbox_processes, wait_gone


def start_silently(kernel: Kernel) -> tuple[str, psutil.Process]:
    """End the sandbox, send a cell, and stop the next supervisor as soon as there is one: it has yet to import."""
    old = sandbox_processes(kernel)
    kill_all(old)
    assert wait_gone(old) == []
    cell = kernel.send("'done'")
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        for process in sandbox_processes(kernel):
            with suppress(psutil.NoSuchProcess):
                if any("runner.pyz" in word for word in process.cmdline()):
                    process.suspend()
                    return cell, process
    raise TimeoutError("no runner was started")


def test_stop_ends_a_cell_whose_runner_stands_still_before_its_first_word(jupyter_environment: dict[str, str]) -> None:
    with Kernel() as kernel:
        kernel.run("1")
        cell, _ = start_silently(kernel)
        assert kernel.interrupt()["status"] == "ok"
        outcome = kernel.collect(cell)
        assert outcome.content["ename"] == "KeyboardInterrupt", outcome.content


def test_kernel_ends_beside_a_runner_that_stands_still_before_its_first_word(
    jupyter_environment: dict[str, str],
) -> None:
    with Kernel() as kernel:
        kernel.run("1")
        _, supervisor = start_silently(kernel)
        processes = [kernel.process, *sandbox_processes(kernel), supervisor]
        assert kernel.control("shutdown_request", {"restart": False})["content"]["status"] == "ok"
        assert wait_gone(processes) == []


#: In an environment: the runner stops itself before its first import.
STOPS_ITSELF = """
import os, signal, sys
if any(word.endswith("runner.pyz") for word in sys.orig_argv):
    os.kill(os.getpid(), signal.SIGSTOP)
"""


def test_start_that_stands_still_is_told_of_by_its_option(jupyter_environment: dict[str, str], tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", symlinks=True)
    (packages,) = (tmp_path / "environment").glob("lib/python*/site-packages")
    (packages / "sitecustomize.py").write_text(STOPS_ITSELF)
    # The time in which a silent sandbox would be a loss is longer than this waits.
    options = ("--HopxConfig.start_timeout_seconds=3", "--HopxConfig.loss_seconds=3600")
    with Kernel(f"--HopxConfig.environment={tmp_path / 'environment'}", *options) as kernel:
        for _ in range(2):
            outcome = kernel.run("1")
            assert outcome.content["ename"] == "SandboxStartError", outcome.content
            assert "not started within 3 s" in outcome.content["evalue"]
            assert "start_timeout_seconds" in outcome.content["evalue"]
