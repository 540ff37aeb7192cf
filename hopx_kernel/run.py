"""One execution in a session, and the wait for one reply. Imports anyio and the layers below."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from .errors import RemoteExecutionError, SandboxLostError
from .protocol import Message

if TYPE_CHECKING:
    from .session import Session

__all__ = ["RUN_QUEUE_EVENTS", "Reply", "Run"]

#: Events that wait for whoever iterates over a run. When they are this many, the session reads no further, the
#: runner's log fills, and the code in the sandbox waits.
RUN_QUEUE_EVENTS = 256


class Run:
    """One execution in a session.

    Iterating gives its events in order, ending with its ``execute_reply``. What comes after that (output of threads
    and tasks it left behind) goes to the session's `on_event`.

    Attributes
    ----------
    msg_id : str
        Its id.
    reply : dict or None
        Content of its ``execute_reply``, once it has ended.
    """

    def __init__(self, session: Session, msg_id: str) -> None:
        self.msg_id = msg_id
        self.reply: dict[str, Any] | None = None
        self._session = session
        self._ended = anyio.Event()
        self._sender: MemoryObjectSendStream[Message] | None = None
        self._receiver: MemoryObjectReceiveStream[Message] | None = None

    async def wait(self) -> dict[str, Any]:
        """Wait for the end, without raising for what the code did; gives the reply's content."""
        await self._ended.wait()
        assert self.reply is not None
        return self.reply

    async def interrupt(self) -> dict[str, Any]:
        """Interrupt the run, as `Session.interrupt`; does nothing once it has ended."""
        if self._ended.is_set():
            return {"status": "ok", "stopped": True, "kept": True}
        return await self._session.interrupt()

    async def send_input(self, value: str) -> None:
        """Answer the run's ``input_request``."""
        await self._session.send(Message("input_reply", {"value": value}, parent_id=self.msg_id))

    def raise_for_error(self) -> None:
        """Raise `SandboxLostError` or `RemoteExecutionError` when the run ended with one."""
        if self.reply is None or self.reply.get("status") == "ok":
            return
        if self.reply.get("ename") == SandboxLostError.__name__:
            raise SandboxLostError(self.reply.get("evalue", ""))
        raise RemoteExecutionError.from_content(self.reply)

    def open_queue(self) -> None:
        """Keep the events for whoever iterates, instead of giving them to the session's `on_event`."""
        self._sender, self._receiver = anyio.create_memory_object_stream[Message](RUN_QUEUE_EVENTS)

    def close_queue(self) -> None:
        """Take no more events: nobody iterates any longer."""
        if self._sender is not None and self._receiver is not None:
            self._sender.close()
            self._receiver.close()

    async def take(self, event: Message) -> bool:
        """Queue an event; false when events of this run go to `on_event`."""
        if self._sender is None:
            return False
        try:
            await self._sender.send(event)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # the block was left while the code still ran
        return True

    def finish(self, content: dict[str, Any]) -> None:
        """Note the end, with the reply's content."""
        self.reply = content
        self._ended.set()
        if self._sender is not None:
            self._sender.close()

    async def __aiter__(self) -> AsyncIterator[Message]:
        if self._receiver is None:
            raise RuntimeError("this run's events go to the session's on_event")
        async for event in self._receiver:
            yield event


class Reply:
    """A reply that is awaited, once."""

    def __init__(self) -> None:
        self._event = anyio.Event()
        self._content: dict[str, Any] = {}
        self._error: SandboxLostError | None = None

    def set(self, content: dict[str, Any]) -> None:
        self._content = content
        self._event.set()

    def fail(self, error: SandboxLostError) -> None:
        self._error = error
        self._event.set()

    async def wait(self) -> dict[str, Any]:
        await self._event.wait()
        if self._error is not None:
            raise self._error
        return self._content
