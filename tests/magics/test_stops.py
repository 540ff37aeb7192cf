"""Errors, interrupts and deadlines of ``%%sandbox`` cells."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .client import PythonKernel, ok


def send_all(kernel: PythonKernel, tmp_path: Path, *cells: str) -> list[str]:
    """Send cells so that all of them are there before the first runs, as Run All does; ipykernel aborts no later ones."""
    gate = tmp_path / "gate"
    kernel.send(f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)")
    msg_ids = [kernel.send(cell) for cell in cells]
    gate.touch()
    return msg_ids


def test_error_is_remote_with_its_own_traceback_and_stops_run_all(
    kernel: PythonKernel, name: str, tmp_path: Path
) -> None:
    code = f"%%sandbox {name}\nprint('before')\ndef f():\n    return 1 / 0\nf()"
    first, second = send_all(kernel, tmp_path, code, "print('must not run')")
    outcome = kernel.collect(first)
    assert outcome.text() == "before\n"
    assert outcome.content["ename"] == "RemoteExecutionError"
    assert outcome.content["evalue"] == "ZeroDivisionError: division by zero"
    traceback = "\n".join(outcome.error["traceback"])
    assert f"In[{outcome.content['execution_count']}]" in re.sub(r"\x1b\[[\d;]*m", "", traceback)
    assert "ZeroDivisionError" in traceback
    assert "hopx_kernel" not in traceback
    assert kernel.collect(second).content["status"] == "aborted"


def test_interrupt_stops_the_remote_code_and_keeps_both_states(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run("here = 1"))
    ok(kernel.run(f"%%sandbox {name}\nthere = 2"))
    msg_id = kernel.send(f"%%sandbox {name}\nprint('started', flush=True)\nwhile True: pass")
    kernel.wait_for_text(msg_id, "started")
    kernel.press_interrupt()
    outcome = kernel.collect(msg_id)
    assert outcome.content["ename"] == "RemoteExecutionError"
    assert outcome.content["evalue"].startswith("KeyboardInterrupt")
    assert ok(kernel.run(f"%%sandbox {name}\nprint(there)")).text() == "2\n"
    assert ok(kernel.run("print(here)")).text() == "1\n"


def test_ten_interrupts_in_a_row_do_no_harm(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nimport time; there = 2"))
    for _ in range(10):
        msg_id = kernel.send(f"%%sandbox {name}\nprint('started', flush=True)\ntime.sleep(60)")
        kernel.wait_for_text(msg_id, "started")
        kernel.press_interrupt()
        assert kernel.collect(msg_id).content["status"] == "error"
    assert ok(kernel.run(f"%%sandbox {name}\nprint(there)")).text() == "2\n"


def test_timeout_names_the_deadline_and_keeps_the_namespace(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nx = 1"))
    outcome = kernel.run(f"%%sandbox {name} --timeout 0.5\nprint('part')\nwhile True: pass")
    assert (outcome.content["ename"], outcome.text()) == ("SandboxTimeoutError", "part\n")
    assert "0.5" in outcome.content["evalue"]
    assert ok(kernel.run(f"%%sandbox {name}\nprint(x)")).text() == "1\n"


def test_crash_is_told_and_the_next_cell_works(kernel: PythonKernel, name: str) -> None:
    outcome = kernel.run(f"%%sandbox {name}\nprint('before', flush=True)\nimport os; os._exit(3)")
    assert outcome.text() == "before\n"
    assert outcome.content["status"] == "error"
    assert ok(kernel.run(f"%%sandbox {name}\nprint('next')")).text() == "next\n"


@pytest.mark.parametrize(
    "line", ["%%sandbox {} --no-such-option\n1", "%%sandbox {} -i missing\n1", "%sandbox {} status"]
)
def test_line_that_cannot_be_obeyed_stops_run_all(kernel: PythonKernel, name: str, line: str, tmp_path: Path) -> None:
    first, second = send_all(kernel, tmp_path, line.format(name), "print('must not run')")
    assert kernel.collect(first).content["status"] == "error"
    assert kernel.collect(second).content["status"] == "aborted"
