"""IPython's side: rich output, magics, shell commands, questions about code, comms, progress helpers."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from hopx_kernel.protocol import Message

from .client import HoldGil, RunnerClient


def test_rich_result_has_all_its_forms(runner: RunnerClient) -> None:
    (result,) = runner.run("from IPython.display import HTML\nHTML('<b>x</b>')").of("execute_result")
    assert result["data"]["text/html"] == "<b>x</b>"
    assert "text/plain" in result["data"]


def test_display_and_its_update(runner: RunnerClient) -> None:
    result = runner.run("h = display('a', display_id='me')\nh.update('b')")
    assert result.of("display_data")[0]["transient"] == {"display_id": "me"}
    assert result.of("update_display_data")[0]["data"]["text/plain"] == "'b'"


def test_clear_output_is_an_event(runner: RunnerClient) -> None:
    result = runner.run("from IPython.display import clear_output\nprint(1)\nclear_output(wait=True)\nprint(2)")
    assert [event.msg_type for event in result.events] == ["stream", "clear_output", "stream", "execute_reply"]
    assert result.of("clear_output") == [{"wait": True}]


def test_image_bytes_are_base64(runner: RunnerClient) -> None:
    code = "from IPython.display import Image\nImage(data=b'\\x89PNG\\r\\n\\x1a\\nxyz', format='png')"
    data = runner.run(code).of("execute_result")[0]["data"]["image/png"]
    assert base64.b64decode(data) == b"\x89PNG\r\n\x1a\nxyz"


def test_display_of_what_json_does_not_know_is_shown(runner: RunnerClient) -> None:
    code = "display({'application/json': {'x': float('nan'), 'y': {1, 2}, 'z': object()}}, raw=True)"
    (shown,) = runner.run(code).of("display_data")
    assert shown["data"]["application/json"]["x"] == "nan"


def test_broken_repr_is_an_error_and_kept(runner: RunnerClient) -> None:
    result = runner.run("class A:\n    def __repr__(self): raise ValueError('broken')\nA()")
    assert "broken" in result.text + str(result.of("error"))
    assert runner.run("1").value == "1"


def test_matplotlib_is_inline(runner: RunnerClient) -> None:
    result = runner.run("import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])", timeout=180)
    assert result.of("display_data")[0]["data"]["image/png"].startswith("iVBOR")


def test_shell_command_shows_output_and_exit_code(runner: RunnerClient) -> None:
    result = runner.run("!echo out; echo err >&2; exit 3")
    assert result.text == "out\nerr\n"
    assert runner.run("_exit_code").value == "3"


def test_shell_command_is_shown_while_it_runs(runner: RunnerClient) -> None:
    msg_id = runner.request("execute_request", code="!python3 -c \"import time; print('first'); time.sleep(60)\"")
    runner.wait_text(msg_id, "first\n")
    runner.request("interrupt_request")
    assert runner.finish(msg_id).error["ename"] == "KeyboardInterrupt"


def test_shell_command_gives_lines(runner: RunnerClient) -> None:
    assert runner.run("x = !echo a; echo b\nlist(x)").value == "['a', 'b']"


def test_bash_magic_shows_both_streams(runner: RunnerClient) -> None:
    result = runner.run("%%bash\necho out\necho err >&2")
    assert (result.stream("stdout"), result.stream("stderr")) == ("out\n", "err\n")


def test_help_is_a_payload(runner: RunnerClient) -> None:
    (payload,) = runner.run("len?").reply["payload"]
    assert payload["source"] == "page"
    assert "number of items" in payload["data"]["text/plain"]


def test_set_next_input_is_a_payload(runner: RunnerClient) -> None:
    (payload,) = runner.run("get_ipython().set_next_input('abc')").reply["payload"]
    assert (payload["source"], payload["text"], payload["replace"]) == ("set_next_input", "abc", False)


def test_exit_is_a_payload(runner: RunnerClient) -> None:
    (payload,) = runner.run("exit").reply["payload"]
    assert payload["source"] == "ask_exit"


@pytest.mark.parametrize(
    "code", ["%timeit -n1 -r1 pass", "%time 1", "%who", "%pwd", "%history", "%lsmagic", "%env", "%gui asyncio"]
)
def test_magics_work(runner: RunnerClient, code: str) -> None:
    assert runner.run(code).reply["status"] == "ok"


def test_file_is_shown_in_the_pager(runner: RunnerClient) -> None:
    runner.run("open('told.py', 'w').write('x = 1')")
    for magic in ("less", "more"):
        (payload,) = runner.run(f"%{magic} told.py").reply["payload"]
        assert payload["source"] == "page" and "x" in payload["data"]["text/plain"]


@pytest.mark.parametrize("code", ["%less", "%no_such_magic", "%%timeit --no-such-option\n1"])
def test_wrong_use_of_a_magic_is_shown_once_as_ipython_does(runner: RunnerClient, code: str) -> None:
    result = runner.run(code)
    assert result.reply["ename"] == "UsageError" and result.reply["evalue"]
    assert result.reply["traceback"] == [f"UsageError: {result.reply['evalue']}"]
    assert result.stream("stderr") == f"UsageError: {result.reply['evalue']}\n"
    assert result.of("error") == []


def test_clear_magic_clears_the_output(runner: RunnerClient) -> None:
    assert runner.run("print('a')\n%clear").of("clear_output") == [{"wait": False}]


@pytest.mark.parametrize(("code", "said"), [("%edit told.py", "%load"), ("%store x", "goes with it")])
def test_magic_that_no_sandbox_can_have_says_why(runner: RunnerClient, code: str, said: str) -> None:
    reply = runner.run(code).reply
    assert reply["ename"] == "UsageError" and said in reply["evalue"]


def test_completion_knows_objects(runner: RunnerClient) -> None:
    runner.run("value = []")
    reply = runner.ask("complete_request", code="x\nvalue.app", cursor_pos=11)
    assert "append" in reply["matches"] or ".append" in reply["matches"] or "value.append" in reply["matches"]
    start, end = reply["cursor_start"], reply["cursor_end"]
    assert "value.append" in ["x\nvalue.app"[:start][2:] + match for match in reply["matches"]]
    assert end == 11


@pytest.mark.parametrize("position", [-5, 0, 10**9])
def test_completion_at_odd_positions_is_answered(runner: RunnerClient, position: int) -> None:
    assert runner.ask("complete_request", code="imp", cursor_pos=position)["status"] == "ok"
    assert runner.ask("inspect_request", code="imp", cursor_pos=position)["status"] == "ok"


def test_questions_are_answered_while_a_cell_runs(runner: RunnerClient) -> None:
    msg_id = runner.request("execute_request", code="thing = 5\nprint('on')\nwhile True: pass")
    runner.wait_text(msg_id, "on\n")
    assert "thing" in runner.ask("complete_request", code="thin", cursor_pos=4)["matches"]
    assert runner.ask("inspect_request", code="thing", cursor_pos=5)["found"] is True
    assert runner.ask("is_complete_request", code="def f():")["status"] == "incomplete"
    assert runner.ask("comm_info_request")["status"] == "ok"
    assert not runner.result(msg_id).of("execute_reply")
    runner.request("interrupt_request")
    runner.finish(msg_id)


def test_question_is_answered_while_the_gil_is_held(runner: RunnerClient, hold_gil: HoldGil) -> None:
    msg_id = runner.request("execute_request", code=hold_gil.code)
    runner.wait_text(msg_id, "on\n")
    assert runner.ask("complete_request", code="imp", cursor_pos=3)["matches"] == []
    assert not runner.result(msg_id).of("execute_reply")
    hold_gil.release()
    assert runner.finish(msg_id).reply["status"] == "ok"


def test_inspection_shows_the_docstring(runner: RunnerClient) -> None:
    runner.run("def f(a, b=2):\n    'Says hello.'")
    reply = runner.ask("inspect_request", code="f(", cursor_pos=2)
    assert "Says hello." in reply["data"]["text/plain"]
    assert "Source:" in runner.ask("inspect_request", code="f", cursor_pos=1, detail_level=1)["data"]["text/plain"]


@pytest.mark.parametrize(
    ("code", "status"), [("1 + 1", "complete"), ("for i in x:", "incomplete"), ("x = = 1", "invalid")]
)
def test_is_complete_knows(runner: RunnerClient, code: str, status: str) -> None:
    assert runner.ask("is_complete_request", code=code)["status"] == status


# ---------------------------------------------------------------------- comms

COMM = """
from comm import create_comm
log = []
c = create_comm(target_name='t', data={'a': 1}, metadata={'m': 2}, buffers=[b'\\x00\\xff'])
@c.on_msg
def _(msg):
    print('got', msg['content']['data'], [bytes(b) for b in msg['buffers']])
    c.send({'answer': msg['content']['data']}, buffers=[bytes(b)[::-1] for b in msg['buffers']])
