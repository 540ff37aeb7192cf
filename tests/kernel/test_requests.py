"""Requests of every kind on every channel, right and wrong."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from .client import UNTIL_INTERRUPTED, Kernel

MALFORMED: dict[str, tuple[str, Any]] = {
    "execute without code": ("execute_request", {}),
    "execute with a number for code": ("execute_request", {"code": 5}),
    "execute with a text for silent": ("execute_request", {"code": "1", "silent": "yes"}),
    "execute with a list of expressions": ("execute_request", {"code": "1", "user_expressions": ["x"]}),
    "execute with a number as expression": ("execute_request", {"code": "1", "user_expressions": {"a": 1}}),
    "execute with a list as content": ("execute_request", ["code"]),
    "complete without code": ("complete_request", {"cursor_pos": 0}),
    "complete with a text as position": ("complete_request", {"code": "a", "cursor_pos": "0"}),
    "inspect without code": ("inspect_request", {}),
    "is_complete without code": ("is_complete_request", {}),
    "history of an unknown kind": ("history_request", {"hist_access_type": "sideways", "raw": True, "output": False}),
    "history without a kind": ("history_request", {"raw": True, "output": False}),
    "history with a text as number": ("history_request", {"hist_access_type": "tail", "n": "many"}),
    "history with a number that is too large": ("history_request", {"hist_access_type": "tail", "n": 10**30}),
    "comm_info with a number as target": ("comm_info_request", {"target_name": 5}),
    "unknown request": ("frobnicate_request", {"x": 1}),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_request_gets_an_error_reply(kernel: Kernel, name: str) -> None:
    msg_type, content = MALFORMED[name]
    outcome = kernel.collect(kernel.request(msg_type, content))
    assert outcome.reply["msg_type"] == msg_type.replace("_request", "_reply")
    assert outcome.content["status"] == "error"
    assert outcome.content["ename"] == "MalformedRequestError" and outcome.content["evalue"]
    assert outcome.types[0] == "busy" and outcome.types[-1] == "idle"
    assert kernel.run("1").result == "1"


@pytest.mark.parametrize("msg_type", ["comm_open", "comm_msg", "comm_close"])
def test_malformed_comm_message_is_survived(kernel: Kernel, msg_type: str) -> None:
    for content in ({}, {"comm_id": 5}, {"comm_id": "a", "data": "text"}, {"comm_id": "a", "target_name": 7}):
        assert kernel.collect(kernel.request(msg_type, content), with_reply=False).types == ["busy", "idle"]
    assert kernel.run("1").result == "1"


@pytest.mark.parametrize("content", [{}, {"subshell_id": 5}, {"subshell_id": "none"}])
def test_delete_of_an_unknown_subshell_is_an_error(kernel: Kernel, content: dict[str, Any]) -> None:
    assert kernel.control("delete_subshell_request", content)["content"]["status"] == "error"


@pytest.mark.parametrize("msg_type", ["debug_request", "frobnicate_request"])
def test_unknown_control_request_gets_an_error_reply(kernel: Kernel, msg_type: str) -> None:
    reply = kernel.control(msg_type, {"command": "attach"})
    assert reply["content"]["status"] == "error"
    assert reply["msg_type"] == msg_type.replace("_request", "_reply")


def send_bytes(kernel: Kernel, code: bytes) -> str:
    """Send a cell whose code no client would send; gives its msg_id."""
    session = kernel.client.session
    message = session.msg("execute_request", {"code": "CODE", "silent": False})
    frames = session.serialize(message)
    frames[-1] = frames[-1].replace(b"CODE", code)
    frames[1] = session.sign(frames[2:])
    kernel.client.shell_channel.socket.send_multipart(frames)
    return str(message["header"]["msg_id"])


def test_half_a_surrogate_pair_is_answered(kernel: Kernel) -> None:
    outcome = kernel.collect(send_bytes(kernel, b"x = '\\ud800'; x"))
    assert outcome.content["status"] in ("ok", "error")
    assert outcome.types[0] == "busy" and outcome.types[-1] == "idle"


def test_bytes_that_are_no_utf8_are_answered(kernel: Kernel) -> None:
    assert kernel.collect(send_bytes(kernel, b"x = 'a\xff\xfeb'; len(x)")).result == "4"


def nested(depth: int) -> bytes:
    return b'{"data": ' + b"[" * depth + b"]" * depth + b"}"


#: Contents that no handler can do with, each as bytes.
UNREADABLE = {
    "nested over the bound": nested(250),
    "nested as deep as a parser goes": nested(950),
    "nested without end": nested(200_000),
    "an object nested": b'{"a":' * 900 + b"1" + b"}" * 900,
    "a number of many digits": b'{"restart": ' + b"9" * 10_000 + b"}",
    "no JSON": b"{",
    "no UTF-8": b"\xff\xfe",
    "a list": b"[]",
}


def send_parts(kernel: Kernel, channel: Any, msg_type: str, **parts: bytes) -> str:
    """Send a signed message with some of its parts as they are; gives its msg_id."""
    session = kernel.client.session
    message = session.msg(msg_type, {})
    frames = session.serialize(message)
    for index, name in enumerate(("header", "parent", "metadata", "content"), start=2):
        frames[index] = parts.get(name, frames[index])
    frames[1] = session.sign(frames[2:])
    channel.socket.send_multipart(frames)
    return str(message["header"]["msg_id"])


@pytest.mark.parametrize("name", [name for name in UNREADABLE if name != "a list"])  # not all ask for a content
@pytest.mark.parametrize(
    "msg_type", ["interrupt_request", "shutdown_request", "create_subshell_request", "debug_request"]
)
def test_unreadable_control_request_gets_an_error_reply(kernel: Kernel, msg_type: str, name: str) -> None:
    msg_id = send_parts(kernel, kernel.client.control_channel, msg_type, content=UNREADABLE[name])
    while (reply := kernel.client.get_control_msg(timeout=60))["parent_header"].get("msg_id") != msg_id:
        pass
    assert reply["content"]["status"] == "error"
    assert reply["content"]["ename"] == "MalformedRequestError"
    assert kernel.run("1").result == "1"


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("msg_type", ["execute_request", "complete_request", "comm_open", "comm_msg"])
def test_unreadable_shell_message_is_survived(kernel: Kernel, msg_type: str, name: str) -> None:
    is_request = msg_type.endswith("_request")
    msg_id = send_parts(kernel, kernel.client.shell_channel, msg_type, content=UNREADABLE[name])
    outcome = kernel.collect(msg_id, with_reply=is_request)
    assert not is_request or outcome.content["status"] == "error"
    assert outcome.types[0] == "busy" and outcome.types[-1] == "idle"
    assert kernel.run("1").result == "1"


#: Headers that nobody can be answered by.
HEADERS = {
    "nested": b'{"msg_id": "a", "msg_type": "kernel_info_request", "session": ' + b"[" * 900 + b"]" * 900 + b"}",
    "nested id": b'{"msg_id": [[]], "msg_type": "kernel_info_request"}',
    "number as type": b'{"msg_id": "a", "msg_type": 5}',
    "list as subshell": b'{"msg_id": "a", "msg_type": "kernel_info_request", "subshell_id": []}',
    "of megabytes": b'{"msg_id": "' + b"a" * (1 << 20) + b'", "msg_type": "kernel_info_request"}',
    "no object": b"[]",
    "no JSON": b"{",
}


@pytest.mark.parametrize("name", HEADERS)
def test_unreadable_header_is_thrown_away(kernel: Kernel, name: str) -> None:
    for channel in (kernel.client.control_channel, kernel.client.shell_channel, kernel.client.stdin_channel):
        send_parts(kernel, channel, "kernel_info_request", header=HEADERS[name])
    assert kernel.control("kernel_info_request", {})["content"]["status"] == "ok"
    assert kernel.run("1").result == "1"


@pytest.mark.parametrize("name", ["parent", "metadata"])
def test_unreadable_parent_and_metadata_count_as_empty(kernel: Kernel, name: str) -> None:
    for part in (nested(950), b"[]", b"5", b"{"):
        parts = {name: part, "content": b'{"code": "6 * 7"}'}
        msg_id = send_parts(kernel, kernel.client.shell_channel, "execute_request", **parts)
        assert kernel.collect(msg_id).result == "42"


def test_message_of_very_many_frames_is_thrown_away(kernel: Kernel) -> None:
    session = kernel.client.session
    frames = session.serialize(session.msg("kernel_info_request", {}))
    for channel in (kernel.client.control_channel, kernel.client.shell_channel):
        channel.socket.send_multipart([*frames, *[b""] * 20_000])
    assert kernel.control("kernel_info_request", {})["content"]["status"] == "ok"
    assert kernel.run("1").result == "1"


def test_display_that_is_nested_too_deep_is_an_error_of_its_cell(kernel: Kernel) -> None:
    cell = (
        "from IPython.display import display\n"
        "value = []\nfor _ in range({}): value = [value]\n"
        "display({{'application/json': value, 'text/plain': 'deep'}}, raw=True); kept = {}"
    )
    for depth in (100, 230, 300, 600, 940, 5000):
        outcome = kernel.run(cell.format(depth, depth))
        assert outcome.types[-1] == "idle" and outcome.content["status"] in ("ok", "error")
        assert outcome.content["status"] == "error" or "display_data" in outcome.types
    assert kernel.run("kept >= 100").result == "True"


def test_unsigned_message_is_thrown_away(kernel: Kernel) -> None:
    session = kernel.client.session
    frames = session.serialize(session.msg("execute_request", {"code": "forged = 1"}))
    frames[1] = b"0" * 64
    kernel.client.shell_channel.socket.send_multipart(frames)
    kernel.client.shell_channel.socket.send_multipart([b"<IDS|MSG>", b"garbage"])
    assert kernel.run("'forged' in globals()").result == "False"


@pytest.mark.parametrize("text", ["x", "'A1+/", "f(1, "])
def test_completion_of_a_very_long_line_keeps_nothing_waiting(kernel: Kernel, text: str) -> None:
    code = f"x = 1\n{text * 200_000}"
    assert kernel.reply(kernel.request("complete_request", {"code": code}))["content"]["matches"] == []
    assert "print" in kernel.reply(kernel.request("complete_request", {"code": f"{code}\nprin"}))["content"]["matches"]
    assert kernel.run("1").result == "1"


def test_question_about_megabytes_is_not_asked(kernel: Kernel) -> None:
    code = "(" * (2 << 20)
    for _ in range(3):  # each would take many seconds of the interpreter's
        assert kernel.reply(kernel.request("is_complete_request", {"code": code}))["content"]["status"] == "unknown"
        assert kernel.reply(kernel.client.complete(code, 0))["content"]["matches"] == []
        assert kernel.reply(kernel.client.inspect(code, 0))["content"]["found"] is False
    assert kernel.run("1 + 1").result == "2"


def test_kernel_info_tells_the_language(kernel: Kernel) -> None:
    content = kernel.reply(kernel.request("kernel_info_request", {}))["content"]
    info = content["language_info"]
    assert info["name"] == "python" and info["file_extension"] == ".py"
    assert info["version"] == ".".join(map(str, sys.version_info[:3]))
    assert content["supported_features"] == ["kernel subshells"]
    assert "sandbox" in content["banner"]
    assert all(link["text"] and link["url"].startswith("https://") for link in content["help_links"])


def test_connect_request_tells_the_ports(kernel: Kernel) -> None:
    content = kernel.reply(kernel.request("connect_request", {}))["content"]
    assert content["shell_port"] == kernel.manager.shell_port


def test_control_channel_answers_during_a_run(kernel: Kernel) -> None:
    run = kernel.send(UNTIL_INTERRUPTED)
    kernel.wait_for_text(run, "started\n")
    assert kernel.control("kernel_info_request", {})["content"]["status"] == "ok"
    usage = kernel.control("usage_request", {})["content"]
    assert usage["kernel_memory"] > 0
    kernel.interrupt()
    assert kernel.collect(run).text() == "done\n"


def test_subshells_are_made_listed_used_and_deleted(kernel: Kernel) -> None:
    subshell_id = kernel.control("create_subshell_request", {})["content"]["subshell_id"]
    assert kernel.control("list_subshell_request", {})["content"]["subshell_id"] == [subshell_id]
    run = kernel.send(UNTIL_INTERRUPTED)
    kernel.wait_for_text(run, "started\n")
    request = kernel.request("complete_request", {"code": "prin", "cursor_pos": 4}, subshell_id=subshell_id)
    reply = kernel.reply(request)
    assert "print" in reply["content"]["matches"]
    assert reply["parent_header"]["subshell_id"] == subshell_id
    kernel.interrupt()
    assert kernel.collect(run).text() == "done\n"
    assert kernel.control("delete_subshell_request", {"subshell_id": subshell_id})["content"]["status"] == "ok"
    gone = kernel.collect(kernel.request("complete_request", {"code": "a", "cursor_pos": 1}, subshell_id=subshell_id))
    assert gone.content["status"] == "error"


def test_error_aborts_what_is_queued_in_its_own_shell(kernel: Kernel) -> None:
    subshell_id = kernel.control("create_subshell_request", {})["content"]["subshell_id"]
    run = kernel.send("input('q')", allow_stdin=True)
    kernel.question()
    here = kernel.send("'here'")
    there = kernel.request("execute_request", {"code": "'there'"}, subshell_id=subshell_id)
    kernel.wait_for_arrival()
    kernel.interrupt()
    assert kernel.collect(run).content["ename"] == "KeyboardInterrupt"
    assert kernel.collect(here).content["status"] == "aborted"
    assert kernel.collect(there).result == "'there'"
    kernel.control("delete_subshell_request", {"subshell_id": subshell_id})


def test_history_is_kept_with_output(kernel: Kernel) -> None:
    kernel.run("'find me'")
    content = {"hist_access_type": "tail", "n": 1, "output": True, "raw": True}
    (entry,) = kernel.reply(kernel.request("history_request", content))["content"]["history"]
    assert entry[2] == ["'find me'", "'find me'"]
    search = {"hist_access_type": "search", "pattern": "*find me*", "unique": True, "raw": True, "output": False}
    assert len(kernel.reply(kernel.request("history_request", search))["content"]["history"]) == 1
    session, line = entry[0], entry[1]
    ranged = {"hist_access_type": "range", "session": 0, "start": line, "stop": line + 1, "raw": True, "output": False}
    assert kernel.reply(kernel.request("history_request", ranged))["content"]["history"] == [
        [session, line, "'find me'"]
    ]


def test_history_outlives_a_kernel(kernel: Kernel) -> None:
    with Kernel() as other:
        other.run("'from another kernel'")
        other.shut_down()
    search = {"hist_access_type": "search", "pattern": "*from another kernel*", "raw": True, "output": False}
    assert kernel.reply(kernel.request("history_request", search))["content"]["history"]
