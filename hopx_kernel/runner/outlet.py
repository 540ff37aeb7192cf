"""The one way out of the interpreter: text and events, in the order in which they were made.

What is written goes into one list, and whoever flushes sends it, directly from the writing thread. In a quiet period a
line leaves at once; in a flood it leaves with thousands of others, when they are enough or when the ticker comes by.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, List, Optional

from ..errors import LocalProtocolError
from ..protocol.frames import dump_message
from ..protocol.messages import Message
from . import forked, limits, parents
from .interrupts import Interrupts
from .jsonable import jsonable, printable
from .shared_page import SharedPage

__all__ = ["Outlet"]

#: Text of one message at most: few messages for a flood, and still a quarter of a frame after escaping.
TEXT_BOUND = 64 * 1024

#: Texts longer than the first are counted; at the second whoever writes has to send them itself. Shorter ones are bound
#: by their number, to 4 MiB, without the cost of counting.
LONG_TEXT, LONG_BOUND = 128, 4 * TEXT_BOUND

#: A text longer than this is never held whole: it is sent in slices by whoever writes it.
SLICED_TEXT = 16 * TEXT_BOUND

#: So many lines may leave one by one before the ticker has to come by again: a message for each of more would cost the
#: host more than it shows. And so few writes between two of its visits, so many times in a row, are no flood any more: on
#: a busy machine who writes may miss one.
LINES_AT_ONCE, QUIET_WRITES, QUIET_VISITS = 20, 8, 3

#: How long a line without an end, and a line in a flood, wait, in seconds; the longer the flood, the longer.
PARTIAL_SECONDS, FLOOD_SECONDS, LONG_FLOOD_SECONDS = 0.002, 0.01, 0.05

#: Writes that may wait in a flood before whoever writes has to send them itself.
WAITING_WRITES = 32 * 1024

_quote: Callable[[str], str] = json.encoder.encode_basestring_ascii


class _Segment:
    """Text of one request on one stream, written in a row; or, without a name, an event's line.

    `text` is what has been taken out of `parts`, and sent up to `sent`: whoever meets the end of the memory goes on there.
    """

    __slots__ = ("name", "parent_id", "parts", "sent", "text")

    def __init__(self, parent_id: str, name: str, part: Any) -> None:
        self.parent_id = parent_id
        self.name = name
        self.parts: List[Any] = [part]
        self.text, self.sent = "", 0


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
    page : SharedPage
        Keeps whether something has not been sent, for the case that this process ends before.
    """

    def __init__(
        self, sock: socket.socket, interrupts: Interrupts, settle: Callable[[], None], page: SharedPage
    ) -> None:
        self._sock = sock
        self._interrupts = interrupts
        self._settle = settle
        self._page = page
        self._segments: Deque[_Segment] = deque()
        self._open: Optional[_Segment] = None
        self._long = 0
        self._lock = threading.Lock()
        self._owner = 0
        self._credit = LINES_AT_ONCE
        self._flooded = False
        self._armed = False
        self._asleep = threading.Lock()  # held while the ticker has nothing to do; an `Event` would need memory
        self._asleep.acquire()
        self.is_forked = False

    # ------------------------------------------------------------------ in

    def make_write(self, name: str) -> Callable[[str], int]:
        """The `write` of a text stream; a closure, since a million calls of it must cost little.

        It takes no lock. A writer that finds its segment closed after it has added to it puts it in line once more: a
        flush that came between has either taken the text, or leaves it for the next one.
        """
        segments = self._segments
        get_parent, last = parents.current.get, parents.last

        def write(text: str) -> int:
            if not isinstance(text, str):
                raise TypeError(f"write() argument must be str, not {type(text).__name__}")
            length = len(text)
            if length > SLICED_TEXT:
                return self._write_slices(write, text)
            parent_id = get_parent(last[0])
            segment = self._open
            if segment is not None and segment.name is name and segment.parent_id is parent_id:
                segment.parts.append(text)
                if self._open is not segment:
                    segments.append(segment)
                    self._page.write()
            else:
                segment = _Segment(parent_id, name, text)
                segments.append(segment)
                self._open = segment
                self._page.write()
            if length > LONG_TEXT:
                self._long += length
                if self._long > LONG_BOUND:
                    self._try_flush()
            if self._flooded:
                if len(segment.parts) > WAITING_WRITES:
                    self._try_flush()
            elif text[-1:] == "\n":
                self.flush_soon()
            elif not self._armed:
                self._arm()
            return length

        return write

    def _write_slices(self, write: Callable[[str], int], text: str) -> int:
        """Write a long text piece by piece, each sent before the next is cut: it may be most of the memory there is.

        Raises what the code that writes is to see: a `MemoryError` where there is none even for a piece, and an
        interrupt between two of them.
        """
        text = str.__str__(text)  # of a class of the user's, the text itself
        length = len(text)
        start = 0
        while start < length:
            end = start + TEXT_BOUND
            if "\ud800" <= text[end - 1 : end] <= "\udbff":
                end += 1  # with its other half
            write(text[start:end])
            self.flush()
            start = end
        return length

    def flush_soon(self) -> None:
        """Send what is there at once while it is quiet; in a flood the ticker does."""
        if not self._flooded:
            self._credit -= 1
            if self._credit < 0:
                self._flooded = True
            if not self._armed:
                self._arm()
            self._try_flush()
        elif len(self._segments) > WAITING_WRITES:
            self._try_flush()

    def _try_flush(self) -> None:
        try:
            self.flush()
        except MemoryError:
            self._arm()  # it stands in line, and leaves when the ticker comes by

    def send(self, message: Message) -> None:
        """Send an event after everything that was written before it.

        Values that JSON does not know are shown as their text; nothing raises for them.
        """
        if self.is_forked:
            self._send_as_text(message)
            return
        segment = limits.with_room(_line_of, message)
        limits.with_room(self._segments.append, segment)
        self._open = None
        if message.parent_id and not message.msg_type.endswith("_reply"):  # something that is to be seen
            self._page.write()
        self._try_flush()

    # ------------------------------------------------------------------ out

    def flush(self) -> None:
        """Send everything that is there, in this thread."""
        me = threading.get_ident()
        if self._owner == me:
            return  # a signal handler or finalizer inside a flush: the outer one takes its text along
        if self.is_forked:
            self._write_to_fds()
            return
        with self._interrupts, self._lock:
            self._owner = me
            try:
                written = self._page.written
                while self._segments:
                    self._settle()
                    written = self._page.written
                    self._send_segments(len(self._segments))
                self._page.sent(written)
            finally:
                self._owner = 0

    def _send_segments(self, count: int) -> None:
        """Send the first ones; each stays in line until it has been sent, for there may be no memory to send it with."""
        self._open, self._long = None, 0
        for _ in range(count):
            try:
                limits.with_room(self._send_segment, self._segments[0])
            except MemoryError:
                raise
            except BaseException:
                self._segments.popleft()  # nobody will ever take it
                raise
            self._segments.popleft()

    def _send_segment(self, segment: _Segment) -> None:
        if not segment.name:
            self._sock.sendall(segment.parts[0])
            return
        while segment.text or segment.parts:
            if not segment.text:
                segment.text = _take_text(segment)
            while segment.sent < len(segment.text):
                end = segment.sent + TEXT_BOUND
                self._send_text(segment, segment.text[segment.sent : end])
                segment.sent = end
            segment.text, segment.sent = "", 0

    def _send_text(self, segment: _Segment, text: str) -> None:
        head = '{"msg_type":"stream","parent_id":%s,"content":{"name":"%s","text":' % (
            _quote(segment.parent_id),
            segment.name,
        )
        self._sock.sendall((head + _quote(text) + "}}\n").encode("ascii"))

    # ------------------------------------------------------------------ the ticker

    def _arm(self) -> None:
        self._armed = True
        if self._asleep.locked():
            try:
                self._asleep.release()
            except RuntimeError:
                pass  # another thread has done so in between

    def start_ticker(self) -> None:
        """Start the thread that sends what nobody else does."""
        threading.Thread(target=self._tick, name="hopx-ticker", daemon=True).start()

    def _tick(self) -> None:
        is_done = True
        while True:
            try:
                if is_done:
                    self._asleep.acquire()
                is_done = False
                time.sleep(PARTIAL_SECONDS)
                self._tick_on()
                is_done = True
            except MemoryError:
                continue  # what could not be sent is sent by the next turn

    def _tick_on(self) -> None:
        pause, quiet = FLOOD_SECONDS, 0
        while True:
            waiting = sum([len(segment.parts) for segment in list(self._segments)])
            busy = waiting or self._credit < LINES_AT_ONCE
            self.flush()
            quiet = 0 if waiting > QUIET_WRITES else quiet + 1
            self._flooded = self._flooded and quiet < QUIET_VISITS
            self._credit = LINES_AT_ONCE
            if not busy and not self._flooded:
                break
            pause = min(pause * 1.5, LONG_FLOOD_SECONDS) if self._flooded else FLOOD_SECONDS
            time.sleep(pause)
        self._flooded = False
        self._armed = False
        # A write between the flush and the line above found the ticker armed.
        self.flush()

    # ------------------------------------------------------------------ forked children

    def reset_after_fork(self) -> None:
        """In a forked child: what waits is the parent's, the socket is not for the child, text goes to the fds."""
        self.is_forked = True
        # There is no ticker, so that each line has to leave by itself, as on a terminal.
        self._flooded, self._armed, self._credit = False, True, sys.maxsize
        self._lock = threading.Lock()
        self._owner = 0
        self._segments.clear()
        self._open, self._long = None, 0
        self._page = SharedPage()  # the other is the parent's
        self._sock.close()

    def _send_as_text(self, message: Message) -> None:
        name, text = forked.text_of(message)
        if text:
            self._segments.append(_Segment("", name, text))
            self._open = None
        self.flush()

    def _write_to_fds(self) -> None:
        self._open, self._long = None, 0
        while self._segments:
            segment = self._segments.popleft()
            while segment.name and segment.parts:
                text = _take_text(segment)
                write_all(2 if segment.name == "stderr" else 1, text.encode("utf-8", "replace"))


def _take_text(segment: _Segment) -> str:
    """Take what is there out of a segment; where there is no memory for all of it at once, the first of it."""
    parts = segment.parts
    count = len(parts)
    while True:
        try:
            text = printable("".join(parts[:count]))
        except MemoryError:
            if count == 1:
                raise
            count = (count + 1) // 2
        else:
            del parts[:count]
            return text


def _line_of(message: Message) -> _Segment:
    try:
        line = dump_message(message)
    except LocalProtocolError:
        line = dump_message(_cleaned(message))
    if b"\\ud" in line:
        line = dump_message(_cleaned(message))
    return _Segment("", "", line + b"\n")


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
