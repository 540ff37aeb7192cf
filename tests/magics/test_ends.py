"""No sandbox is left at the end of its kernel, and a lost one is made anew."""

from __future__ import annotations

import time

import psutil
import pytest

from tests.kernel.client import kill_all
from tests.library.processes import GONE_SECONDS, survivors

from .client import Kernel, PythonKernel, ok


def children_of(kernel: Kernel) -> list[psutil.Process]:
    """What the kernel has started, without a sandbox of its own, which the first cell waits for."""
    return kernel.process.children(recursive=True)


@pytest.mark.parametrize("end", ["kill", "shutdown", "restart"])
def test_end_of_the_kernel_leaves_no_sandbox(fresh_kernel: Kernel, end: str) -> None:
    ok(fresh_kernel.run("1"))
    own = len(children_of(fresh_kernel))
    for name in ("a", "b"):
        code = "print('started', flush=True)\nimport time; time.sleep(1000)"
        msg_id = fresh_kernel.send(f"%%sandbox {name} --background\n{code}")
        fresh_kernel.wait_for_text(msg_id, "started")
    processes = children_of(fresh_kernel)
    assert len(processes) >= own + 4
    if end == "kill":
        fresh_kernel.process.kill()
    elif end == "shutdown":
        fresh_kernel.shut_down()
    else:
        fresh_kernel.manager.restart_kernel()
    assert survivors(processes) == []


def test_lost_sandbox_is_told_and_restart_makes_it_anew_with_its_environment(fresh_kernel: Kernel) -> None:
    ok(fresh_kernel.run("1"))
    own = set(children_of(fresh_kernel))
    ok(fresh_kernel.run("%%sandbox a --env A=1\nx = 1"))
    ok(fresh_kernel.run("%sandbox a env B=2"))
    kill_all(process for process in children_of(fresh_kernel) if process not in own)
    deadline = time.monotonic() + GONE_SECONDS
    while "restart" not in ok(fresh_kernel.run("%sandbox a status")).text():
        assert time.monotonic() < deadline
    assert fresh_kernel.run("%%sandbox a\nx").content["ename"] == "SandboxLostError"
    ok(fresh_kernel.run("%sandbox a restart"))
    code = "import os; print('x' in globals(), os.environ['A'], os.environ['B'])"
    assert ok(fresh_kernel.run(f"%%sandbox a\n{code}")).text() == "False 1 2\n"


def test_unload_kills_the_sandboxes_and_takes_the_magics_away(python_kernel: PythonKernel) -> None:
    ok(python_kernel.run("%%sandbox\n1"))
    processes = children_of(python_kernel)
    ok(python_kernel.run("%unload_ext hopx_kernel"))
    assert survivors(processes) == []
    assert "not found" in python_kernel.run("%sandbox").text("stderr")
    ok(python_kernel.run("%load_ext hopx_kernel\n%sandbox"))
