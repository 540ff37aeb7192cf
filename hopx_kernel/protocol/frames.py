"""Messages to bytes and back: one JSON object a line, ASCII only.

A message whose line would be longer than `MAX_FRAME_BYTES` goes out as several ``part`` frames, which follow one
another without another frame of the same direction between them. Buffers travel as base64 inside the message.

This module imports the standard library only, and runs on Python 3.9: it is part of the runner too.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Any, Iterator

from ..errors import LocalProtocolError, RemoteProtocolError
from .depth import MAX_DEPTH, is_deeper
from .messages import Message

__all__ = [
    "ENVELOPE_BYTES",
    "MAX_FRAME_BYTES",
    "MAX_MESSAGE_BYTES",
    "FrameDecoder",
    "dump_message",
    "load_message",
    "split_frames",
]

#: A frame's bound, newline included. Remote terminals cut WebSocket frames at 1 MiB, escapes included; a quarter
#: of it leaves room for that, and for sharing the line with urgent requests.
MAX_FRAME_BYTES = 256 * 1024

#: A message's bound after its parts are joined: what one side may make the other hold. A 20 MB image with its
#: base64 needs 27 MB; nothing a notebook can store is larger than this.
MAX_MESSAGE_BYTES = 128 * 1024 * 1024

#: What of it is left for those on the way: the number of an event, and what the supervisor adds to a run's request.
ENVELOPE_BYTES = 1024

_PART_ROOM = 256  # the JSON around a part's text, with room to spare
_encoder = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def _number(text: str) -> float:
    """A number that can be sent on: not NaN, and not too large for a float."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:60]} is no number")
    return number


_decoder = json.JSONDecoder(parse_float=_number, parse_constant=_number)


def dump_message(message: Message, room_bytes: int = ENVELOPE_BYTES) -> bytes:
    """The line of a message without its newline, whatever its length.

    Parameters
    ----------
    message : Message
        The message.
    room_bytes : int
        How much less than `MAX_MESSAGE_BYTES` it may have; 0 on the last way, where nothing is added any more.

    Raises
    ------
    LocalProtocolError
        The content is not JSON, or the line is too long.
    """
    body: dict[str, Any] = {}
    if message.seq is not None:
        body["seq"] = message.seq
    body["msg_type"] = message.msg_type
    if message.msg_id:
        body["msg_id"] = message.msg_id
    if message.parent_id:
        body["parent_id"] = message.parent_id
    if message.metadata:
        body["metadata"] = message.metadata
    if message.buffers:
        body["buffers"] = [base64.b64encode(buffer).decode("ascii") for buffer in message.buffers]
    body["content"] = message.content
    try:
        line = _encoder.encode(body).encode("ascii")
    except (TypeError, ValueError, RecursionError) as exc:
        raise LocalProtocolError(f"the {message.msg_type} holds what JSON cannot carry: {exc}") from exc
    if is_deeper(body, line):
        raise LocalProtocolError(f"the {message.msg_type} is nested deeper than {MAX_DEPTH} levels")
    if len(line) > MAX_MESSAGE_BYTES - room_bytes:
        raise LocalProtocolError(
            f"the {message.msg_type} has {len(line)} bytes; the limit for one message is {MAX_MESSAGE_BYTES}"
            + (f" with {room_bytes} for its envelope" if room_bytes else "")
        )
    return line


def split_frames(line: bytes) -> Iterator[bytes]:
    """The frames of a message's line, each with its newline and none over `MAX_FRAME_BYTES`."""
    if len(line) < MAX_FRAME_BYTES:
        yield line + b"\n"
        return
    # Quotes and backslashes double when a slice of JSON becomes a JSON string; half the room is always enough.
    step = (MAX_FRAME_BYTES - _PART_ROOM) // 2
    for start in range(0, len(line), step):
        more = start + step < len(line)
        text = _encoder.encode(line[start : start + step].decode("ascii"))
        yield f'{{"part":{text},"more":{"true" if more else "false"}}}\n'.encode("ascii")


