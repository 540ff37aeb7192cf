"""The messages of the protocol, as data: who may send which, and what each must hold.

The words are those of the Jupyter messaging specification, so that mapping a runner's message to an iopub message
changes nothing but the envelope. `PROTOCOL.md` beside this file says the same in prose.

This module imports the standard library only, and runs on Python 3.9: it is part of the runner too.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Dict, Tuple

__all__ = ["EVENTS", "PROTOCOL_VERSION", "REQUESTS", "UNSEQUENCED", "Message", "Role", "check_message", "make_event"]

PROTOCOL_VERSION = 1


class Role(enum.Enum):
    """The two ends of a connection."""

    HOST = "host"
    RUNNER = "runner"


@dataclass(frozen=True)
class Message:
    """One message, of either direction.

    Parameters
    ----------
    msg_type : str
        A key of `REQUESTS` (host to runner) or of `EVENTS` (runner to host).
    content : dict
        JSON values only; for the Jupyter types the content of the Jupyter message.
    msg_id : str
        Names a request; the id of a run is the ``msg_id`` of its ``execute_request``.
    parent_id : str
        On an event: the ``msg_id`` of the request that it belongs to, or ``""``.
    seq : int or None
        On an event: its number, from 1 in steps of 1 over the life of the runner. None where losing it costs nothing.
    metadata : dict
        As in the Jupyter message.
    buffers : tuple of bytes
        Binary buffers, for comm messages and what goes between two sandboxes.
    """

    msg_type: str
    content: Dict[str, Any] = field(default_factory=dict)
    msg_id: str = ""
    parent_id: str = ""
    seq: int | None = None
    metadata: Dict[str, Any] = field(default_factory=dict)
    buffers: Tuple[bytes, ...] = ()

    @property
    def is_terminal(self) -> bool:
        """Whether this event ends its run: exactly one per ``execute_request`` is."""
        return self.msg_type == "execute_reply"


_new, _set = object.__new__, object.__setattr__


def make_event(msg_type: str, content: Dict[str, Any], parent_id: str) -> Message:
    """Make an event as `Message` does, in a third of the time: programs print a million markers."""
    event = _new(Message)
    fields: Dict[str, Any] = {"msg_type": msg_type, "content": content, "msg_id": "", "parent_id": parent_id}
    fields["seq"], fields["metadata"], fields["buffers"] = None, {}, ()
    _set(event, "__dict__", fields)
    return event


# What a content must hold: key -> types. Keys that are not listed are optional and pass through.
_Schema = Dict[str, Tuple[type, ...]]
_TEXT = (str,)
_INT = (int,)
_BOOL = (bool,)
_DICT = (dict,)
_LIST = (list,)

REQUESTS: dict[str, _Schema] = {
    "hello": {"version": _INT},
    "heartbeat": {},
    "execute_request": {"code": _TEXT},
    "complete_request": {"code": _TEXT, "cursor_pos": _INT},
    "inspect_request": {"code": _TEXT, "cursor_pos": _INT},
    "is_complete_request": {"code": _TEXT},
    "input_reply": {"value": _TEXT},
    "sandbox_reply": {"magic_id": _TEXT, "action": _TEXT},
    "comm_open": {"comm_id": _TEXT, "target_name": _TEXT, "data": _DICT},
    "comm_msg": {"comm_id": _TEXT, "data": _DICT},
    "comm_close": {"comm_id": _TEXT, "data": _DICT},
    "comm_info_request": {},
    "environment_request": {"env": _DICT},
    "interrupt_request": {},
    "restart_request": {},
    "acknowledge": {"seq": _INT},
    "shutdown_request": {},
}

EVENTS: dict[str, _Schema] = {
    # the connection
    "hello_reply": {"status": _TEXT, "version": _INT},
    "protocol_error": {"evalue": _TEXT},
    "heartbeat": {"state": _TEXT},
    # a run
    "stream": {"name": _TEXT, "text": _TEXT},
    "display_data": {"data": _DICT, "metadata": _DICT},
    "update_display_data": {"data": _DICT, "metadata": _DICT},
    "clear_output": {"wait": _BOOL},
    "execute_result": {"data": _DICT, "metadata": _DICT},
    "error": {"ename": _TEXT, "evalue": _TEXT, "traceback": _LIST},
    "input_request": {"prompt": _TEXT, "password": _BOOL},
    "sandbox_request": {"magic_id": _TEXT, "action": _TEXT},
    "progress": {"message": _TEXT},
    "result": {"data": (dict, list, str, int, float, bool, type(None))},
    "alert": {"message": _TEXT},
    "execute_reply": {"status": _TEXT},
    # comms
    "comm_open": {"comm_id": _TEXT, "target_name": _TEXT, "data": _DICT},
    "comm_msg": {"comm_id": _TEXT, "data": _DICT},
    "comm_close": {"comm_id": _TEXT, "data": _DICT},
    "status": {"execution_state": _TEXT},
    # answers
    "complete_reply": {"status": _TEXT},
    "inspect_reply": {"status": _TEXT},
    "is_complete_reply": {"status": _TEXT},
    "comm_info_reply": {"status": _TEXT},
    "environment_reply": {"status": _TEXT},
    "interrupt_reply": {"status": _TEXT},
    "restart_reply": {"status": _TEXT},
    "shutdown_reply": {"status": _TEXT},
    # the interpreter
    "interpreter_started": {"pid": _INT},
    "interpreter_died": {"reason": _TEXT, "evalue": _TEXT},
}

#: Events without a sequence number: they are not logged, and a lost one costs nothing.
UNSEQUENCED = frozenset({"hello_reply", "protocol_error", "heartbeat"})

#: Every request that is answered by one event, and that event's name.
REPLIES = {
    "hello": "hello_reply",
    "execute_request": "execute_reply",
    "complete_request": "complete_reply",
    "inspect_request": "inspect_reply",
    "is_complete_request": "is_complete_reply",
    "comm_info_request": "comm_info_reply",
    "environment_request": "environment_reply",
    "interrupt_request": "interrupt_reply",
    "restart_request": "restart_reply",
    "shutdown_request": "shutdown_reply",
}


def check_message(sender: Role, message: Message) -> str | None:
    """Look a message up in the tables.

    Returns
    -------
    str or None
        What is wrong with it, naming sender, type and key; None when it may pass.
    """
    table = REQUESTS if sender is Role.HOST else EVENTS
    schema = table.get(message.msg_type)
    if schema is None:
        return f"the {sender.value} sent the unknown message type {message.msg_type[:60]!r}"
    for key, types in schema.items():
        if key not in message.content:
            return f"the {sender.value}'s {message.msg_type} lacks {key!r}"
        value = message.content[key]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            return f"the {sender.value}'s {message.msg_type} has {key!r} of type {type(value).__name__}"
    if sender is Role.HOST and message.msg_type in REPLIES and not message.msg_id:
        return f"the host's {message.msg_type} lacks a msg_id"
    return None
