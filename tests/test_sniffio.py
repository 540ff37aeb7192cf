"""The kernel and the library beside sniffio, which changes how anyio finds its loop, and without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernel.client import Kernel

HIDDEN = "raise ModuleNotFoundError('it is hidden', name='sniffio')\n"

PROGRAM = """
import asyncio, sys
from hopx_kernel import Sandbox

async def leave_early(sandbox):
    async for _ in sandbox.commands.stream_async("echo first; sleep 4321"):
        break

with Sandbox.create() as sandbox:
    asyncio.run(leave_early(sandbox))
    while "sleep 4321" in sandbox.commands.run("cat /proc/[0-9]*/cmdline | tr '\\\\0' ' '").stdout:
        pass  # it was told to end, and soon has
    print("sniffio" in sys.modules)
"""


@pytest.fixture(params=[True, False], ids=["with sniffio", "without sniffio"])
def environment(request: pytest.FixtureRequest, tmp_path: Path, jupyter_environment: dict[str, str]) -> dict[str, str]:
    """An environment in which sniffio can be imported, or cannot."""
    if request.param:
        return {}
    (tmp_path / "sniffio.py").write_text(HIDDEN, encoding="utf-8")
    return {"PYTHONPATH": str(tmp_path)}


def test_kernel_runs_and_interrupts_cells(environment: dict[str, str]) -> None:
    with Kernel(env=environment) as kernel:
        assert kernel.run("6 * 7").result == "42"
        msg_id = kernel.send("print('started')\nwhile True: pass")
        kernel.wait_for_text(msg_id, "started")
        kernel.interrupt()
        assert kernel.collect(msg_id).content["ename"] == "KeyboardInterrupt"


def test_stream_left_early_stops_the_command(environment: dict[str, str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == (f"{not environment}\n", "")
