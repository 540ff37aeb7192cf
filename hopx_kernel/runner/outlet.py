"""The one way out of the interpreter: text and events, in the order in which they were made.

What is written goes into one list, and whoever flushes sends it, directly from the writing thread. In a quiet period a
line leaves at once; in a flood it leaves with thousands of others, when they are enough or when the ticker comes by.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import threading
import time
from typing import Any, Callable, List, Tuple

from ..errors import LocalProtocolError
from ..protocol.frames import dump_message
from ..protocol.messages import Message
from .interrupts import Interrupts
from .jsonable import jsonable, printable
from .parents import get_parent_id

__all__ = ["Outlet"]

#: Text of one message at most: few messages for a flood, and still a quarter of a frame after escaping.
TEXT_BOUND = 64 * 1024

#: So many lines may leave one by one before the ticker has to come by again.
LINES_AT_ONCE = 64

#: How long a line without an end, and a line in a flood, wait, in seconds.
PARTIAL_SECONDS, FLOOD_SECONDS = 0.002, 0.01

_Entry = Tuple[str, str, Any]
_quote: Callable[[str], str] = json.encoder.encode_basestring_ascii  # type: ignore[attr-defined]


class Outlet:
    """Everything that the interpreter sends.

    Parameters
    ----------
    sock : socket.socket
        Ours of the pair whose other end the supervisor reads.
    interrupts : Interrupts
        Keeps a SIGINT from cutting a line in half.
    settle : callable
        Waits until what was written to the file descriptors before has been taken.
    """

    def __init__(self, sock: socket.socket, interrupts: Interrupts, settle: Callable[[], None]) -> None:
        self._sock = sock
        self._interrupts = interrupts
        self._settle = settle
        self._pending: List[_Entry] = []
        self._size = 0
        self._lock = threading.Lock()
        self._owner = 0
        self._credit = LINES_AT_ONCE
        self._flooded = False
        self._armed = False
        self._wake = threading.Event()
        self._forked = False

    # ------------------------------------------------------------------ in

    def make_write(self, name: str) -> Callable[[str], int]:
        """The `write` of a text stream; a closure, since a million calls of it must cost little."""
        append = self._pending.append
        get_parent = get_parent_id

        def write(text: str) -> int:
            if not isinstance(text, str):
                raise TypeError(f"write() argument must be str, not {type(text).__name__}")
            append((get_parent(), name, text))
            length = len(text)
            if self._flooded:
                self._size += length
                if self._size > TEXT_BOUND:
                    self.flush()
            elif text[-1:] == "\n":
                self.flush_soon()
            elif length > TEXT_BOUND:
                self.flush()
            elif not self._armed:
                self._arm()
            return length

        return write

    def flush_soon(self) -> None:
        """Send what is there at once while it is quiet; in a flood the ticker does."""
        if not self._flooded:
            self._credit -= 1
            if self._credit < 0:
                self._flooded = True
            if not self._armed:
                self._arm()
            self.flush()

    def send(self, message: Message) -> None:
        """Send an event after everything that was written before it.

        Values that JSON does not know are shown as their text; nothing raises for them.
        """
        try:
            line = dump_message(message)
        except LocalProtocolError:
            line = dump_message(_cleaned(message))
        if b"\\ud" in line:
            line = dump_message(_cleaned(message))
        self._pending.append(("", "", line))
        self.flush()

    # ------------------------------------------------------------------ out

    def flush(self) -> None:
        """Send everything that is there, in this thread."""
        me = threading.get_ident()
        if self._owner == me:
            return  # a signal handler or finalizer inside a flush: the outer one takes its text along
        if self._forked:
            self._write_to_fds()
            return
        with self._interrupts, self._lock:
            self._owner = me
            try:
                while self._pending:
                    self._send_batch()
            finally:
                self._owner = 0

    def _send_batch(self) -> None:
        count = len(self._pending)
        batch = self._pending[:count]
        del self._pending[:count]
        self._size = 0
        self._settle()
        start = 0
        while start < count:
            parent_id, name, value = batch[start]
            if not name:
                self._sock.sendall(value + b"\n")
                start += 1
                continue
            end = start + 1
            while end < count and batch[end][1] == name and batch[end][0] == parent_id:
                end += 1
            self._send_text(parent_id, name, "".join([entry[2] for entry in batch[start:end]]))
            start = end

    def _send_text(self, parent_id: str, name: str, text: str) -> None:
        text = printable(text)
        head = '{"msg_type":"stream","parent_id":%s,"content":{"name":"%s","text":' % (_quote(parent_id), name)
        for start in range(0, len(text), TEXT_BOUND):
            self._sock.sendall((head + _quote(text[start : start + TEXT_BOUND]) + "}}\n").encode("ascii"))

    # ------------------------------------------------------------------ the ticker

    def _arm(self) -> None:
        self._armed = True
        self._wake.set()

    def start_ticker(self) -> None:
        """Start the thread that sends what nobody else does."""
        threading.Thread(target=self._tick, name="hopx-ticker", daemon=True).start()

    def _tick(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            time.sleep(PARTIAL_SECONDS)
            while True:
                busy = bool(self._pending) or self._credit < LINES_AT_ONCE
                self.flush()
                self._credit = LINES_AT_ONCE
                if not busy:
                    break
                time.sleep(FLOOD_SECONDS)
            self._flooded = False
            self._armed = False
            # A write between the flush and the line above found the ticker armed.
            self.flush()

    # ------------------------------------------------------------------ forked children

    def reset_after_fork(self) -> None:
        """In a forked child: what waits is the parent's, the socket is not for the child, text goes to the fds."""
        self._forked = True
        self._flooded, self._armed = False, True
        self._lock = threading.Lock()
        self._owner = 0
        self._pending.clear()
        self._sock.close()

    def _write_to_fds(self) -> None:
        batch = self._pending[:]
        del self._pending[: len(batch)]
        for name, entries in itertools.groupby(batch, key=lambda entry: entry[1]):
            if name:
                text = "".join([entry[2] for entry in entries])
                write_all(2 if name == "stderr" else 1, printable(text).encode("utf-8", "replace"))


def write_all(fd: int, data: bytes) -> None:
    """Write to a file descriptor; what it does not take is lost, as on a closed terminal."""
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError:
        pass


def _cleaned(message: Message) -> Message:
    return Message(
        msg_type=message.msg_type,
        content=jsonable(message.content),
        msg_id=message.msg_id,
        parent_id=message.parent_id,
        metadata=jsonable(message.metadata),
        buffers=message.buffers,
    )
