"""One execution in a session, and the wait for one reply. Imports anyio and the layers below."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import anyio

from .errors import RemoteExecutionError, SandboxLostError
from .protocol import Message

if TYPE_CHECKING:
    from .session import Session

__all__ = ["RUN_QUEUE_EVENTS", "Reply", "Run"]

#: Events that wait for whoever iterates over a run. When they are this many, the session acknowledges nothing more, the
#: runner's log fills, and the code in the sandbox waits. Of a run that has ended, all there are wait here.
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
        #: Its limit of time, and when it began to count, on the session's clock.
        self.timeout_seconds: float | None = None
        self.began: float | None = None
        #: The ``error`` that has been told of it, and whether its limit passed and nobody ended it.
        self.error: dict[str, Any] | None = None
        self.is_late = False
        self._session = session
        self._ended = anyio.Event()
        self._queue: deque[Message] | None = None
        self._is_open = False
        self._is_bounded = True
        self._changed = anyio.Event()

    async def wait(self) -> dict[str, Any]:
        """Wait for the end, without raising for what the code did; gives the reply's content."""
        await self._ended.wait()
        assert self.reply is not None
        return self.reply

    async def interrupt(self) -> dict[str, Any]:
        """Interrupt this run and no other, as `Session.interrupt`; once it has ended, the answer is that it was too late."""
        if self._ended.is_set():
            return {"status": "ok", "stopped": True, "kept": True, "too_late": True}
        return await self._session.interrupt(self.msg_id)

    async def send_input(self, value: str) -> None:
        """Answer the run's ``input_request``."""
        await self._session.send(Message("input_reply", {"value": value}, parent_id=self.msg_id))

    def raise_for_error(self) -> None:
        """Raise `SandboxLostError` or `RemoteExecutionError` when the run ended with one."""
        if self.reply is None or self.reply.get("status") == "ok":
            return
        if self.reply.get("reason") == "lost":
            raise SandboxLostError(self.reply.get("lost", ""))
        raise RemoteExecutionError.from_content(self.reply)

    def open_queue(self) -> None:
        """Keep the events for whoever iterates, instead of giving them to the session's `on_event`."""
        self._queue, self._is_open = deque(), True

    def close_queue(self) -> None:
        """Take no more events: nobody iterates any longer."""
        if self._queue is not None:
            self._is_open = False
            self._queue.clear()
            self._tell()

    def release(self) -> None:
        """Note that its end is here or on its way: that waits behind no full queue."""
        self._is_bounded = False
        self._tell()

    async def take(self, event: Message) -> bool:
        """Queue an event; false when events of this run go to `on_event`."""
        if self._queue is None:
            return False
        while self._is_open and self._is_bounded and len(self._queue) >= RUN_QUEUE_EVENTS:
            await self._changed.wait()
        if self._is_open:  # else the block was left while the code still ran
            self._queue.append(event)
            self._tell()
        return True

    def finish(self, content: dict[str, Any]) -> None:
        """Note the end, with the reply's content."""
        self.reply = content
        self._ended.set()
        self.release()

    def _tell(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def __aiter__(self) -> AsyncIterator[Message]:
        if self._queue is None:
            raise RuntimeError("this run's events go to the session's on_event")
        while True:
            while self._queue:
                event = self._queue.popleft()
                if len(self._queue) == RUN_QUEUE_EVENTS - 1:
                    self._tell()
                yield event
            if self._ended.is_set() or not self._is_open:
                return
            await self._changed.wait()


class Reply:
    """A reply that is awaited, once."""

    def __init__(self) -> None:
        self._event = anyio.Event()
        self._content: dict[str, Any] = {}
        self._error: SandboxLostError | None = None

    @property
    def is_there(self) -> bool:
        """Whether it has come, or never will."""
        return self._event.is_set()

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