class FrameDecoder:
    """Bytes in, message lines out.

    Bounds what a peer can make this side hold: one frame while its newline is awaited, and one message while its
    parts are.
    """

    def __init__(self, max_frame_bytes: int = MAX_FRAME_BYTES, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._max_message_bytes = max_message_bytes
        self._pending = bytearray()
        self._scanned = 0
        self._skipping = False
        self._parts: list[str] = []
        self._parts_size = 0

    @property
    def is_empty(self) -> bool:
        """Whether the bytes so far end where a message ends."""
        return not self._pending and not self._parts

    def receive_data(self, data: bytes) -> None:
        """Take bytes as they came from the transport, cut anywhere."""
        self._pending += data

    def next_line(self) -> bytes | None:
        """The next whole message's line without its newline, or None when more bytes are needed.

        Raises
        ------
        RemoteProtocolError
            A frame or a message is over its bound, or a part is not well formed. The frame is consumed, so that
            the caller may go on with the next.
        """
        while True:
            frame = self._next_frame()
            if frame is None:
                return None
            if not frame.startswith(b'{"part":'):
                if self._parts:
                    self._drop_parts()
                    raise RemoteProtocolError("a message ended before its last part")
                if frame.strip():
                    return frame
                continue
            line = self._take_part(frame)
            if line is not None:
                return line

    def _next_frame(self) -> bytes | None:
        end = self._pending.find(b"\n", self._scanned)
        too_long = (end if end >= 0 else len(self._pending)) >= self._max_frame_bytes
        if end < 0 and not too_long and not self._skipping:
            self._scanned = len(self._pending)
            return None
        frame = bytes(self._pending[:end]) if end >= 0 and not too_long else b""
        del self._pending[: end + 1 if end >= 0 else len(self._pending)]
        self._scanned = 0
        # What is left of a refused frame goes unread up to its newline, without being held.
        skipped, self._skipping = self._skipping, (too_long or self._skipping) and end < 0
        if skipped:
            return b"" if end >= 0 else None
        if too_long:
            self._drop_parts()
            raise RemoteProtocolError(f"a frame is longer than {self._max_frame_bytes} bytes")
        return frame

    def _take_part(self, frame: bytes) -> bytes | None:
        try:
            value = json.loads(frame)
            text, more = value["part"], value["more"]
            if not isinstance(text, str) or not isinstance(more, bool):
                raise TypeError("a part holds a string and a boolean")
        except (ValueError, KeyError, TypeError, RecursionError) as exc:
            self._drop_parts()
            raise RemoteProtocolError(f"a part frame is malformed: {exc}") from exc
        self._parts.append(text)
        self._parts_size += len(text)
        if self._parts_size > self._max_message_bytes:
            self._drop_parts()
            raise RemoteProtocolError(f"a message is longer than {self._max_message_bytes} bytes")
        if more:
            return None
        line = "".join(self._parts)
        self._drop_parts()
        try:
            return line.encode("ascii")
        except UnicodeEncodeError as exc:
            raise RemoteProtocolError("a message holds a character outside ASCII") from exc

    def _drop_parts(self) -> None:
        self._parts = []
        self._parts_size = 0


def load_message(line: bytes) -> Message:
    """Read a message's line.

    Raises
    ------
    RemoteProtocolError
        It is not a JSON object in ASCII with the envelope's keys and types.
    """
    try:
        body = _decoder.decode(line.decode("ascii"))
    except UnicodeDecodeError as exc:
        raise RemoteProtocolError("a frame holds a byte outside ASCII") from exc
    except (ValueError, RecursionError) as exc:
        raise RemoteProtocolError(f"a frame is not JSON: {exc}") from exc
    if not isinstance(body, dict):
        raise RemoteProtocolError(f"a frame is a JSON {type(body).__name__}, not an object")
    if is_deeper(body, line):
        raise RemoteProtocolError(f"a frame is nested deeper than {MAX_DEPTH} levels")
    seq = body.get("seq")
    if seq is not None and (isinstance(seq, bool) or not isinstance(seq, int)):
        raise RemoteProtocolError("a message's 'seq' is not a whole number")
    return Message(
        msg_type=_field(body, "msg_type", str, None),
        content=_field(body, "content", dict, {}),
        msg_id=_field(body, "msg_id", str, ""),
        parent_id=_field(body, "parent_id", str, ""),
        seq=seq,
        metadata=_field(body, "metadata", dict, {}),
        buffers=_load_buffers(_field(body, "buffers", list, [])),
    )


def _field(body: dict[str, Any], key: str, kind: type, default: Any) -> Any:
    value = body.get(key, default)
    if not isinstance(value, kind):
        raise RemoteProtocolError(f"a message's {key!r} is of type {type(value).__name__}, not {kind.__name__}")
    return value


def _load_buffers(texts: list[Any]) -> tuple[bytes, ...]:
    try:
        return tuple(base64.b64decode(text, validate=True) for text in texts)
    except (binascii.Error, ValueError, TypeError) as exc:
        raise RemoteProtocolError(f"a message's buffer is not base64: {exc}") from exc
