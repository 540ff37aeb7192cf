"""The kernel's zmq sockets in the main loop: each hands on what comes, and sends what it is given.

Imports zmq and asyncio. Knows frames, no messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import zmq

__all__ = ["Channel", "Frames"]

#: How long what was sent last may take to leave when the kernel ends, in milliseconds.
LINGER_MILLISECONDS = 1000

#: Messages that are taken in one go, so that a flood of them keeps nothing else waiting.
_MESSAGES_A_TURN = 100

Frames = list[bytes]


class Channel:
    """A socket, used in the thread of the main loop only.

    Parameters
    ----------
    socket : zmq.Socket
        Bound already.
    on_message : callable
        Takes the frames of every message, in order; must not raise.
    """

    def __init__(self, socket: zmq.Socket[bytes], on_message: Callable[[Frames], None]) -> None:
        self._socket = socket
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._is_due = False
        self._fd = int(socket.getsockopt(zmq.FD))
        self._loop.add_reader(self._fd, self._take_some)
        self._wake()

    def send(self, frames: list[Any]) -> None:
        """Send a message without waiting. Raises `zmq.Again` where the socket has no room and does not drop."""
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        finally:
            self._wake()

    def drain(self) -> None:
        """Take every message that has arrived."""
        while self._take_some() == _MESSAGES_A_TURN:
            continue

    def close(self) -> None:
        """Close the socket, when it has sent what it was given."""
        self._loop.remove_reader(self._fd)
        self._socket.close(LINGER_MILLISECONDS)

    def _wake(self) -> None:
        # zmq's descriptor tells only of changes, and whatever else is done with the socket may swallow one.
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._take_some)

    def _take_some(self) -> int:
        self._is_due = False
        if self._socket.closed:
            return 0
        for count in range(_MESSAGES_A_TURN):
            if not int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                return count
            self._on_message(self._socket.recv_multipart(zmq.NOBLOCK))
        self._wake()
        return _MESSAGES_A_TURN
