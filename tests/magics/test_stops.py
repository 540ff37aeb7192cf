"""Errors, interrupts and deadlines of ``%%sandbox`` cells."""

from __future__ import annotations

import re

import pytest

from .client import Kernel, ok, refused, was_interrupted


def send_all(kernel: Kernel, *cells: str) -> list[str]:
    """Send cells so that all of them are there before the first runs, as Run All does; ipykernel aborts no later ones."""
    kernel.send("input()", allow_stdin=True)
    kernel.client.get_stdin_msg(timeout=90)
    msg_ids = [kernel.send(cell) for cell in cells]
    kernel.client.input("")
    return msg_ids


def test_error_is_remote_with_its_own_traceback_and_stops_run_all(kernel: Kernel, name: str) -> None:
    code = f"%%sandbox {name}\nprint('before')\ndef f():\n    return 1 / 0\nf()"
    first, second = send_all(kernel, code, "print('must not run')")
    outcome = kernel.collect(first)
    assert outcome.text() == "before\n"
    assert outcome.content["ename"] == "RemoteExecutionError"
    assert outcome.content["evalue"] == "ZeroDivisionError: division by zero"
    traceback = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(outcome.error["traceback"]))
    assert f"In[{outcome.content['execution_count']}]" in traceback
    assert "return 1 / 0" in traceback and "ZeroDivisionError" in traceback
    assert "hopx" not in traceback
    assert kernel.collect(second).content["status"] == "aborted"


@pytest.mark.parametrize(
    "line", ["%%sandbox {} --no-such-option\n1", "%%sandbox {} -i missing\n1", "%sandbox {} status"]
)
def test_line_that_cannot_be_obeyed_stops_run_all(kernel: Kernel, name: str, line: str) -> None:
    first, second = send_all(kernel, line.format(name), "print('must not run')")
    assert refused(kernel.collect(first))
    assert kernel.collect(second).content["status"] == "aborted"


# ------------------------------------------------------------------ errors that code catches

CAUGHT = "try: get_ipython().run_cell_magic('sandbox', {line!r}, {cell!r})\nexcept {name} as exc: print({show})"


@pytest.mark.parametrize(
    ("load", "caught"),
    [
        ("from hopx_kernel import RemoteExecutionError", "RemoteExecutionError"),
        ("import hopx_kernel", "hopx_kernel.RemoteExecutionError"),
        ("from hopx_kernel.errors import HopxKernelError", "HopxKernelError"),
        ("", "Exception"),
    ],
)
def test_error_is_caught_with_what_it_was(kernel: Kernel, name: str, load: str, caught: str) -> None:
    show = "type(exc).__name__, exc.ename, len(exc.traceback) > 0"
    code = CAUGHT.format(line=name, cell="import json; json.loads(1)", name=caught, show=show)
    assert ok(kernel.run(f"{load}\n{code}")).text() == "RemoteExecutionError TypeError True\n"


def test_deadline_is_caught_with_the_output_so_far(kernel: Kernel, name: str) -> None:
    cell, caught = "print('part')\nwhile True: pass", "hopx_kernel.SandboxTimeoutError"
    code = CAUGHT.format(line=f"{name} --timeout 2.5", cell=cell, name=caught, show="exc.output, exc.alive")
    assert ok(kernel.run(f"import hopx_kernel\n{code}")).text().endswith("part\n True\n")


def test_error_of_a_run_in_the_background_is_caught_by_the_same_name(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name} --background\n1/0"))
    code = (
        "run = _\nfrom hopx_kernel import RemoteExecutionError\ntry: run.wait()\nexcept RemoteExecutionError as exc: "
    )
    assert ok(kernel.run(f"{code}print(exc.ename)")).text() == "ZeroDivisionError\n"


# ------------------------------------------------------------------ interrupts


@pytest.mark.parametrize(
    "code", ["while True: pass", "import time; time.sleep(60)", "import asyncio; await asyncio.sleep(60)"]
)
def test_interrupt_stops_the_remote_code_and_keeps_both_states(kernel: Kernel, name: str, code: str) -> None:
    ok(kernel.run("here = 1"))
    ok(kernel.run(f"%%sandbox {name}\nthere = 2"))
    msg_id = kernel.send(f"%%sandbox {name}\nprint('started', flush=True)\n{code}")
    kernel.wait_for_text(msg_id, "started")
    kernel.press_interrupt()
    assert was_interrupted(kernel.collect(msg_id))
    assert ok(kernel.run(f"%%sandbox {name}\nprint(there)")).text() == "2\n"
    assert ok(kernel.run("print(here)")).text() == "1\n"


