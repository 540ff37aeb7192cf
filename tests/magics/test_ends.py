"""No sandbox is left at the end of its kernel, and a lost one is made anew."""

from __future__ import annotations

import time

import psutil
import pytest

from tests.kernel.client import kill_all

from .client import PythonKernel, ok


def children_of(kernel: PythonKernel) -> list[psutil.Process]:
    return [process for process in kernel.process.children(recursive=True) if process.is_running()]


@pytest.mark.parametrize("end", ["kill", "shutdown", "restart"])
def test_end_of_the_kernel_leaves_no_sandbox(fresh_kernel: PythonKernel, end: str) -> None:
    for name in ("a", "b"):
        ok(fresh_kernel.run(f"%%sandbox {name} --background\nimport time\ntime.sleep(1000)"))
    processes = children_of(fresh_kernel)
    assert len(processes) >= 4
    if end == "kill":
        fresh_kernel.process.kill()
    elif end == "shutdown":
        fresh_kernel.manager.shutdown_kernel()
    else:
        fresh_kernel.manager.restart_kernel()
    _, left = psutil.wait_procs(processes, timeout=2 if end == "kill" else 10)
    assert not [process for process in left if process.status() != psutil.STATUS_ZOMBIE]


def test_unload_kills_the_sandboxes_and_takes_the_magics_away(fresh_kernel: PythonKernel) -> None:
    ok(fresh_kernel.run("%%sandbox\n1"))
    processes = children_of(fresh_kernel)
    ok(fresh_kernel.run("%unload_ext hopx_kernel"))
    _, left = psutil.wait_procs(processes, timeout=5)
    assert not [process for process in left if process.status() != psutil.STATUS_ZOMBIE]
    assert fresh_kernel.run("%sandbox").content["status"] == "error" or "not found" in fresh_kernel.run(
        "%sandbox"
    ).text("stderr")
    ok(fresh_kernel.run("%load_ext hopx_kernel\n%sandbox"))


def test_lost_sandbox_is_told_and_restart_makes_it_anew(fresh_kernel: PythonKernel) -> None:
    ok(fresh_kernel.run("%%sandbox a\nx = 1"))
    kill_all(children_of(fresh_kernel))
    deadline = time.monotonic() + 10
    while fresh_kernel.run("%%sandbox a\nx").content["status"] == "ok":
        assert time.monotonic() < deadline
    assert "restart" in fresh_kernel.run("%sandbox a status").text()
    ok(fresh_kernel.run("%sandbox a restart"))
    assert ok(fresh_kernel.run("%%sandbox a\nprint('x' in globals())")).text() == "False\n"
