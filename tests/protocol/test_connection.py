"""The two ends of a connection against each other: order, acknowledgement, resume, violations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopx_kernel.errors import LocalProtocolError, RemoteProtocolError
from hopx_kernel.protocol import PROTOCOL_VERSION, HostConnection, Message, RunnerConnection
from hopx_kernel.protocol.frames import dump_message


def stream(text: str) -> Message:
    return Message("stream", {"name": "stdout", "text": text}, parent_id="run")


def greet(host: HostConnection, runner: RunnerConnection, resume: bool = False) -> bytes:
    """Let the host say hello; gives the runner's answer without feeding it to the host."""
    runner.receive_data(host.hello("h", resume=resume))
    hello = runner.next_message()
    assert hello is not None
    return b"".join(runner.answer_hello(hello, {"pid": 1}))


def take(host: HostConnection, data: bytes) -> list[Message]:
    host.receive_data(data)
    messages = []
    while (message := host.next_message()) is not None:
        messages.append(message)
    return messages


def connected() -> tuple[HostConnection, RunnerConnection]:
    host, runner = HostConnection(), RunnerConnection()
    assert [message.msg_type for message in take(host, greet(host, runner))] == ["hello_reply"]
    return host, runner


def test_events_are_numbered_from_one_in_steps_of_one() -> None:
    host, runner = connected()
    data = b"".join(b"".join(runner.send(stream(str(number)))) for number in range(3))
    assert [(event.seq, event.content["text"]) for event in take(host, data)] == [(1, "0"), (2, "1"), (3, "2")]


def test_line_is_numbered_as_a_message_is() -> None:
    host, runner = connected()
    data = b"".join(runner.send(stream("a"))) + b"".join(runner.send_line(dump_message(stream("b"))))
    assert [(event.seq, event.content["text"], event.parent_id) for event in take(host, data)] == [
        (1, "a", "run"),
        (2, "b", "run"),
    ]


def test_heartbeat_takes_no_number() -> None:
    host, runner = connected()
    data = b"".join(runner.send(Message("heartbeat", {"state": "idle"}))) + b"".join(runner.send(stream("a")))
    assert [event.seq for event in take(host, data)] == [None, 1]


def test_runner_sends_nothing_before_hello_and_everything_after_it() -> None:
    host, runner = HostConnection(), RunnerConnection()
    assert b"".join(runner.send(stream("early"))) == b""
    events = take(host, greet(host, runner))
    assert [event.msg_type for event in events] == ["hello_reply", "stream"]


@pytest.mark.parametrize("seen", [0, 1, 5, 9, 10])
def test_resume_gives_exactly_what_was_missed(seen: int) -> None:
    host, runner = connected()
    frames = [b"".join(runner.send(stream(str(number)))) for number in range(10)]
    take(host, b"".join(frames[:seen]))
    runner.receive_data(host.acknowledgement(force=True))
    assert runner.next_message() is None
    runner.receive_eof()
    assert b"".join(runner.send(stream("while away"))) == b""
    events = take(host, greet(host, runner, resume=True))
    assert [event.content.get("text") for event in events[1:]] == [*map(str, range(seen, 10)), "while away"]


@given(st.lists(st.integers(min_value=0, max_value=6), min_size=1, max_size=8), st.booleans())
def test_any_cuts_lose_and_double_nothing(cuts: list[int], acknowledge: bool) -> None:
    host, runner = connected()
    taken, sent = [], 0
    for cut in cuts:
        frames = []
        for _ in range(6):
            frames.append(b"".join(runner.send(stream(str(sent)))))
            sent += 1
        data = b"".join(frames[:cut]) + b"".join(frames[cut:])[:5]
        taken += take(host, data)
        if acknowledge:
            runner.receive_data(host.acknowledgement(force=True))
            assert runner.next_message() is None
        runner.receive_eof()
        taken += take(host, greet(host, runner, resume=True))[1:]
    assert [event.content["text"] for event in taken] == [str(number) for number in range(sent)]


def test_log_is_full_at_its_bound_and_emptied_by_an_acknowledgement() -> None:
    host, runner = HostConnection(), RunnerConnection(log_bound_bytes=10_000)
    take(host, greet(host, runner))
    data = b""
    while not runner.is_full():
        data += b"".join(runner.send(stream("x" * 500)))
    assert 10_000 <= len(data) < 11_000
    assert not runner.is_full(room_bytes=1000)
    take(host, data)
    runner.receive_data(host.acknowledgement(force=True))
    assert runner.next_message() is None
    assert not runner.is_full()


def test_host_acknowledges_by_count_and_by_size_and_not_in_between() -> None:
    host, runner = connected()
    take(host, b"".join(runner.send(stream("x"))))
    assert host.acknowledgement() == b""
    for _ in range(HostConnection.ACK_EVERY_EVENTS):
        take(host, b"".join(runner.send(stream("x"))))
    assert host.acknowledgement() != b""
    assert host.acknowledgement() == b""
    take(host, b"".join(runner.send(stream("x" * HostConnection.ACK_EVERY_BYTES))))
    assert host.acknowledgement() != b""


