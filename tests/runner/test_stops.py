"""A Stop belongs to the run it was pressed for, a run to the interpreter it was meant for, and an end is told once."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from hopx_kernel.errors import LocalProtocolError
from hopx_kernel.protocol import MAX_MESSAGE_BYTES, Message
from hopx_kernel.protocol.frames import ENVELOPE_BYTES

from .client import RunnerClient

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


def interrupt_replies(runner: RunnerClient, requests: list[str]) -> list[dict[str, object]]:
    """The answers to these requests, as far as they are there or come."""
    answers: dict[str, dict[str, object]] = {}
    for event in runner.events:
        answers.update({event.parent_id: event.content} if event.parent_id in requests else {})
    while len(answers) < len(requests):
        event = runner.receive()
        answers.update({event.parent_id: event.content} if event.parent_id in requests else {})
    return [answers[request] for request in requests]


def test_each_stop_reaches_code_that_has_caught_the_one_before(runner: RunnerClient) -> None:
    msg_id = runner.request("execute_request", code=CATCHES_SIX)
    requests = []
    for number in range(6):
        runner.wait_text(msg_id, f"on {number}\n")
        requests.append(runner.request("interrupt_request", run_id=msg_id))
    assert runner.finish(msg_id).value == "6"
    assert {str(answer["stopped"]) for answer in interrupt_replies(runner, requests)} == {"True"}


def test_stops_in_a_hurry_reach_the_code_and_no_other(runner: RunnerClient) -> None:
    """A Stop may also hit this run beside its `try`, where nothing catches it: it ends, by a Stop of its own."""
    for _ in range(5):
        msg_id = runner.request("execute_request", code=CATCHES_SIX)
        runner.wait_text(msg_id, "on 0\n")
        requests = [runner.request("interrupt_request", run_id=msg_id) for _ in range(200)]
        following = [runner.request("execute_request", code="import time; time.sleep(0.01); 7") for _ in range(3)]
        for follower in following:
            runner.finish(follower)
            assert runner.result(follower).value == "7"
        stopped = runner.result(msg_id)
        assert stopped.of("execute_result") or stopped.error["ename"] == "KeyboardInterrupt"
        answers = interrupt_replies(runner, requests)
        assert any(answer["stopped"] and not answer.get("too_late") for answer in answers)


def test_stop_of_a_run_that_has_ended_is_too_late_and_says_so(runner: RunnerClient) -> None:
    first = runner.request("execute_request", code="1")
    runner.finish(first)
    second = runner.request("execute_request", code="import time; print('on'); time.sleep(0.3); 2")
    runner.wait_text(second, "on\n")
    answer = runner.ask("interrupt_request", run_id=first)
    assert answer == {"status": "ok", "stopped": True, "kept": True, "too_late": True}
    assert runner.finish(second).value == "2"


def test_stop_for_code_of_no_run_hits_no_run(runner: RunnerClient) -> None:
    msg_id = runner.request("execute_request", code="import time; print('on'); time.sleep(0.3); 2")
    runner.wait_text(msg_id, "on\n")
    assert runner.ask("interrupt_request", run_id="")["too_late"] is True
    assert runner.finish(msg_id).value == "2"


def test_stop_of_a_run_that_waits_for_its_turn_ends_that_one(runner: RunnerClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    code = f"print('on'); import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n1"
    first = runner.request("execute_request", code=code)
    second = runner.request("execute_request", code="2")
    runner.wait_text(first, "on\n")
    runner.request("interrupt_request", run_id=second)
    assert runner.finish(second).reply["reason"] == "interrupted"
    gate.touch()
    assert runner.finish(first).value == "1"


@pytest.mark.parametrize("way", ["os.kill(os.getpid(), signal.SIGINT)", "signal.raise_signal(signal.SIGINT)"])
def test_code_interrupts_itself(runner: RunnerClient, way: str) -> None:
    runner.run("import os, signal, time")
    for _ in range(3):
        assert runner.run(f"{way}; time.sleep(60)").error["ename"] == "KeyboardInterrupt"


def test_run_for_an_interpreter_that_is_gone_is_refused(runner: RunnerClient) -> None:
    generation = runner.run("import os; x = 1; os.getpid()")
    first = runner.request("execute_request", code="import os; os._exit(3)", generation=1)
    behind = runner.request("execute_request", code="print('ran')", generation=1)
    assert runner.finish(first).reply["reason"] == "died"
    reply = runner.finish(behind).reply
    assert (reply["ename"], reply["kept"]) == ("InterpreterDied", False)
    assert "variables are lost" in reply["evalue"]
    assert "ran" not in runner.result(behind).text
    again = runner.request("execute_request", code="'x' in globals()", generation=2)
    assert runner.finish(again).value == "False"
    assert generation.value


def test_death_between_two_runs_refuses_the_next(runner: RunnerClient) -> None:
    pid = int(runner.run("import os; os.getpid()").value)
    for number in range(1, 6):
        os.kill(pid, signal.SIGKILL)
        msg_id = runner.request("execute_request", code="print('ran')", generation=number)
        assert runner.finish(msg_id).reply["ename"] == "InterpreterDied"
        assert "ran" not in runner.result(msg_id).text
        pid = int(runner.run("import os; os.getpid()").value)


def test_death_after_an_error_is_told_beside_it(runner: RunnerClient) -> None:
    code = """
