"""``execute_request`` from outside: the order of messages, its options, and a queue of cells."""

from __future__ import annotations

import pytest

from .client import TIMEOUT, UNTIL_INTERRUPTED, Kernel


def test_messages_come_in_the_spec_s_order(kernel: Kernel) -> None:
    outcome = kernel.run("print('a'); 6 * 7")
    assert outcome.types == ["busy", "execute_input", "stream", "execute_result", "idle"]
    assert outcome.content["status"] == "ok"
    assert outcome.content["execution_count"] == outcome.contents("execute_input")[0]["execution_count"]
    assert outcome.contents("execute_result")[0]["execution_count"] == outcome.content["execution_count"]
    assert outcome.content["payload"] == [] and outcome.content["user_expressions"] == {}


def test_execution_counts_rise_by_one(kernel: Kernel) -> None:
    first, second = (kernel.run("0").content["execution_count"] for _ in range(2))
    assert second == first + 1


def test_silent_shows_no_input_and_counts_nothing(kernel: Kernel) -> None:
    before = kernel.run("0").content["execution_count"]
    outcome = kernel.run("silent_value = 5", silent=True)
    assert outcome.types == ["busy", "idle"]
    assert kernel.run("silent_value").result == "5"
    assert kernel.run("0").content["execution_count"] == before + 2


def test_silent_sends_no_result_but_what_is_printed(kernel: Kernel) -> None:
    assert kernel.run("print('shown'); 1", silent=True).types == ["busy", "stream", "idle"]


def test_without_store_history_the_count_stays(kernel: Kernel) -> None:
    before = kernel.run("0").content["execution_count"]
    outcome = kernel.run("1", store_history=False)
    assert outcome.content["execution_count"] == before
    assert kernel.run("0").content["execution_count"] == before + 1


def test_user_expressions_are_evaluated_after_the_code(kernel: Kernel) -> None:
    outcome = kernel.run("v = 3", user_expressions={"twice": "v * 2", "bad": "v / 0"})
    expressions = outcome.content["user_expressions"]
    assert expressions["twice"]["data"]["text/plain"] == "6"
    assert expressions["bad"]["status"] == "error" and expressions["bad"]["ename"] == "ZeroDivisionError"


def test_error_names_the_exception_and_its_line(kernel: Kernel) -> None:
    outcome = kernel.run("x = 1\n\nx / 0")
    assert outcome.types == ["busy", "execute_input", "error", "idle"]
    assert outcome.error["ename"] == "ZeroDivisionError" and outcome.error["evalue"] == "division by zero"
    assert "3" in "".join(outcome.error["traceback"])
    assert outcome.content["status"] == "error" and outcome.content["ename"] == "ZeroDivisionError"


def let_fail(kernel: Kernel) -> None:
    """Let a cell go on that asks before it fails, once the cells behind it wait."""
    kernel.question()
    kernel.wait_for_arrival()
    kernel.client.input("")


def test_queued_cells_are_aborted_after_an_error(kernel: Kernel) -> None:
    ids = [kernel.send("input(); 1/0", allow_stdin=True), *(kernel.send(f"aborted_{i} = 1") for i in range(3))]
    let_fail(kernel)
    outcomes = [kernel.collect(msg_id) for msg_id in ids]
    assert [outcome.content["status"] for outcome in outcomes] == ["error", "aborted", "aborted", "aborted"]
    assert all(outcome.types == ["busy", "idle"] for outcome in outcomes[1:])
    assert kernel.run("'aborted_0' in globals()").result == "False"


def test_queued_cells_run_when_stop_on_error_is_off(kernel: Kernel) -> None:
    ids = [kernel.send("input(); 1/0", allow_stdin=True, stop_on_error=False), kernel.send("'ran'")]
    let_fail(kernel)
    outcomes = [kernel.collect(msg_id) for msg_id in ids]
    assert outcomes[0].content["status"] == "error"
    assert outcomes[1].result == "'ran'"


def test_cell_sent_after_an_error_s_reply_runs(kernel: Kernel) -> None:
    for _ in range(10):
        kernel.reply(kernel.send("1/0"))
        assert kernel.run("5").content["status"] == "ok"


def test_display_update_and_clear_pass_in_order(kernel: Kernel) -> None:
    code = (
        "from IPython.display import display, clear_output\n"
        "h = display('one', display_id='d1')\n"
        "h.update('two')\n"
        "clear_output(wait=True)\n"
        "print('after')"
    )
    outcome = kernel.run(code)
    assert outcome.types[2:-1] == ["display_data", "update_display_data", "clear_output", "stream"]
    assert outcome.contents("display_data")[0]["transient"] == {"display_id": "d1"}
    assert outcome.contents("update_display_data")[0]["data"]["text/plain"] == "'two'"
    assert outcome.contents("clear_output")[0] == {"wait": True}