def test_resume_of_what_was_acknowledged_and_forgotten_is_refused() -> None:
    host, runner = connected()
    take(host, b"".join(runner.send(stream("a"))))
    runner.receive_data(host.acknowledgement(force=True))
    assert runner.next_message() is None
    stranger = HostConnection()
    with pytest.raises(RemoteProtocolError, match="are gone"):
        take(stranger, greet(stranger, runner))


@pytest.mark.parametrize("last_seq", [-1, 7, True, "1", None])
def test_resume_with_a_number_that_never_was_is_refused(last_seq: object) -> None:
    runner = RunnerConnection()
    hello = Message("hello", {"version": PROTOCOL_VERSION, "last_seq": last_seq}, msg_id="h")
    assert b'"status":"error"' in b"".join(runner.answer_hello(hello, {}))
    assert b"".join(runner.send(stream("a"))) == b""


def test_runner_of_another_version_refuses_and_names_both() -> None:
    runner = RunnerConnection()
    reply = b"".join(runner.answer_hello(Message("hello", {"version": 99}, msg_id="h"), {}))
    assert b"version 99" in reply
    assert b"version 1" in reply


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"msg_type":"invented"}\n', "unknown message type 'invented'"),
        (b'{"msg_type":"execute_request","msg_id":"1","content":{}}\n', "lacks 'code'"),
        (b'{"msg_type":"execute_request","msg_id":"1","content":{"code":1}}\n', "'code' of type int"),
        (b'{"msg_type":"execute_request","content":{"code":""}}\n', "lacks a msg_id"),
        (b'{"msg_type":"acknowledge","content":{"seq":true}}\n', "'seq' of type bool"),
        (b'{"msg_type":"acknowledge","content":{"seq":3}}\n', "acknowledged event 3"),
        (b'{"msg_type":"stream","content":{"name":"stdout","text":""}}\n', "unknown message type 'stream'"),
    ],
)
def test_bad_request_is_refused_by_name_and_the_next_is_taken(line: bytes, reason: str) -> None:
    _, runner = connected()
    runner.receive_data(line + b'{"msg_type":"interrupt_request","msg_id":"2"}\n')
    with pytest.raises(RemoteProtocolError, match=reason):
        runner.next_message()
    message = runner.next_message()
    assert message is not None
    assert message.msg_id == "2"


def test_request_before_hello_is_refused() -> None:
    runner = RunnerConnection()
    runner.receive_data(b'{"msg_type":"interrupt_request","msg_id":"1"}\n')
    with pytest.raises(RemoteProtocolError, match="before its hello"):
        runner.next_message()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"msg_type":"stream","content":{"name":"stdout","text":""}}\n', "no sequence number"),
        (b'{"seq":2,"msg_type":"stream","content":{"name":"stdout","text":""}}\n', "events 1 to 1 are missing"),
        (b'{"seq":1,"msg_type":"execute_request","content":{"code":""}}\n', "unknown message type"),
        (b'{"seq":1,"msg_type":"error","content":{"ename":"E","evalue":"","traceback":""}}\n', "'traceback'"),
    ],
)
def test_bad_event_is_refused_by_name(line: bytes, reason: str) -> None:
    host, _ = connected()
    with pytest.raises(RemoteProtocolError, match=reason):
        take(host, line)


def test_event_before_hello_reply_is_refused() -> None:
    host = HostConnection()
    host.hello("h")
    with pytest.raises(RemoteProtocolError, match="before its hello_reply"):
        take(host, b'{"seq":1,"msg_type":"stream","content":{"name":"stdout","text":""}}\n')


def test_event_that_comes_twice_is_skipped() -> None:
    host, runner = connected()
    data = b"".join(runner.send(stream("once")))
    assert len(take(host, data + data)) == 1


@pytest.mark.parametrize("message", [Message("stream"), Message("invented"), Message("complete_request", {"code": ""})])
def test_host_refuses_to_send_what_is_not_a_request(message: Message) -> None:
    with pytest.raises(LocalProtocolError):
        HostConnection().send(message)


def test_refused_event_spends_no_number() -> None:
    host, runner = connected()
    with pytest.raises(LocalProtocolError):
        runner.send(Message("stream", {"name": "stdout", "text": object()}))
    assert [event.seq for event in take(host, b"".join(runner.send(stream("a"))))] == [1]


def test_eof_inside_a_message_is_an_error_and_between_messages_is_none() -> None:
    host, runner = connected()
    host.receive_eof()
    host.receive_data(b"".join(runner.send(stream("a")))[:-3])
    with pytest.raises(RemoteProtocolError, match="middle of a message"):
        host.receive_eof()
