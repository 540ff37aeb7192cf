"""Stops beside code of no cell, signals that code has blocked, clocks that were put back, answers that do not fit."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from hopx_kernel.kernel.arrivals import Arrivals

from .client import PATIENT, TIMEOUT, Kernel, Message
from .test_stops import answers, message, press

#: Tells of its run, and runs until it is interrupted, in whatever it is called by.
BUSY = """
import time
def busy(*args):
    print('in the way', flush=True)
    time.sleep(3600)
"""

CALLBACK = "from comm import create_comm; channel = create_comm('any'); channel.on_msg(busy); print(channel.comm_id)"

TASK = """
import asyncio
async def later():
    await asyncio.sleep(0)
    busy()
task = asyncio.get_running_loop().create_task(later())
"""

NAMES = "class Slow:\n    __dir__ = busy\n    __getattr__ = busy\nslow = Slow()"


@pytest.fixture(scope="module")
def kernel(jupyter_environment: dict[str, str]) -> Iterator[Kernel]:
    """A kernel that gives code time to stop."""
    with Kernel(PATIENT) as kernel:
        kernel.run(BUSY)
        yield kernel


def stop_behind(kernel: Kernel) -> None:
    """Stop a cell that waits for code of no cell: both end, and the next cell runs."""
    behind = kernel.send("print('never')")
    kernel.wait_for_arrival()
    assert kernel.interrupt()["stopped"] is True
    outcome = kernel.collect(behind)
    assert outcome.error["ename"] == "KeyboardInterrupt" and outcome.text() == ""
    assert kernel.run("1 + 1").result == "2"


def test_stop_of_a_cell_behind_a_callback_ends_both(kernel: Kernel) -> None:
    channel = kernel.run(CALLBACK).text().strip()
    for _ in range(3):
        callback = kernel.request("comm_msg", {"comm_id": channel, "data": {}})
        kernel.wait_for_text(callback, "in the way")
        stop_behind(kernel)


def test_stop_of_a_cell_behind_a_task_of_another_ends_both(kernel: Kernel) -> None:
    for _ in range(3):
        started = kernel.run(TASK)
        if "in the way" not in started.text():
            kernel.wait_for_text(started.reply["parent_header"]["msg_id"], "in the way")
        stop_behind(kernel)


@pytest.mark.parametrize("msg_type", ["complete_request", "inspect_request"])
def test_stop_of_a_cell_behind_a_question_ends_both(kernel: Kernel, msg_type: str) -> None:
    for _ in range(3):
        kernel.run(NAMES)
        question = kernel.request(msg_type, {"code": "slow.name", "cursor_pos": 9})
        kernel.wait_for_arrival()
        stop_behind(kernel)
        assert kernel.reply(question)["content"]["status"] == "ok"


def test_stops_of_a_cell_reach_a_callback_that_catches_them_one_by_one(kernel: Kernel) -> None:
    kernel.run(
        "def busy(*args):\n    for number in range(4):\n"
        "        try: print('in the way', number, flush=True); time.sleep(3600)\n"
        "        except KeyboardInterrupt: pass"
    )
    channel = kernel.run(CALLBACK).text().strip()
    callback = kernel.request("comm_msg", {"comm_id": channel, "data": {}})
    kernel.wait_for_text(callback, "in the way 0\n")
    behind = kernel.send("print('never')")
    kernel.wait_for_arrival()
    requests = press(kernel)
    for number in range(1, 4):
        kernel.wait_for_text(callback, f"in the way {number}\n")
        requests += press(kernel)
    assert kernel.collect(behind).error["ename"] == "KeyboardInterrupt"
    assert [answer["stopped"] for answer in answers(kernel, requests)] == [True] * 4
    kernel.run(BUSY)


def test_code_that_leaves_the_signal_blocked_keeps_no_stop_from_the_next_cell(kernel: Kernel) -> None:
    blocks = kernel.send(
        "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\nprint('blocked')\n"
        "while signal.SIGINT not in signal.sigpending(): time.sleep(0.01)"
    )
    kernel.wait_for_text(blocks, "blocked\n")
    requests = press(kernel)
    kernel.collect(blocks)
    answers(kernel, requests)
    # What was held back is for no other.
    assert kernel.run("import time; time.sleep(1.5); 1 + 1").result == "2"
    run = kernel.send("print('on'); time.sleep(3600)")
    kernel.wait_for_text(run, "on\n")
    assert kernel.interrupt()["stopped"] is True
    assert kernel.collect(run).content["ename"] == "KeyboardInterrupt"


def test_clock_that_was_put_back_keeps_no_stop_from_its_cell() -> None:
    arrivals = Arrivals()
    cell = message("cell")
    cell.message["header"]["date"] = "2030-01-01T01:00:00Z"
    arrivals.arrive(cell)
    arrivals.bind(message("stop"))
    assert arrivals.take_target("stop") == "cell"


def test_stop_that_its_client_counts_after_the_cell_is_not_too_late() -> None:
    arrivals = Arrivals()
    arrivals.arrive(message("client_7_9", second=2))
    arrivals.bind(message("client_7_10", second=1))
    assert arrivals.take_target("client_7_10") == "client_7_9"
    arrivals.bind(message("client_7_8", second=1))
    assert arrivals.take_target("client_7_8") is None


def test_answer_that_is_too_large_is_told_and_asked_for_again(kernel: Kernel) -> None:
    run = kernel.send("print(len(input('? ')))", allow_stdin=True)
    kernel.question()
    kernel.client.input("x" * (130 << 20))
    assert kernel.question()["content"]["prompt"] == "? "
    kernel.client.input("four")
    outcome = kernel.collect(run, timeout=2 * TIMEOUT)
    assert outcome.text() == "4\n" and "could not be given" in outcome.text("stderr")


def test_stop_is_not_behind_what_was_cleared_again(jupyter_environment: dict[str, str]) -> None:
    """Behind a server's limits thousands of these wait, and Stop leaves out the text between them."""
    code = "from IPython.display import clear_output\nwhile True: clear_output(wait=True); print('on')"
    seen = 0

    def are_many(message: Message) -> bool:
        nonlocal seen
        seen += message["msg_type"] == "clear_output"
        return seen == 2000

    with Kernel(PATIENT, "--HopxConfig.server_limits=on") as kernel:
        run = kernel.send(code)
        kernel.collect(run, are_many, timeout=3 * TIMEOUT)
        assert kernel.interrupt()["stopped"] is True
        types = kernel.collect(run, timeout=3 * TIMEOUT).types
        pairs = set(itertools.pairwise(types))
        assert ("clear_output", "clear_output") not in pairs and types[-1] == "idle"
        assert kernel.run("1 + 1").result == "2"