@pytest.mark.parametrize("when", ["in the cell", "in the cell before"])
def test_interrupt_ends_a_wait_also_where_a_library_has_system_calls_go_on(
    kernel: Kernel, name: str, when: str
) -> None:
    """Importing polars does so, for one."""
    library = "import signal; signal.siginterrupt(signal.SIGINT, False)"
    wait = "import threading; lock = threading.Lock(); lock.acquire()\nprint('started', flush=True)\nlock.acquire()"
    if when == "in the cell before":
        ok(kernel.run(f"%%sandbox {name}\n{library}"))
    for cell in (
        f"%%sandbox {name}\n{library if when == 'in the cell' else ''}\n{wait}",
        f"{library}\nget_ipython().run_cell_magic('sandbox', {name!r}, {wait!r})",
    ):
        msg_id = kernel.send(cell)
        kernel.wait_for_text(msg_id, "started")
        kernel.press_interrupt()
        outcome = kernel.collect(msg_id)
        assert was_interrupted(outcome) and outcome.text("stderr") == ""
    assert ok(kernel.run(f"%%sandbox {name}\nprint('next')")).text() == "next\n"


def test_interrupts_again_and_again_do_no_harm(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nimport time; there = 2"))
    for _ in range(10):
        msg_id = kernel.send(f"%%sandbox {name}\nprint('started', flush=True)\ntime.sleep(60)")
        kernel.wait_for_text(msg_id, "started")
        kernel.press_interrupt()
        assert was_interrupted(kernel.collect(msg_id))
    assert ok(kernel.run(f"%%sandbox {name}\nprint(there)")).text() == "2\n"


def test_interrupt_of_a_loop_of_magics_ends_the_loop(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\n1"))
    code = f"while True:\n    get_ipython().run_cell_magic('sandbox', '{name}', 'print(\"turn\", flush=True)')"
    msg_id = kernel.send(code)
    kernel.wait_for_text(msg_id, "turn")
    kernel.press_interrupt()
    assert was_interrupted(kernel.collect(msg_id))


def test_interrupt_stops_input(kernel: Kernel, name: str) -> None:
    msg_id = kernel.send(f"%%sandbox {name}\ninput('Who? ')", allow_stdin=True)
    kernel.client.get_stdin_msg(timeout=90)
    kernel.press_interrupt()
    assert was_interrupted(kernel.collect(msg_id))
    assert ok(kernel.run(f"%%sandbox {name}\nprint(1)")).text() == "1\n"


def test_code_that_ignores_an_interrupt_is_told_of(kernel: Kernel, name: str) -> None:
    # Told from inside the try: an interrupt before it would stop the cell.
    code = (
        "import time\ntold = False\nwhile True:\n"
        "    try:\n        told = told or not print('started')\n        time.sleep(0.1)\n"
        "    except KeyboardInterrupt:\n        pass"
    )
    msg_id = kernel.send(f"%%sandbox {name}\n{code}")
    kernel.wait_for_text(msg_id, "started")
    kernel.press_interrupt()
    outcome = kernel.collect(msg_id)
    assert was_interrupted(outcome)
    assert "not stop" in outcome.text("stderr")
    ok(kernel.run(f"%sandbox {name} restart"))
    assert ok(kernel.run(f"%%sandbox {name}\nprint('next')")).text() == "next\n"


# ------------------------------------------------------------------ deadlines and crashes


def test_timeout_names_the_deadline_and_keeps_the_namespace(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nx = 1"))
    outcome = kernel.run(f"%%sandbox {name} --timeout 2.5\nprint('part')\nwhile True: pass")
    assert (outcome.content["ename"], outcome.text()) == ("SandboxTimeoutError", "part\n")
    assert "2.5 s" in outcome.content["evalue"]
    assert ok(kernel.run(f"%%sandbox {name}\nprint(x)")).text() == "1\n"


def test_crash_is_told_and_the_next_cell_works(kernel: Kernel, name: str) -> None:
    outcome = kernel.run(f"%%sandbox {name}\nprint('before', flush=True)\nimport os; os._exit(3)")
    assert outcome.text() == "before\n"
    assert outcome.content["ename"] == "RemoteExecutionError" and "code 3" in outcome.content["evalue"]
    assert ok(kernel.run(f"%%sandbox {name}\nprint('next')")).text() == "next\n"
