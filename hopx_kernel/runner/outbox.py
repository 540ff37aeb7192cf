"""What the supervisor says to the host: every event goes through here, into the log and onto the link."""

from __future__ import annotations

from typing import Any, Dict

from ..errors import ProtocolError
from ..protocol.connection import RunnerConnection
from ..protocol.messages import REPLIES, Message
from .host_link import HostLink
from .text_memory import TextMemory

__all__ = ["Outbox"]


class Outbox:
    """Sends events.

    Parameters
    ----------
    connection : RunnerConnection
        Numbers and keeps them.
    link : HostLink
        Carries them.
    memory : TextMemory
        Where text is counted that no interpreter has written there.
    """

    def __init__(self, connection: RunnerConnection, link: HostLink, memory: TextMemory) -> None:
        self._connection = connection
        self._link = link
        self._memory = memory

    def send(self, msg_type: str, content: Dict[str, Any], parent_id: str = "") -> None:
        """Send an event; one that the protocol cannot carry becomes a ``protocol_error``."""
        try:
            self._link.send(self._connection.send(Message(msg_type, content, parent_id=parent_id)))
        except ProtocolError as exc:
            self._link.send(self._connection.send(Message("protocol_error", {"evalue": str(exc)})))

    def send_text(self, name: str, text: str, parent_id: str) -> None:
        """Send text of a stream that has not come by an interpreter's memory."""
        self._memory.note_passed(text)
        self.send("stream", {"name": name, "text": text}, parent_id)

    def send_line(self, line: bytes) -> None:
        """Send an event that is a line already."""
        self._link.send(self._connection.send_line(line))

    def reply(self, request_type: str, msg_id: str, content: Dict[str, Any]) -> None:
        """Answer a request; ``status`` is ``ok`` unless `content` has another."""
        self.send(REPLIES[request_type], {"status": "ok", **content}, parent_id=msg_id)
