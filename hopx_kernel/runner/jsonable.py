"""Any Python value as JSON knows it, without ever raising; and messages of such values."""

from __future__ import annotations

import base64
import math
from typing import Any, Optional

from ..errors import LocalProtocolError
from ..protocol.frames import dump_message
from ..protocol.messages import Message

__all__ = ["jsonable", "line_of", "printable", "safe_repr", "safe_str"]

#: The part of the memory that one message may have: it is copied when it is read, checked, numbered, kept and sent on.
_MESSAGE_PART = 8

_DEPTH_BOUND = 100  # deeper than any document, shallower than the recursion limit of the encoder


def printable(text: str) -> str:
    """The text with lone surrogates replaced, which no encoding can carry on."""
    try:
        text.encode("utf-8")
        return text
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def jsonable(value: Any, depth: int = 0) -> Any:
    """A copy that JSON can carry: bytes as base64, NaN and what JSON does not know as their text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return printable(str(value))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode("ascii")
    if depth < _DEPTH_BOUND:
        if isinstance(value, dict):
            return {printable(str(key)): jsonable(item, depth + 1) for key, item in list(value.items())}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [jsonable(item, depth + 1) for item in list(value)]
    return safe_repr(value)


def safe_repr(value: Any) -> str:
    """`repr`, or what can be said when it raises."""
    try:
        return printable(repr(value))
    except Exception as exc:
        return f"<{type(value).__name__} whose repr raised {type(exc).__name__}>"


def safe_str(exc: object) -> str:
    """`str` of an exception, or what can be said when it raises."""
    try:
        return str(exc)
    except Exception as broken:
        return f"<the exception's text could not be made: {type(broken).__name__}>"


def line_of(message: Message, memory_bytes: Optional[int] = None) -> bytes:
    """A message as a line of the channel; values that JSON does not know as their text.

    Raises `LocalProtocolError` for one that is too large, also for a supervisor that has so much memory.
    """
    try:
        line = dump_message(message)
    except LocalProtocolError:
        line = dump_message(_cleaned(message))
    if b"\\ud" in line:
        line = dump_message(_cleaned(message))
    if memory_bytes is not None and len(line) > memory_bytes // _MESSAGE_PART:
        bound = f"{memory_bytes // _MESSAGE_PART} where memory is limited (option memory_limit; in the library memory_bytes)"
        raise LocalProtocolError(f"the {message.msg_type} has {len(line)} bytes; the limit for one message is {bound}")
    return line + b"\n"


def _cleaned(message: Message) -> Message:
    return Message(
        msg_type=message.msg_type,
        content=jsonable(message.content),
        msg_id=message.msg_id,
        parent_id=message.parent_id,
        metadata=jsonable(message.metadata),
        buffers=message.buffers,
    )