def test_name_of_a_display_is_a_name(kernel: Kernel) -> None:
    outcome = kernel.run(
        "for name in ({'a': 1}, [1], None, 'd2', 7):\n"
        "    get_ipython().display_pub.publish({'text/plain': 'x'}, transient={'display_id': name, 'more': 1})"
    )
    shown = [content["transient"] for content in outcome.contents("display_data")]
    assert shown == [{}, {}, {}, {"display_id": "d2"}, {"display_id": 7}]


def test_completion_and_inspection_are_answered_during_a_run(kernel: Kernel) -> None:
    kernel.run("some_variable = 1")
    run = kernel.send(UNTIL_INTERRUPTED)
    kernel.wait_for_text(run, "started\n")
    complete = kernel.reply(kernel.request("complete_request", {"code": "some_var", "cursor_pos": 8}))
    assert "some_variable" in complete["content"]["matches"]
    inspect = kernel.reply(kernel.request("inspect_request", {"code": "len", "cursor_pos": 3}))
    assert inspect["content"]["found"] is True
    is_complete = kernel.reply(kernel.request("is_complete_request", {"code": "for x in y:"}))
    assert is_complete["content"]["status"] == "incomplete"
    info = kernel.reply(kernel.request("comm_info_request", {}))
    assert info["content"] == {"status": "ok", "comms": {}}
    kernel.interrupt()
    rest = kernel.collect(run)
    assert rest.text() == "done\n"
    assert rest.types[-1] == "idle"


def test_kernel_says_busy_again_after_it_answered_something_else_during_a_run(kernel: Kernel) -> None:
    run = kernel.send("print('started'); answer = input()", allow_stdin=True)
    kernel.wait_for_text(run, "started\n")
    kernel.question()
    kernel.reply(kernel.request("complete_request", {"code": "prin", "cursor_pos": 4}))
    kernel.client.input("")
    rest = kernel.collect(run)
    assert rest.types == ["busy", "idle"]


def test_late_output_of_a_thread_goes_to_its_cell(kernel: Kernel) -> None:
    code = (
        "import threading, time\n"
        "def late():\n    gate.wait(); print('late'); time.sleep(0.2); print('later')\n"
        "gate = threading.Event(); threading.Thread(target=late).start()"
    )
    first = kernel.send(code)
    assert kernel.collect(first).text() == ""
    second = kernel.run("gate.set(); time.sleep(0.5); print('second')")
    assert second.text() == "second\n"
    late = kernel.wait_for_text(first, "later")
    assert late.text() == "late\nlater\n"


def test_late_output_of_a_task_goes_to_its_cell(kernel: Kernel) -> None:
    code = (
        "import asyncio\n"
        "async def late():\n    await gate.wait(); await asyncio.sleep(0.1); print('from the task')\n"
        "gate = asyncio.Event(); task = asyncio.create_task(late())\n"
        "await asyncio.sleep(0)"
    )
    first = kernel.send(code)
    assert kernel.collect(first).text() == ""
    assert kernel.run("gate.set()").text() == ""
    kernel.wait_for_text(first, "from the task")


def test_two_clients_see_the_same_run(kernel: Kernel) -> None:
    other = kernel.manager.blocking_client()
    other.start_channels()
    try:
        other.wait_for_ready(timeout=TIMEOUT)
        msg_id = kernel.send("print('for both')")
        seen: list[str] = []
        while not seen or seen[-1] != "idle":
            message = other.get_iopub_msg(timeout=TIMEOUT)
            if message["parent_header"].get("msg_id") == msg_id:
                seen.append(message["content"].get("execution_state", message["msg_type"]))
        assert list(dict.fromkeys(seen)) == ["busy", "execute_input", "stream", "idle"]
        kernel.collect(msg_id)
    finally:
        other.stop_channels()


@pytest.mark.parametrize("code", ["%time 1", "!echo shell", "%%bash\necho bash"])
def test_magics_work(kernel: Kernel, code: str) -> None:
    assert kernel.run(code).content["status"] == "ok"


def test_pager_sends_a_payload(kernel: Kernel) -> None:
    (payload,) = kernel.run("print?").content["payload"]
    assert payload["source"] == "page" and "Prints the values" in payload["data"]["text/plain"]
