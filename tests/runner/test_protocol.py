"""The runner's end of the protocol: bad frames, other versions, acknowledgements, resuming, slowing down."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from hopx_kernel.protocol import MAX_FRAME_BYTES, Message, RunnerOptions
from hopx_kernel.runner.bundle import build_bundle

from .client import TIMEOUT_SECONDS, RunnerClient, open_runner


def expect_fault(runner: RunnerClient, words: str) -> None:
    event = runner.wait_for(lambda one: one.msg_type == "protocol_error")
    assert words in event.content["evalue"]
    assert runner.run("1 + 1").value == "2"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"nonsense\n", "not JSON"),
        (b"\xff\xfe\n", "outside ASCII"),
        (b"[1]\n", "not an object"),
        (b'{"msg_type": "make_coffee", "content": {}}\n', "unknown message type 'make_coffee'"),
        (b'{"msg_type": "execute_request", "msg_id": "1", "content": {}}\n', "lacks 'code'"),
        (b'{"msg_type": "execute_request", "msg_id": "1", "content": {"code": 5}}\n', "of type int"),
        (b'{"msg_type": "execute_request", "content": {"code": "1"}}\n', "lacks a msg_id"),
        (b'{"msg_type": "execute_request", "msg_id": "1", "content": {"code": "", "x": NaN}}\n', "NaN is no number"),
        (
            b'{"msg_type": "execute_request", "msg_id": "1", "content": {"code": "", "x": 1e999}}\n',
            "1e999 is no number",
        ),
        (b'{"msg_type": "environment_request", "msg_id": "1", "content": {"env": {"A": 5}}}\n', "'A' and its value"),
        (b'{"msg_type": "environment_request", "msg_id": "1", "content": {"env": {"A=": ""}}}\n', "'A=' and its value"),
        (b'{"msg_type": "environment_request", "msg_id": "1", "content": {"env": {"": ""}}}\n', "'' and its value"),
        (
            b'{"msg_type": "environment_request", "msg_id": "1", "content": {"env": {"A": "\\u0000"}}}\n',
            "'A' and its value",
        ),
        (b'{"msg_type": "environment_request", "msg_id": "1", "content": {"env": {"\\ud800": ""}}}\n', "and its value"),
        (b'{"msg_type": "acknowledge", "content": {"seq": 999999}}\n', "acknowledged event 999999"),
        (b'{"msg_type": "comm_msg", "buffers": ["?"], "content": {"comm_id": "1", "data": {}}}\n', "not base64"),
        (b'{"part": "x", "more": 1}\n', "malformed"),
        (b"x" * (MAX_FRAME_BYTES + 10) + b"\n", "longer than"),
    ],
)
def test_bad_frame_is_answered_and_the_runner_goes_on(runner: RunnerClient, data: bytes, words: str) -> None:
    runner.write(data)
    expect_fault(runner, words)
    assert runner.ask("restart_request")["status"] == "ok"
    assert runner.run("1 + 1").value == "2"


def test_empty_lines_are_skipped(runner: RunnerClient) -> None:
    runner.write(b"\n\n  \n")
    assert runner.run("1").value == "1"


def test_frame_that_comes_byte_by_byte_is_read(runner: RunnerClient) -> None:
    data = runner.connection.send(Message("execute_request", {"code": "6 * 7"}, msg_id="slow"))
    for i in range(len(data)):
        runner.write(data[i : i + 1])
    assert runner.finish("slow").value == "42"


def test_nothing_is_said_or_run_before_hello() -> None:
    with open_runner(greet=False) as runner:
        runner.write(runner.connection.send(Message("execute_request", {"code": "x = 1"}, msg_id="early")))
        runner.hello()
        assert runner.events[0].msg_type == "hello_reply"
        assert runner.run("x").error["ename"] == "NameError"
        assert not runner.result("early").events


def test_other_version_is_refused_with_both_numbers() -> None:
    with open_runner(greet=False) as runner:
        runner.write(b'{"msg_type":"hello","msg_id":"h","content":{"version":99}}\n')
        assert select.select([runner._out], [], [], TIMEOUT_SECONDS)[0]
        reply = json.loads(os.read(runner._out, 65536).splitlines()[0])
        assert reply["content"]["status"] == "error"
        assert "99" in reply["content"]["evalue"]
        assert "version 1" in reply["content"]["evalue"]


def test_message_of_a_megabyte_passes(runner: RunnerClient) -> None:
    code = f"len({'x' * 1_000_000!r})"
    assert runner.run(code).value == "1000000"


def test_result_of_megabytes_passes(runner: RunnerClient) -> None:
    assert (
        len(
            runner.run("display({'text/plain': 'x' * 5_000_000}, raw=True)").of("display_data")[0]["data"]["text/plain"]
        )
        == 5_000_000
    )


def test_unacknowledged_events_come_again(runner: RunnerClient) -> None:
    runner.acknowledges = False
    first = runner.run("print('one')")
    last_seq = runner.connection.last_seq
    runner.connection.last_seq = 0
    runner.hello(resume=True)
    again = [runner.receive() for _ in range(last_seq)]
    assert [event.seq for event in again] == list(range(1, last_seq + 1))
    assert again[-1].content == first.reply
    assert runner.run("print('two')").text == "two\n"


def test_resume_gives_exactly_what_was_missed(runner: RunnerClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    code = f"import os, time\nfor i in range(11): print(i); time.sleep(0.01)\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
    runner.acknowledges = False
    msg_id = runner.request("execute_request", code=code + "for i in range(11, 50): print(i)")
    runner.wait_text(msg_id, "10\n")
    # As if the last ones had been on a transport that broke.
    del runner.events[-2:]
    runner.connection.last_seq = max(event.seq or 0 for event in runner.events)
    runner.hello(resume=True)
    gate.touch()
    assert runner.finish(msg_id).text == "".join(f"{i}\n" for i in range(50))


def test_resume_after_acknowledged_events_is_refused(runner: RunnerClient) -> None:
    runner.run("1")
    runner.write(runner.connection.acknowledgement(force=True))
    runner.run("2")
    runner.connection.last_seq = 1
    runner.write(runner.connection.hello("again", resume=True))
    runner.connection._greeted = True
    with pytest.raises(Exception, match="acknowledged and are gone"):
        runner.wait_for(lambda event: event.msg_type == "hello_reply")


def test_flood_waits_for_the_host(runner: RunnerClient) -> None:
    runner.acknowledges = False
    code = "print('on')\nfor i in range(60): print('x' * 1_000_000)\nopen('done', 'w').close()"
    msg_id = runner.request("execute_request", code=code)
    taken = 0
    while taken < 6_000_000:
        event = runner.receive()
        if event.msg_type == "stream":
            taken += len(event.content["text"])
    # What it may still say fits its log; then it waits.
    with pytest.raises(TimeoutError):
        while taken < 30_000_000:
            event = runner.receive(0.5)
            taken += len(event.content.get("text", ""))
    assert taken < 30_000_000
    assert runner.ask("is_complete_request", code="1")["status"] in ("complete", "unknown")
    runner.acknowledges = True
    runner.write(runner.connection.acknowledgement(force=True))
    assert len(runner.finish(msg_id).text) == 60 * 1_000_001 + 3


def test_flood_that_waits_can_be_interrupted(runner: RunnerClient) -> None:
    runner.acknowledges = False
    msg_id = runner.request("execute_request", code="x = 5\nwhile True: print('x' * 100_000)")
    runner.wait_text(msg_id, "x")
    with pytest.raises(TimeoutError):
        while True:
            runner.receive(0.5)
    runner.request("interrupt_request")
    assert runner.finish(msg_id).error["ename"] == "KeyboardInterrupt"
    runner.acknowledges = True
    assert runner.run("x").value == "5"


def test_host_that_does_not_read_hangs_nothing(runner: RunnerClient) -> None:
    msg_id = runner.request("execute_request", code="while True: print('x' * 100_000)")
    runner.wait_text(msg_id, "x")
    # More than any pipe holds: a runner that waited for us to read would never take it.
    for i in range(30):
        runner.write(runner.connection.send(Message("is_complete_request", {"code": "x" * 20_000}, msg_id=f"q{i}")))
    runner.request("interrupt_request")
    assert runner.finish(msg_id, 180).error["ename"] == "KeyboardInterrupt"


def test_bad_options_are_told() -> None:
    with open_runner(greet=False) as runner:
        bundle = str(runner.process.args[1])  # type: ignore[index]
        for options in ([], ["not json"], ['{"unknown": 1}']):
            done = subprocess.run([sys.executable, bundle, *options], capture_output=True, check=False)
            assert done.returncode == 2
            assert b"options cannot be read" in done.stderr


def test_bundle_is_always_the_same_and_small() -> None:
    first = build_bundle()
    assert build_bundle() == first
    assert len(first) < 1_000_000


def test_user_code_cannot_reach_the_transport(runner: RunnerClient) -> None:
    code = "import os\nfor fd in range(3, 3000):\n    try: os.write(fd, b'{\"seq\": 99}\\n')\n    except OSError: pass"
    runner.request("execute_request", code=code)
    runner.wait_for(lambda event: event.msg_type == "execute_reply")
    assert runner.run("1 + 1").value == "2"


def test_default_options_have_the_workspace() -> None:
    assert RunnerOptions().cwd == "/workspace"
