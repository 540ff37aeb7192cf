"""Whatever a cell does to its process, its request ends with the truth and the next cell runs."""

from __future__ import annotations

import re

import pytest

from tests.nemesis.processes import wait_for

from .client import PATIENT, Kernel

GIB = 1 << 30

DEADLY = {
    "exits": "import os; print('before', flush=True); os._exit(3)",
    "segfaults": "import ctypes; print('before'); ctypes.string_at(0)",
    "kills itself": "import os, signal; print('before'); os.kill(os.getpid(), signal.SIGKILL)",
    "aborts": "import os; print('before'); os.abort()",
}


@pytest.mark.parametrize("way", DEADLY)
def test_cell_that_kills_its_process(kernel: Kernel, way: str) -> None:
    kernel.run("kept = 1")
    outcome = kernel.run(DEADLY[way])
    assert outcome.text() == "before\n"
    assert outcome.content["status"] == "error"
    assert outcome.error["ename"] and outcome.error["evalue"] and outcome.error["traceback"]
    assert outcome.types[-1] == "idle"
    count = outcome.content["execution_count"]
    after = kernel.run("'kept' in globals()")
    assert after.result == "False"
    assert after.content["execution_count"] == count + 1


def test_cell_whose_supervisor_is_killed_says_how_much_did_not_come(fresh_kernel: Kernel) -> None:
    msg_id = fresh_kernel.send("import itertools\nfor line in itertools.count():\n    print(line)")
    begun = fresh_kernel.wait_for_text(msg_id, "\n9999\n")
    wait_for(fresh_kernel.process, "supervisor").kill()
    outcome = fresh_kernel.collect(msg_id)
    lines = (begun.text() + outcome.text()).splitlines()
    assert lines == [str(number) for number in range(len(lines))]
    assert re.search(r"Of what was printed before, [\d,]+ lines \([\d,]+ characters\) did not", outcome.error["evalue"])
    assert fresh_kernel.run("1 + 1").result == "2"


def test_cell_over_the_memory_limit(jupyter_environment: dict[str, str]) -> None:
    with Kernel(f"--HopxConfig.memory_limit={GIB}") as kernel:
        outcome = kernel.run("print('before'); x = bytearray(4 << 30); print('after')")
        assert outcome.text() == "before\n"
        assert outcome.content["status"] == "error"
        told = outcome.error["ename"] + outcome.error["evalue"] + "".join(outcome.error["traceback"])
        assert "memory" in told.lower()
        assert kernel.run("1 + 1").result == "2"


def test_fork_bomb(jupyter_environment: dict[str, str]) -> None:
    with Kernel("--HopxConfig.process_limit=60") as kernel:
        code = "import os, time\nprint('before', flush=True)\nwhile True:\n    if os.fork() == 0:\n        time.sleep(3600)"
        outcome = kernel.run(code)
        assert outcome.text() == "before\n"
        assert outcome.content["status"] == "error"
        assert kernel.run("1 + 1").result == "2"


def test_cell_that_closes_stdout(kernel: Kernel) -> None:
    outcome = kernel.run("import os; print('before'); os.close(1)")
    assert outcome.text() == "before\n"
    assert kernel.run("print('still here')").text() == "still here\n"


def test_sys_exit_ends_the_cell_only(kernel: Kernel) -> None:
    kernel.run("kept = 1")
    outcome = kernel.run("import sys; print('before'); sys.exit()")
    assert outcome.text() == "before\n"
    assert outcome.types[-1] == "idle"
    assert kernel.run("kept").result == "1"


def test_endless_loop_ends_at_the_deadline(jupyter_environment: dict[str, str]) -> None:
    with Kernel("--HopxConfig.timeout_seconds=2", PATIENT) as kernel:
        outcome = kernel.run("kept = 1; print('before')\nwhile True: pass")
        assert outcome.text() == "before\n"
        assert outcome.content["status"] == "error"
        assert "limit of 2 s has passed (option timeout_seconds" in outcome.error["evalue"]
        assert kernel.run("kept").result == "1"


@pytest.mark.parametrize("code", ["print('a\0b')", "\ufeff1 + 1", "print('\u2028')"])
def test_odd_source_is_answered(kernel: Kernel, code: str) -> None:
    kernel.run("kept = 1")
    assert kernel.run(code).content["status"] in ("ok", "error")
    assert kernel.run("kept").result == "1"


def test_message_of_a_megabyte(kernel: Kernel) -> None:
    outcome = kernel.run("x = '" + "y" * (1 << 20) + "'; len(x)")
    assert outcome.result == str(1 << 20)


@pytest.mark.parametrize("percent", ["'abc'", "float('nan')", "None", "-5", "float('inf')"])
def test_odd_progress_harms_nothing(kernel: Kernel, percent: str) -> None:
    outcome = kernel.run(f"progress('x', {percent}); print('after')")
    assert outcome.content["status"] == "ok" and "after\n" in outcome.text()