import os
from IPython import get_ipython
shell = get_ipython()
before = shell._showtraceback
def show(*args):
    before(*args)
    os.kill(os.getpid(), 9)
shell._showtraceback = show
1 / 0
"""
    result = runner.run(code)
    assert [error["ename"] for error in result.of("error")] == ["ZeroDivisionError"]
    assert (result.reply["ename"], result.reply["reason"], result.reply["kept"]) == ("ZeroDivisionError", "died", False)
    assert "interpreter died" in result.stream("stderr") and "SIGKILL" in result.stream("stderr")


def test_death_that_loses_nothing_says_nothing_of_it(runner: RunnerClient) -> None:
    for code in ("print('x'); import os; os._exit(1)", "print('x'); import os; os.kill(os.getpid(), 9)"):
        result = runner.run(code)
        assert result.stream("stdout") == "x\n"
        assert "may be missing" not in result.stream("stderr")


# ---------------------------------------------------------------------- messages at their bound


def test_request_of_nearly_the_bound_runs(runner: RunnerClient) -> None:
    envelope = len(b'{"msg_type":"execute_request","msg_id":"request-1","content":{"code":""}}')
    size = MAX_MESSAGE_BYTES - ENVELOPE_BYTES - envelope
    for over in (1, 9):
        with pytest.raises(LocalProtocolError, match=str(MAX_MESSAGE_BYTES)):
            runner.connection.send(Message("execute_request", {"code": "#" * (size + over)}, msg_id="request-1"))
    assert runner.run("#" * size).reply["status"] == "ok"


def test_event_of_nearly_the_bound_ends_in_an_error_and_the_runner_lives(runner: RunnerClient) -> None:
    code = (
        "from IPython.display import publish_display_data\ndef show(n): publish_display_data({'text/plain': 'x' * n})"
    )
    runner.run(code)
    for missing in (8, 900):
        result = runner.run(f"show({MAX_MESSAGE_BYTES - missing})")
        assert str(MAX_MESSAGE_BYTES) in result.error["evalue"]
    assert runner.run(f"show({MAX_MESSAGE_BYTES - 4 * ENVELOPE_BYTES})").reply["status"] == "ok"
    assert runner.run("1 + 1").value == "2"


def test_answer_that_is_too_large_is_an_error(runner: RunnerClient) -> None:
    runner.run("globals()['b' * 150_000_000] = 1")
    answer = runner.ask("complete_request", code="b", cursor_pos=1, own="variables")
    assert answer["status"] == "error" and str(MAX_MESSAGE_BYTES) in answer["evalue"]
    assert runner.run("1 + 1").value == "2"
    assert runner.ask("complete_request", code="a", cursor_pos=1)["status"] == "ok"
