"""Questions about code that wait for the interpreter's answer, and the answers when there comes none."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Optional, Tuple

from ..protocol.frames import dump_message
from ..protocol.messages import Message
from .outbox import Outbox

__all__ = ["Questions", "no_answer"]

#: How long the interpreter may take before the supervisor says that there is no answer: it may hold the GIL for long.
ANSWER_SECONDS = 10.0

#: Code that is longer is no person's, and to read it would keep the next cell waiting.
MAX_CODE_CHARACTERS = 1 << 20

#: What such an answer is.
_NO_ANSWER: Dict[str, Dict[str, Any]] = {
    "complete_request": {"matches": [], "metadata": {}},
    "inspect_request": {"found": False, "data": {}, "metadata": {}},
    "is_complete_request": {"status": "unknown"},
    "comm_info_request": {"comms": {}},
}


class Questions:
    """Those that are open."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._open: Dict[str, Tuple[Message, float]] = {}

    def add(self, message: Message) -> bool:
        """Note a question that the interpreter gets now, or when it is ready; false where it is not to be asked."""
        if len(message.content.get("code") or "") > MAX_CODE_CHARACTERS:
            self._outbox.reply(message.msg_type, message.msg_id, no_answer(message))
            return False
        self._open[message.msg_id] = (message, time.monotonic() + ANSWER_SECONDS)
        return True

    def answer(self, parent_id: str, line: bytes) -> None:
        """Pass an answer on, unless its question has been given up."""
        if self._open.pop(parent_id, None) is not None:
            self._outbox.send_line(line)

    @property
    def lines(self) -> List[bytes]:
        """The open questions, for an interpreter that has not heard them."""
        return [dump_message(message) for message, _ in self._open.values()]

    @property
    def next_time(self) -> Optional[float]:
        """When to call `give_up`; None when nothing is open."""
        return min((until for _, until in self._open.values()), default=None)

    def give_up(self, now: float) -> None:
        """Say that there is no answer to those that have waited too long; `now` may be infinite."""
        for msg_id, (message, until) in list(self._open.items()):
            if now >= until:
                del self._open[msg_id]
                self._outbox.reply(message.msg_type, msg_id, no_answer(message))


def no_answer(message: Message) -> Dict[str, Any]:
    """The content of the reply, without its status, to a question that there is no answer to."""
    content = dict(_NO_ANSWER[message.msg_type])
    if message.msg_type == "complete_request":
        content["cursor_start"] = content["cursor_end"] = message.content["cursor_pos"]
    return content
