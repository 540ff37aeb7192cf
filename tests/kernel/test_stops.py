"""Stops hit the cell that they were pressed for, losses are told to who counts on what is lost, silence ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from hopx_kernel.kernel.arrivals import Arrivals
from hopx_kernel.kernel.requests import Request

from .client import PATIENT, TIMEOUT, Kernel, Message, kill_all
from .test_flow import stuck_client
from .test_life import sandbox_processes

CATCHES_SIX = """
import time
caught = 0
while caught < 6:
    try:
        print('on', caught)
        while True: time.sleep(60)
    except KeyboardInterrupt: caught += 1
caught
"""


@pytest.fixture(scope="module")
def kernel(jupyter_environment: dict[str, str]) -> Iterator[Kernel]:
    """A kernel that gives code time to stop."""
    with Kernel(PATIENT) as kernel:
        yield kernel


def press(kernel: Kernel, count: int = 1) -> list[str]:
    """Press Stop, without waiting for anything; gives the requests' ids."""
    messages = [kernel.client.session.msg("interrupt_request", {}) for _ in range(count)]
    for message in messages:
        kernel.client.control_channel.send(message)
    return [str(message["header"]["msg_id"]) for message in messages]


def answers(kernel: Kernel, requests: list[str]) -> list[Message]:
    """The answers to these requests on the control channel."""
    found: dict[str, Message] = {}
    while len(found) < len(requests):
        reply = kernel.client.get_control_msg(timeout=TIMEOUT)
        found[reply["parent_header"]["msg_id"]] = reply["content"]
    return [found[request] for request in requests]


def supervisor(kernel: Kernel) -> psutil.Process:
    """The runner's first process."""
    runners = [one for one in sandbox_processes(kernel) if any("runner.pyz" in word for word in one.cmdline())]
    (first,) = [one for one in runners if one.parent() not in runners]
    return first


def interpreter(kernel: Kernel) -> psutil.Process:
    (child,) = [one for one in supervisor(kernel).children() if one.status() != psutil.STATUS_ZOMBIE]
    return child


def test_six_stops_arrive_and_none_hits_the_next_cell(kernel: Kernel) -> None:
    run = kernel.send(CATCHES_SIX)
    following = [kernel.send(f"import time; time.sleep(0.05); {number}") for number in range(3)]
    requests = []
    for number in range(6):
        kernel.wait_for_text(run, f"on {number}\n")
        requests += press(kernel)
    assert kernel.collect(run).result == "6"
    assert [kernel.collect(follower).result for follower in following] == ["0", "1", "2"]
    assert {answer["status"] for answer in answers(kernel, requests)} == {"ok"}


def test_two_hundred_stops_are_all_answered_and_hit_no_cell_that_was_sent_later(kernel: Kernel) -> None:
    for _ in range(3):
        run = kernel.send("import time; print('on')\ntry: time.sleep(60)\nexcept KeyboardInterrupt: pass\n'caught'")
        kernel.wait_for_text(run, "on\n")
        requests = press(kernel, 200)
        later = [kernel.send(f"import time; time.sleep(0.02); {number}") for number in range(5)]
        outcome = kernel.collect(run)
        assert outcome.content["status"] == "error" or outcome.result == "'caught'"
        if outcome.content["status"] == "ok":
            assert [kernel.collect(one).result for one in later] == ["0", "1", "2", "3", "4"]
        else:
            assert {kernel.collect(one).content["status"] for one in later} <= {"aborted", "ok"}
        assert {answer["status"] for answer in answers(kernel, requests)} == {"ok"}
        assert kernel.run("1 + 1").result == "2"


def test_stop_that_comes_too_late_says_so(kernel: Kernel) -> None:
    stop = kernel.client.session.msg("interrupt_request", {})  # made before the cell
    time.sleep(0.01)
    run = kernel.send("import time; print('on'); time.sleep(1); 5")
    kernel.wait_for_text(run, "on\n")
    kernel.client.control_channel.send(stop)
    (answer,) = answers(kernel, [str(stop["header"]["msg_id"])])
    assert answer["too_late"] is True
    assert kernel.collect(run).result == "5"


