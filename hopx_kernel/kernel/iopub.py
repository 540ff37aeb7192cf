"""The way out to every front end: bounded in memory, patient with a slow one, and not stopped by a stuck one.

zmq drops what a slow subscriber does not fetch. Here the bytes that wait are counted, the kernel waits when they are
many, and a message is only dropped for a subscriber that has taken nothing for `PATIENCE_SECONDS`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import anyio
import zmq

from .channels import Channel, Frames

__all__ = ["Iopub"]

#: Bytes that wait for the socket at which the kernel waits too, and below which it goes on.
HIGH_WATER_BYTES = 4 << 20
LOW_WATER_BYTES = 1 << 20

#: How long a subscriber may take nothing while its queue is full, in seconds. A page that draws a large plot is slow
#: for a second or two; a client that never reads its iopub channel costs every cell this long once, and no more.
PATIENCE_SECONDS = 10.0

_RETRY_SECONDS = 0.001


class Iopub:
    """The iopub channel, used in the thread of the main loop only.

    Parameters
    ----------
    socket : zmq.Socket
        An XPUB, bound already.
    on_subscription : callable
        Takes the topic of every new subscription.

    Attributes
    ----------
    subscribed : anyio.Event
        Set as soon as anybody listens.
    """

    def __init__(self, socket: zmq.Socket[bytes], on_subscription: Callable[[bytes], None]) -> None:
        socket.setsockopt(zmq.XPUB_NODROP, 1)
        self._socket = socket
        self._on_subscription = on_subscription
        self.subscribed = anyio.Event()
        self._channel = Channel(socket, self._take)
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[list[Any]] = deque()
        self._waiting_bytes = 0
        self._deadline = 0.0
        self._is_stuck = False
        self._is_taking = False
        self._room = anyio.Event()

    def send(self, frames: list[Any]) -> None:
        """Send a message, now or as soon as every subscriber has room for it."""
        if not self._is_taking:
            self._channel.drain()  # whoever has just come is welcomed first
        if not self._waiting and self._is_sent(frames):
            return
        self._waiting_bytes += _size(frames)
        self._waiting.append(frames)
        if len(self._waiting) == 1:
            self._deadline = time.monotonic() + (0.0 if self._is_stuck else PATIENCE_SECONDS)
            self._loop.call_soon(self._send_waiting)

    async def wait_room(self) -> None:
        """Return at once while there is room, else when there is again."""
        while self._waiting_bytes >= HIGH_WATER_BYTES:
            await self._room.wait()

    def close(self) -> None:
        """Close the channel; what still waits is sent to those who take it at once."""
        while self._waiting:
            self._send_dropping(self._waiting.popleft())
        self._channel.close()

    def _take(self, frames: Frames) -> None:
        self._is_taking = True  # the next is taken after this one, not within it, however many there are
        try:
            for frame in frames:
                if frame[:1] == b"\x01":
                    self.subscribed.set()
                    self._on_subscription(frame[1:])
        finally:
            self._is_taking = False

    def _is_sent(self, frames: list[Any]) -> bool:
        try:
            # Nothing is sent when the first part does not fit, and all parts fit when the first does.
            self._channel.send(frames)
        except zmq.Again:
            return False
        self._is_stuck = False
        return True

    def _send_waiting(self) -> None:
        while self._waiting and not self._socket.closed:
            frames = self._waiting[0]
            if not self._is_sent(frames):
                if time.monotonic() < self._deadline:
                    self._loop.call_later(_RETRY_SECONDS, self._send_waiting)
                    return
                self._is_stuck = True
                self._send_dropping(frames)
            self._waiting.popleft()
            before, self._waiting_bytes = self._waiting_bytes, self._waiting_bytes - _size(frames)
            self._deadline = time.monotonic() + (0.0 if self._is_stuck else PATIENCE_SECONDS)
            if before >= LOW_WATER_BYTES > self._waiting_bytes:
                self._room.set()
                self._room = anyio.Event()

    def _send_dropping(self, frames: list[Any]) -> None:
        """Send to those who take it; whoever has a full queue loses this message, as with any Jupyter kernel."""
        self._socket.setsockopt(zmq.XPUB_NODROP, 0)
        try:
            self._channel.send(frames)
        finally:
            self._socket.setsockopt(zmq.XPUB_NODROP, 1)


def _size(frames: list[Any]) -> int:
    return sum(memoryview(frame).nbytes for frame in frames)
