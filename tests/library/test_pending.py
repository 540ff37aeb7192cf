"""Waits that a signal interrupts at any moment, in a process that is interrupted very often."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from pathlib import Path

import anyio
import pytest

from hopx_kernel.library import bridge

ROOT = Path(__file__).resolve().parents[2]

#: Waits for calls that end all the time, while another thread interrupts all the time; ends itself where one hangs.
INTERRUPTED = """
import _thread, faulthandler, random, signal, sys, threading, time
import anyio
from hopx_kernel.library import bridge

faulthandler.dump_traceback_later(150, exit=True)
bridge.call(anyio.sleep, 0)
armed = is_over = False
interrupts = calls = 0

def take_signal(*_):
    global armed
    if armed:
        armed = False
        raise KeyboardInterrupt

def interrupt():
    global is_over
    end = time.monotonic() + float(sys.argv[1])
    while time.monotonic() < end or interrupts <= 100 or calls <= 100:
        _thread.interrupt_main()
        time.sleep(random.uniform(0.0002, 0.002))
    is_over = True

signal.signal(signal.SIGINT, take_signal)
threading.Thread(target=interrupt, daemon=True).start()
while not is_over:
    try:
        armed = True
        bridge.call(anyio.sleep, 0)
        armed = False
        calls += 1
    except KeyboardInterrupt:
        interrupts += 1
print(bridge.call(anyio.sleep, 0), interrupts > 100, calls > 100)
"""


def test_interrupts_at_any_moment_leave_the_loop_running() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", INTERRUPTED, "3"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert ended.stdout == "None True True\n", ended.stderr


def test_wait_has_a_limit_and_the_call_goes_on() -> None:
    go_on = bridge.call(_make_event)
    pending = bridge.submit(go_on.wait)
    assert not pending.wait(0.01)
    bridge.get_bridge().portal.call(go_on.set)
    assert pending.wait(60) and pending.wait(0) and pending.error is None
    assert pending.result() is None


async def _make_event() -> anyio.Event:
    return anyio.Event()


def test_cancelled_call_ends_soon_and_says_so() -> None:
    pending = bridge.submit(anyio.sleep, 1000)
    began = time.monotonic()
    pending.cancel()
    with pytest.raises(CancelledError):
        pending.result()
    assert time.monotonic() - began < 100
    pending.cancel()


def test_error_of_the_call_is_raised_to_who_waits() -> None:
    async def fail() -> None:
        raise LookupError("why")

    pending = bridge.submit(fail)
    for _ in range(2):
        with pytest.raises(LookupError, match="why"):
            pending.result()
    assert isinstance(pending.error, LookupError)


def test_call_from_the_loop_s_own_thread_is_refused() -> None:
    async def wait_for_itself() -> None:
        bridge.call(anyio.sleep, 0)

    with pytest.raises(RuntimeError, match="wait for itself"):
        bridge.call(wait_for_itself)