def test_control_channel_is_answered_while_a_stop_waits(jupyter_environment: dict[str, str]) -> None:
    with Kernel(f"--HopxConfig.interrupt_grace_seconds={TIMEOUT * 10}") as kernel:
        run = kernel.send(
            "import time\nprint('on')\nwhile True:\n    try: time.sleep(60)\n    except BaseException: pass"
        )
        kernel.wait_for_text(run, "on\n")
        press(kernel, 3)
        assert kernel.control("kernel_info_request", {})["content"]["status"] == "ok"
        kernel.shut_down()


def test_nothing_comes_after_the_idle_of_an_interrupted_cell(kernel: Kernel) -> None:
    code = "import time\nfor i in track(range(1000)):\n    if not i: print('on')\n    time.sleep(0.01)"
    runs = []
    for _ in range(5):
        runs.append(kernel.send(code))
        kernel.wait_for_text(runs[-1], "on\n")
        requests = press(kernel, 3)
        outcome = kernel.collect(runs[-1])
        assert outcome.types[-1] == "idle"
        answers(kernel, requests)
    kernel.run("1")
    for run in runs:
        assert [message["msg_type"] for message in kernel._early.get(run, [])] == []


# ---------------------------------------------------------------------- what is lost is told


@pytest.mark.parametrize("delay", [0.0, 0.001, 0.003, 0.01])
def test_cell_that_was_sent_before_a_death_is_never_silently_in_a_fresh_interpreter(
    kernel: Kernel, delay: float
) -> None:
    for _ in range(4):
        kernel.run("x = 1")
        dies = f"import threading, os; threading.Timer({delay}, os.kill, (os.getpid(), 9)).start()"
        runs = [kernel.send(dies), *(kernel.send("'x' in globals()") for _ in range(4))]
        outcomes = [kernel.collect(run) for run in runs]
        statuses = [outcome.content["status"] for outcome in outcomes]
        is_told = False
        for outcome in outcomes:
            if outcome.content["status"] == "ok" and outcome is not outcomes[0]:
                # One that was sent after the error of another knows from that.
                assert outcome.result == ("False" if is_told else "True"), statuses
            if outcome.content["status"] == "error":
                assert not is_told and "ariables are lost" in outcome.content["evalue"], statuses
                is_told = True
        kernel.run("1")  # whatever is left of it is told here at the latest


