"""The library in a notebook of an ordinary Python kernel, whose loop runs while a cell does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.magics.client import PythonKernel, ok

from .processes import survivors


@pytest.fixture
def kernel(jupyter_environment: dict[str, str], tmp_path: Path) -> Iterator[PythonKernel]:
    with PythonKernel(tmp_path) as kernel:
        ok(kernel.run("from hopx_kernel import Sandbox"))
        yield kernel


def test_blocking_and_awaited_forms_work_in_cells(kernel: PythonKernel) -> None:
    ok(kernel.run("sandbox = Sandbox.create()"))
    assert ok(kernel.run("print(*sandbox.commands.stream('seq 3'))")).text() == "1 2 3\n"
    assert ok(kernel.run("async for line in sandbox.commands.stream_async('seq 2'): print(line)")).text() == "1\n2\n"
    assert ok(kernel.run("print(await sandbox.session().execute('6 * 7'))")).text() == "42\n"


def test_cell_that_is_interrupted_stops_its_command_and_keeps_its_sandbox(kernel: PythonKernel) -> None:
    ok(kernel.run("sandbox = Sandbox.create()"))
    cell = "for line in sandbox.commands.stream('echo started; sleep 4321'): print(line, flush=True)"
    msg_id = kernel.send(cell)
    kernel.wait_for_text(msg_id, "started")
    kernel.press_interrupt()
    assert kernel.collect(msg_id).content["ename"] == "KeyboardInterrupt"
    # IPython keeps the cell's last traceback, and with it whatever the cell had in hand.
    ok(kernel.run("import sys; sys.last_value = sys.last_traceback = sys.last_exc = None"))
    processes = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
    while "sleep 4321" in ok(kernel.run(f"print(sandbox.commands.run({processes!r}).stdout)")).text():
        pass  # it was killed, and soon is gone


@pytest.mark.parametrize("end", ["kill", "shutdown", "restart"])
def test_end_of_the_kernel_leaves_no_sandbox(kernel: PythonKernel, end: str) -> None:
    ok(
        kernel.run(
            "kept = [Sandbox.create() for _ in range(2)]\nlines = iter(kept[0].commands.stream('yes')); next(lines)"
        )
    )
    processes = kernel.process.children(recursive=True)
    assert len(processes) >= 4
    if end == "kill":
        kernel.process.kill()
    elif end == "shutdown":
        kernel.manager.shutdown_kernel()
    else:
        kernel.manager.restart_kernel()
    assert survivors(processes) == []
