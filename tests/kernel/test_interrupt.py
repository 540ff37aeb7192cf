"""Interrupt, wherever the code is."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from .client import PATIENT, Kernel, Outcome


@pytest.fixture(scope="module")
def kernel(jupyter_environment: dict[str, str]) -> Iterator[Kernel]:
    """A kernel that gives code time to stop."""
    with Kernel(PATIENT) as kernel:
        yield kernel


PLACES = {
    "pure Python": "print('started', flush=True)\nwhile True: pass",
    "sleep": "import time; print('started'); time.sleep(60)",
    "subprocess": "import subprocess; print('started'); subprocess.run(['sleep', '60'])",
    "shell line": "print('started')\n!sleep 60",
    "top-level await": "import asyncio; print('started'); await asyncio.sleep(60)",
    "a flood": "print('started')\nwhile True: print('x' * 100)",
    "numpy": "import numpy, time; print('started')\na = numpy.ones((700, 700))\nwhile True: a @ a",
}


def assert_interrupted(outcome: Outcome) -> None:
    assert outcome.content["status"] == "error"
    assert outcome.content["ename"] == "KeyboardInterrupt"
    assert outcome.error["ename"] == "KeyboardInterrupt"
    assert outcome.types[-1] == "idle"


@pytest.mark.parametrize("place", PLACES)
def test_interrupt_stops_and_keeps_variables(kernel: Kernel, place: str) -> None:
    kernel.run("kept = 'yes'")
    run = kernel.send(PLACES[place])
    kernel.wait_for_text(run, "started")
    reply = kernel.interrupt()
    assert_interrupted(kernel.collect(run))
    assert reply["status"] == "ok" and reply["stopped"] is True and reply["kept"] is True
    assert kernel.run("kept").result == "'yes'"


def test_interrupt_stops_input(kernel: Kernel) -> None:
    run = kernel.send("input('name? ')", allow_stdin=True)
    assert kernel.question()["content"]["prompt"] == "name? "
    kernel.interrupt()
    assert_interrupted(kernel.collect(run))
    kernel.client.input("too late")
    assert kernel.run("1").result == "1"


def test_ten_interrupts_in_a_row_do_no_harm(kernel: Kernel) -> None:
    kernel.run("kept = 2")
    run = kernel.send("import time; print('started'); time.sleep(60)")
    kernel.wait_for_text(run, "started")
    for _ in range(10):
        assert kernel.interrupt()["status"] == "ok"
    assert_interrupted(kernel.collect(run))
    assert kernel.run("kept").result == "2"


def test_interrupt_between_cells_does_no_harm(kernel: Kernel) -> None:
    kernel.run("kept = 3")
    for _ in range(3):
        assert kernel.interrupt()["status"] == "ok"
    assert kernel.run("kept").result == "3"


def test_stray_sigint_interrupts_and_does_not_kill(kernel: Kernel) -> None:
    kernel.run("kept = 4")
    os.kill(kernel.process.pid, signal.SIGINT)
    kernel.interrupt()  # answered after the other; a cell might come before it
    assert kernel.run("kept").result == "4"
    run = kernel.send("import time; print('started'); time.sleep(60)")
    kernel.wait_for_text(run, "started")
    os.kill(kernel.process.pid, signal.SIGINT)
    assert_interrupted(kernel.collect(run))
    assert kernel.run("kept").result == "4"


def test_interrupt_aborts_the_queue(kernel: Kernel) -> None:
    run = kernel.send("import time; print('started'); time.sleep(60)")
    queued = kernel.send("queued_ran = True")
    kernel.wait_for_text(run, "started")
    kernel.wait_for_arrival()
    kernel.interrupt()
    assert_interrupted(kernel.collect(run))
    assert kernel.collect(queued).content["status"] == "aborted"


def test_code_that_ignores_the_interrupt_is_told_of(jupyter_environment: dict[str, str]) -> None:
    code = (
        "import time\n"
        "try: print('started'); time.sleep(3600)\nexcept KeyboardInterrupt:\n"
        "    try: print('goes on'); time.sleep(3600)\n    except KeyboardInterrupt: pass"
    )
    with Kernel("--HopxConfig.interrupt_grace_seconds=0.5") as kernel:
        run = kernel.send(code)
        kernel.wait_for_text(run, "started")
        reply = kernel.interrupt()
        assert reply["stopped"] is False and reply["kept"] is True
        shown = kernel.wait_for_text(run, "goes on").text("stderr")
        kernel.interrupt()
        outcome = kernel.collect(run)
        assert outcome.content["status"] == "ok"
        assert "did not stop within 0.5 s" in shown + outcome.text("stderr")
