"""The way out to every front end: bounded in memory, patient with a slow one, and not stopped by a stuck one.

ipykernel's own iopub thread takes any amount and lets zmq drop what a slow subscriber does not fetch. Here the bytes
under way are counted, the kernel waits when they are many, and a message is only dropped for a subscriber that has
taken nothing for `PATIENCE_SECONDS`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import zmq
from ipykernel.iostream import IOPubThread

__all__ = ["FlowControlledIOPubThread", "Room"]

#: Bytes on the way to the socket at which the kernel waits, and below which it goes on.
HIGH_WATER_BYTES = 4 << 20
LOW_WATER_BYTES = 1 << 20

#: How long a subscriber may take nothing while its queue is full, in seconds. A page that draws a large plot is slow
#: for a second or two; a client that never reads its iopub channel costs every cell this long once, and no more.
PATIENCE_SECONDS = 10.0

#: Messages in zmq's queue for one subscriber. With messages of at most a few hundred KiB it bounds that queue too.
QUEUE_MESSAGES = 200

_RETRY_SECONDS = 0.001


class FlowControlledIOPubThread(IOPubThread):
    """ipykernel's iopub thread, with a bound on what it holds and a queue that does not drop for the merely slow."""

    def __init__(self, socket: Any, pipe: bool = False, session: Any = False) -> None:
        super().__init__(socket, pipe=pipe, session=session)
        socket.setsockopt(zmq.XPUB_NODROP, 1)
        self._count_lock = threading.Lock()
        self._bytes_under_way = 0
        self._on_room: Callable[[], None] | None = None
        self._stuck = False

    @property
    def bytes_under_way(self) -> int:
        """Bytes that were given to this thread and are not with zmq yet."""
        return self._bytes_under_way

    def call_on_room(self, function: Callable[[], None]) -> None:
        """Have `function` called, in any thread, whenever the bytes under way fall below the low water mark."""
        self._on_room = function

    def send_multipart(self, msg: Any, *_: Any, **__: Any) -> None:
        """Send a message, from any thread, without waiting."""
        size = sum(map(len, msg))
        with self._count_lock:
            self._bytes_under_way += size
        self.schedule(lambda: self._send_counted(msg, size))

    def _send_counted(self, msg: Any, size: int) -> None:
        try:
            if not self.closed:
                self._send_patiently(msg)
        finally:
            with self._count_lock:
                before = self._bytes_under_way
                self._bytes_under_way = after = before - size
            if before >= LOW_WATER_BYTES > after and self._on_room is not None:
                self._on_room()

    def _send_patiently(self, msg: Any) -> None:
        deadline = time.monotonic() + (0 if self._stuck else PATIENCE_SECONDS)
        while True:
            try:
                # Nothing is sent when the first part does not fit, and all parts fit when the first does.
                self.socket.send_multipart(msg, zmq.NOBLOCK)
                self._stuck = False
                return
            except zmq.Again:
                if self._stopped or time.monotonic() >= deadline:
                    break
            except (AttributeError, zmq.ZMQError) as exc:
                if isinstance(exc, AttributeError) or exc.errno == zmq.ENOTSOCK:
                    return  # closed by another thread at shutdown
                raise
            time.sleep(_RETRY_SECONDS)
        self._stuck = True
        self._send_dropping(msg)

    def _send_dropping(self, msg: Any) -> None:
        """Send to those who take it; whoever has a full queue loses this message, as with any Jupyter kernel."""
        self.socket.setsockopt(zmq.XPUB_NODROP, 0)
        try:
            self.socket.send_multipart(msg, zmq.NOBLOCK)
        finally:
            self.socket.setsockopt(zmq.XPUB_NODROP, 1)


class Room:
    """Lets the main loop wait until the iopub thread has room."""

    def __init__(self, thread: FlowControlledIOPubThread, call_soon_threadsafe: Callable[..., Any]) -> None:
        self._thread = thread
        self._event = anyio.Event()
        thread.call_on_room(lambda: call_soon_threadsafe(self._wake))

    def _wake(self) -> None:
        self._event.set()
        self._event = anyio.Event()

    async def wait(self) -> None:
        """Return at once while there is room, else when there is again."""
        while self._thread.bytes_under_way >= HIGH_WATER_BYTES:
            event = self._event
            # The thread may have drained between the look and the wait; its call then comes to this same loop.
            if self._thread.bytes_under_way >= HIGH_WATER_BYTES:
                await event.wait()