"""


def send_comm(
    runner: RunnerClient, msg_type: str, msg_id: str, buffers: tuple[bytes, ...] = (), **content: Any
) -> None:
    runner.send(Message(msg_type, content, msg_id=msg_id, buffers=buffers))


def test_comm_goes_both_ways_with_buffers(runner: RunnerClient) -> None:
    runner.run(COMM)
    opened = next(event for event in runner.events if event.msg_type == "comm_open")
    assert opened.content["target_name"] == "t"
    assert opened.content["data"] == {"a": 1}
    assert opened.metadata == {"m": 2}
    assert opened.buffers == (b"\x00\xff",)
    comm_id = opened.content["comm_id"]
    send_comm(runner, "comm_msg", "comm-1", (b"abc",), comm_id=comm_id, data={"x": 1})
    answer = runner.wait_for(lambda event: event.msg_type == "comm_msg")
    assert answer.content["data"] == {"answer": {"x": 1}}
    assert answer.buffers == (b"cba",)
    assert answer.parent_id == "comm-1"
    assert runner.result("comm-1").text == "got {'x': 1} [b'abc']\n"
    assert runner.ask("comm_info_request")["comms"] == {comm_id: {"target_name": "t"}}
    assert runner.ask("comm_info_request", target_name="other")["comms"] == {}


def test_comm_is_taken_while_a_cell_awaits(runner: RunnerClient) -> None:
    runner.run(COMM)
    comm_id = next(event for event in runner.events if event.msg_type == "comm_open").content["comm_id"]
    msg_id = runner.request("execute_request", code="import asyncio\nprint('on')\nawait asyncio.sleep(60)")
    runner.wait_text(msg_id, "on\n")
    send_comm(runner, "comm_msg", "comm-1", comm_id=comm_id, data={})
    assert runner.wait_for(lambda event: event.msg_type == "comm_msg").parent_id == "comm-1"
    # An interrupt before this would hit the callback.
    runner.wait_for(lambda event: event.msg_type == "status" and event.parent_id == "comm-1")
    runner.request("interrupt_request")
    assert runner.finish(msg_id).text == "on\n"


def test_comm_messages_and_cells_keep_their_order(runner: RunnerClient) -> None:
    runner.run(COMM + "\nseen = []\nc.on_msg(lambda msg: seen.append(msg['content']['data']['i']))")
    comm_id = next(event for event in runner.events if event.msg_type == "comm_open").content["comm_id"]
    for i in range(200):
        send_comm(runner, "comm_msg", f"comm-{i}", comm_id=comm_id, data={"i": i})
    assert runner.run("seen == list(range(200))").value == "True"


def test_target_opened_by_the_host_is_called(runner: RunnerClient) -> None:
    runner.run(
        "from comm import get_comm_manager\nget_comm_manager().register_target('mine', lambda c, msg: c.send({'hi': msg['content']['data']}))"
    )
    send_comm(runner, "comm_open", "o-1", comm_id="abc", target_name="mine", data={"q": 1})
    answer = runner.wait_for(lambda event: event.msg_type == "comm_msg")
    assert (answer.content["comm_id"], answer.content["data"]) == ("abc", {"hi": {"q": 1}})
    send_comm(runner, "comm_close", "o-2", comm_id="abc", data={})
    assert runner.ask("comm_info_request")["comms"] == {}


def test_unknown_target_is_closed(runner: RunnerClient) -> None:
    send_comm(runner, "comm_open", "o-1", comm_id="abc", target_name="nobody", data={})
    assert runner.wait_for(lambda event: event.msg_type == "comm_close").content["comm_id"] == "abc"
    send_comm(runner, "comm_msg", "o-2", comm_id="abc", data={})
    assert runner.run("1").value == "1"


def test_interrupt_stops_a_comm_callback(runner: RunnerClient) -> None:
    runner.run(COMM + "\ndef hang(msg):\n    print('on', flush=True)\n    while True: pass\nc.on_msg(hang)")
    comm_id = next(event for event in runner.events if event.msg_type == "comm_open").content["comm_id"]
    send_comm(runner, "comm_msg", "comm-1", comm_id=comm_id, data={})
    runner.wait_text("comm-1", "on\n")
    assert runner.ask("interrupt_request")["stopped"] is True
    assert runner.run("1 + 1").value == "2"
    assert runner.result("comm-1").error["ename"] == "KeyboardInterrupt"


def test_widgets_state_and_output_work(runner: RunnerClient) -> None:
    msg_id = runner.request(
        "execute_request",
        code="import ipywidgets as w\ns = w.IntSlider(description='n')\no = w.Output()\n"
        "s.observe(lambda change: print('now', change['new']), 'value')\nwith o:\n    print('inside')\ns",
    )
    result = runner.finish(msg_id, 120)
    assert "application/vnd.jupyter.widget-view+json" in result.of("execute_result")[0]["data"]
    updates = [e.content["data"]["state"] for e in result.events if e.msg_type == "comm_msg"]
    assert [state["msg_id"] for state in updates if "msg_id" in state] == [msg_id, ""]
    kinds = [e.msg_type for e in result.events if e.msg_type in ("stream", "comm_msg")]
    assert kinds.index("stream") == kinds.index("comm_msg") + 1
    opened = [e.content for e in result.events if e.msg_type == "comm_open"]
    slider = next(one for one in opened if one["data"]["state"].get("_model_name") == "IntSliderModel")
    data = {"method": "update", "state": {"value": 7}, "buffer_paths": []}
    send_comm(runner, "comm_msg", "slide", comm_id=slider["comm_id"], data=data)
    runner.wait_text("slide", "now 7\n")
    assert runner.run("s.value").value == "7"


# ---------------------------------------------------------------------- progress helpers


def test_progress_result_and_error_are_events(runner: RunnerClient) -> None:
    result = runner.run(
        "progress('Loading', 40, {'x': 1})\nresult({'a': 1})\nerror('oh')\nfrom hopx_progress import track"
    )
    (progress,) = result.of("progress")
    assert (progress["message"], progress["percent"], progress["data"]) == ("Loading", 40, {"x": 1})
    assert result.of("result") == [{"data": {"a": 1}}]
    assert result.of("alert") == [{"message": "oh"}]
    assert result.text == ""


def test_variables_named_like_the_helpers_harm_nothing(runner: RunnerClient) -> None:
    assert runner.run("result = 5\nresult").value == "5"
    assert runner.run("del result\nresult(1)").of("result") == [{"data": 1}]


@pytest.mark.parametrize("arguments", ["'x', 'abc'", "'x', float('nan')", "'x', 1, object()", "'x' * 1_000_000"])
def test_odd_progress_never_raises(runner: RunnerClient, arguments: str) -> None:
    result = runner.run(f"progress({arguments})")
    assert result.reply["status"] == "ok"
    assert len(result.of("progress")) == 1