def test_cell_after_a_death_that_was_seen_runs_and_is_told(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("x = 1")
    interpreter(fresh_kernel).kill()
    deadline = time.monotonic() + TIMEOUT
    # Before it has heard of that the kernel refuses, after that it tells.
    while (outcome := fresh_kernel.run("'x' in globals()")).content["status"] == "ok" and outcome.result == "True":
        assert time.monotonic() < deadline
    if outcome.content["status"] == "ok":
        assert "interpreter died" in outcome.text("stderr")
    else:
        assert "ariables are lost" in outcome.content["evalue"]
    after = fresh_kernel.run("'x' in globals()")
    assert after.result == "False" and after.text("stderr") == ""


def test_sandbox_that_dies_beside_somebody_who_does_not_read_is_told(fresh_kernel: Kernel) -> None:
    with stuck_client(fresh_kernel):
        run = fresh_kernel.send("from IPython.display import display\nwhile True: display('x' * 1000)")
        fresh_kernel.collect(run, lambda message: message["msg_type"] == "display_data")
        kill_all(sandbox_processes(fresh_kernel))
        assert fresh_kernel.reply(run)["content"]["ename"] == "SandboxLostError"
        assert fresh_kernel.interrupt()["status"] == "ok"
        assert fresh_kernel.run("1 + 1").result == "2"


# ---------------------------------------------------------------------- a supervisor that is stopped


#: Goes on once its supervisor has been stopped, however long that takes to come.
UNTIL_STOPPED = """
import os, time
x = 3; print('on')
while open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()[0] != 'T': time.sleep(0.01)
print('off')
"""


def stop_it(kernel: Kernel, run: str) -> psutil.Process:
    kernel.wait_for_text(run, "on\n")
    process = supervisor(kernel)
    process.suspend()
    return process


def test_stopped_supervisor_shows_and_is_a_loss_that_is_told(jupyter_environment: dict[str, str]) -> None:
    with Kernel("--HopxConfig.heartbeat_seconds=1") as kernel:
        run = kernel.send("print('on'); import time; time.sleep(3600)")
        stop_it(kernel, run)
        assert kernel.interrupt()["stopped"] is False
        assert kernel.control("kernel_info_request", {})["content"]["status"] == "ok"
        outcome = kernel.collect(run)
        assert "says nothing" in outcome.text("stderr")
        assert outcome.error["ename"] == "SandboxLostError" and "said nothing for" in outcome.error["evalue"]
        assert outcome.types[-1] == "idle"
        after = kernel.run("1 + 1")
        assert after.result == "2" and "fresh sandbox" in after.text("stderr")


def test_stopped_supervisor_that_goes_on_loses_nothing(jupyter_environment: dict[str, str]) -> None:
    with Kernel("--HopxConfig.heartbeat_seconds=1") as kernel:
        run = kernel.send(UNTIL_STOPPED)
        process = stop_it(kernel, run)
        kernel.wait_for_text(run, "says nothing")
        process.resume()
        outcome = kernel.collect(run)
        assert outcome.content["status"] == "ok" and "off\n" in outcome.text()
        assert kernel.run("x").result == "3"


def test_kernel_ends_beside_a_stopped_sandbox(jupyter_environment: dict[str, str]) -> None:
    with Kernel() as kernel:
        run = kernel.send("print('on'); import time; time.sleep(3600)")
        kernel.wait_for_text(run, "on\n")
        processes = sandbox_processes(kernel)
        for process in processes:
            process.suspend()
        kernel.shut_down()
        assert psutil.wait_procs(processes, timeout=TIMEOUT)[1] == []


# ---------------------------------------------------------------------- whom a Stop is for


def message(msg_id: str, *, session: str = "client", second: int = 0) -> Request:
    header = {"msg_id": msg_id, "msg_type": "x", "session": session, "date": f"2030-01-01T00:00:{second:02}Z"}
    return Request([], {"header": header, "content": {}})


@pytest.mark.parametrize(
    ("stop", "target"),
    [
        (message("stop", second=2), "cell"),
        (message("stop", second=0), None),
        (message("stop", session="server", second=0), "cell"),
    ],
    ids=["later", "earlier", "another-clock"],
)
def test_stop_is_for_the_cell_at_its_turn_unless_it_was_sent_before(stop: Request, target: str | None) -> None:
    arrivals = Arrivals()
    arrivals.arrive(message("cell", second=1))
    arrivals.arrive(message("next", second=2))
    arrivals.bind(stop)
    assert arrivals.take_target("stop") == target


def test_stop_of_a_cell_that_has_ended_meanwhile_is_too_late() -> None:
    arrivals = Arrivals()
    arrivals.arrive(message("cell"))
    arrivals.arrive(message("next"))
    arrivals.bind(message("stop", second=3))
    arrivals.end("cell")
    assert arrivals.take_target("stop") is None


def test_loss_refuses_who_came_before_and_tells_the_next() -> None:
    arrivals = Arrivals()
    arrivals.arrive(message("before"))
    arrivals.lose("InterpreterDied", "gone", lasts=True)
    arrivals.arrive(message("after"))
    loss, is_refused = arrivals.take_loss("before")
    assert loss is not None and is_refused
    loss, is_refused = arrivals.take_loss("after")
    assert loss is not None and not is_refused
    assert arrivals.take_loss("after") == (None, False)


def test_signal_to_the_kernel_itself_stops_the_cell_at_its_turn(kernel: Kernel) -> None:
    run = kernel.send("import time; print('on'); time.sleep(60)")
    kernel.wait_for_text(run, "on\n")
    os.kill(kernel.process.pid, signal.SIGINT)
    assert kernel.collect(run).content["ename"] == "KeyboardInterrupt"
