"""Frames: every vector whole, byte by byte and with trailing bytes; every bound attacked."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopx_kernel.errors import LocalProtocolError, RemoteProtocolError
from hopx_kernel.protocol.frames import (
    MAX_FRAME_BYTES,
    MAX_MESSAGE_BYTES,
    FrameDecoder,
    dump_message,
    load_message,
    split_frames,
)
from hopx_kernel.protocol.messages import Message

VECTORS = {
    "empty": Message("shutdown_request"),
    "stream": Message("stream", {"name": "stdout", "text": "héllo \u2028 🎉\r\n\0"}, parent_id="r", seq=7),
    "buffers": Message("comm_msg", {"comm_id": "c", "data": {}}, buffers=(b"", b"\x00\xff" * 9), metadata={"a": 1}),
    "surrogate": Message("stream", {"name": "stdout", "text": "\ud800"}),
    "two-parts": Message("stream", {"name": "stdout", "text": "a" * MAX_FRAME_BYTES}),
    "all-escapes": Message("stream", {"name": "stdout", "text": '"\\\u00e9' * MAX_FRAME_BYTES}),
}
FEEDS = {"whole": 1 << 30, "byte-by-byte": 1, "in-sevens": 7}


def wire(message: Message) -> bytes:
    return b"".join(split_frames(dump_message(message)))


def decode(data: bytes, step: int) -> list[Message]:
    decoder, messages = FrameDecoder(), []
    for start in range(0, len(data), step):
        decoder.receive_data(data[start : start + step])
        while (line := decoder.next_line()) is not None:
            messages.append(load_message(line))
    return messages


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize("feed", FEEDS)
def test_message_comes_back_as_it_went(name: str, feed: str) -> None:
    data = wire(VECTORS[name])
    step = FEEDS[feed] if len(data) < 100_000 or FEEDS[feed] > 1 else 4099
    assert decode(data, step) == [VECTORS[name]]


@pytest.mark.parametrize("name", VECTORS)
def test_trailing_bytes_wait_for_their_own_newline(name: str) -> None:
    data = wire(VECTORS[name])
    assert decode(data + b'{"msg_type":', 1 << 30) == [VECTORS[name]]
    assert decode(data + b"\r\n\n" + data, 1 << 30) == [VECTORS[name]] * 2


@pytest.mark.parametrize("name", VECTORS)
def test_frames_are_ascii_lines_within_the_bound(name: str) -> None:
    frames = list(split_frames(dump_message(VECTORS[name])))
    assert all(len(frame) <= MAX_FRAME_BYTES and frame.endswith(b"\n") and frame.isascii() for frame in frames)
    assert all(frame.count(b"\n") == 1 and isinstance(json.loads(frame), dict) for frame in frames)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(
    content=st.dictionaries(st.text(), json_values, max_size=5),
    buffers=st.lists(st.binary(max_size=64), max_size=3),
    seq=st.none() | st.integers(min_value=1),
    step=st.integers(min_value=1, max_value=50),
)
def test_any_json_content_comes_back(
    content: dict[str, object], buffers: list[bytes], seq: int | None, step: int
) -> None:
    message = Message("stream", content, parent_id="p", seq=seq, buffers=tuple(buffers))
    assert decode(wire(message), step) == [message]


@given(st.binary(max_size=400))
def test_any_bytes_give_a_message_or_a_protocol_error(data: bytes) -> None:
    decoder = FrameDecoder()
    decoder.receive_data(data + b"\n")
    refused = 0
    for _ in range(len(data) + 2):
        try:
            line = decoder.next_line()
            if line is None:
                break
            load_message(line)
        except RemoteProtocolError:
            refused += 1
    assert refused <= data.count(b"\n") + 1
    assert decoder.is_empty


@pytest.mark.parametrize("step", [1 << 30, 1000])
def test_frame_over_the_bound_is_refused_once_and_the_next_is_read(step: int) -> None:
    decoder, errors, lines = FrameDecoder(max_frame_bytes=10_000), [], []
    data = b"x" * 35_000 + b"\n" + b'{"msg_type":"stream"}\n'
    for start in range(0, len(data), step):
        decoder.receive_data(data[start : start + step])
        while True:
            try:
                line = decoder.next_line()
            except RemoteProtocolError as exc:
                errors.append(str(exc))
                continue
            if line is None:
                break
            lines.append(line)
    assert (errors, lines) == (["a frame is longer than 10000 bytes"], [b'{"msg_type":"stream"}'])


def test_unfinished_frame_holds_no_more_than_the_bound() -> None:
    decoder = FrameDecoder(max_frame_bytes=1000)
    decoder.receive_data(b"x" * 1000)
    with pytest.raises(RemoteProtocolError):
        decoder.next_line()
    for _ in range(100):
        decoder.receive_data(b"x" * 1000)
        assert decoder.next_line() is None
    assert len(decoder._pending) == 0


def test_parts_without_end_are_refused_at_the_message_bound() -> None:
    decoder = FrameDecoder(max_message_bytes=5000)
    part = b'{"part":"%s","more":true}\n' % (b"x" * 1000)
    decoder.receive_data(part * 4)
    assert decoder.next_line() is None
    decoder.receive_data(part * 2)
    with pytest.raises(RemoteProtocolError, match="longer than 5000 bytes"):
        decoder.next_line()
    decoder.receive_data(b'{"msg_type":"stream"}\n')
    assert decoder.next_line() == b'{"msg_type":"stream"}'


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"nonsense\n", "not JSON"),
        (b"[1]\n", "not an object"),
        (b"{}\n", "'msg_type'"),
        (b'{"msg_type":1}\n', "'msg_type'"),
        (b'{"msg_type":"stream","content":[]}\n', "'content'"),
        (b'{"msg_type":"stream","seq":"1"}\n', "'seq'"),
        (b'{"msg_type":"stream","seq":true}\n', "'seq'"),
        (b'{"msg_type":"comm_msg","buffers":["*"]}\n', "base64"),
        (b'{"msg_type":"comm_msg","buffers":[1]}\n', "base64"),
        (b"\xff\xfe\n", "outside ASCII"),
        ('{"msg_type":"é"}\n'.encode(), "outside ASCII"),
        (b'{"part":1,"more":false}\n', "part"),
        (b'{"part":"x"}\n', "part"),
        (b'{"part":"\\u00e9","more":false}\n', "outside ASCII"),
        (b"[" * 100_000 + b"\n", "not JSON"),
        (b'{"msg_type":"stream","content":{"x":NaN}}\n', "not JSON: NaN is no number"),
        (b'{"msg_type":"stream","content":{"x":[-Infinity]}}\n', "not JSON: -Infinity is no number"),
        (b'{"msg_type":"stream","content":{"x":1e400}}\n', "not JSON: 1e400 is no number"),
    ],
)
def test_malformed_frame_is_a_remote_error_that_says_why(frame: bytes, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason):
        decode(frame, 1 << 30)


def test_message_inside_the_parts_of_another_is_refused() -> None:
    decoder = FrameDecoder()
    decoder.receive_data(b'{"part":"{","more":true}\n{"msg_type":"stream"}\n')
    with pytest.raises(RemoteProtocolError, match="before its last part"):
        decoder.next_line()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1: {2, 3}}, b"bytes"])
def test_content_that_json_cannot_carry_is_a_local_error(value: object) -> None:
    with pytest.raises(LocalProtocolError, match="execute_request"):
        dump_message(Message("execute_request", {"code": value}))


def test_message_over_the_bound_is_a_local_error_that_names_it() -> None:
    with pytest.raises(LocalProtocolError, match=str(MAX_MESSAGE_BYTES)):
        dump_message(Message("stream", {"name": "stdout", "text": "x" * MAX_MESSAGE_BYTES}))
