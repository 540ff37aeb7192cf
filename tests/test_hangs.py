"""A test that hangs is one that fails, in whatever way it hangs, and the tests after it run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

TESTS = """
import time
import anyio, pytest
@pytest.fixture(scope="session")
def anyio_backend(): return "asyncio"
def test_sleeps(): time.sleep(3600)
@pytest.mark.anyio
async def test_waits(): await anyio.sleep(3600)
@pytest.mark.anyio
async def test_waits_shielded():
    with anyio.CancelScope(shield=True): await anyio.Event().wait()
@pytest.mark.anyio
async def test_runs(): pass
def test_runs_too(): pass
"""


def test_every_way_to_hang_fails_and_the_others_run(tmp_path: Path) -> None:
    (tmp_path / "test_them.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path), "-p", "tests.hangs"]
    done = subprocess.run(
        [*command, "--numprocesses", "1", "--timeout", "2", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=200,
    )
    assert "3 failed, 2 passed" in done.stdout, done.stdout
    for name in ("test_sleeps", "test_waits", "test_waits_shielded"):
        assert name in done.stdout.partition("short test summary")[2]


@pytest.mark.anyio
async def test_coroutines_here_are_timed_by_a_thread(request: pytest.FixtureRequest) -> None:
    assert any(mark.kwargs.get("method") == "thread" for mark in request.node.iter_markers("timeout"))
