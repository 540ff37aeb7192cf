"""Bytes out to a runner: in order, never cut by a cancellation, and never for ever. Imports anyio and the errors."""

from __future__ import annotations

from collections import deque

import anyio
from anyio.abc import ByteSendStream

from .errors import SandboxLostError

__all__ = ["Sender"]

#: How long the runner may take nothing of what is sent to it, in seconds. It reads whatever its interpreter does.
STALL_SECONDS = 20.0

#: What is sent in one go: each such piece has the whole time.
PIECE_BYTES = 1 << 18


class Sender:
    """Sends one thing after another, in a task of its own: who gives up waiting for that cuts nothing in half.

    Parameters
    ----------
    stream : ByteSendStream
        Where to.
    """

    def __init__(self, stream: ByteSendStream) -> None:
        self._stream = stream
        self._queue: deque[tuple[bytes, anyio.Event]] = deque()
        self._wanted = anyio.Event()
        self._error: SandboxLostError | None = None

    def post(self, data: bytes) -> anyio.Event:
        """Have bytes sent, without waiting; gives what is set when they are, or never will be."""
        event = anyio.Event()
        if self._error is not None:
            event.set()
            return event
        self._queue.append((data, event))
        self._wanted.set()
        return event

    async def send(self, data: bytes) -> None:
        """Send bytes. Raises `SandboxLostError` where they do not arrive."""
        await self.post(data).wait()
        if self._error is not None:
            raise self._error

    def fail(self, error: SandboxLostError) -> None:
        """Send nothing more: everybody who waits gets this error."""
        self._error = self._error or error
        while self._queue:
            self._queue.popleft()[1].set()

    async def run(self) -> None:
        """Send until it fails; raises `SandboxLostError` then, after those who wait have got it too."""
        while True:
            while self._queue:
                data, event = self._queue[0]
                try:
                    await self._send(data)
                except SandboxLostError as exc:
                    self.fail(exc)
                    raise
                finally:
                    event.set()
                if self._queue:
                    self._queue.popleft()
            self._wanted = anyio.Event()
            await self._wanted.wait()

    async def _send(self, data: bytes) -> None:
        for start in range(0, len(data), PIECE_BYTES):
            with anyio.move_on_after(STALL_SECONDS) as scope:
                try:
                    await self._stream.send(data[start : start + PIECE_BYTES])
                except (anyio.BrokenResourceError, anyio.ClosedResourceError) as exc:
                    raise SandboxLostError("the sandbox no longer takes requests") from exc
            if scope.cancelled_caught:
                raise SandboxLostError(f"the sandbox took nothing of a request for {STALL_SECONDS:.0f} s")
