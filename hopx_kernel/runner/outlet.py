"""The one way out of the interpreter: text and events, in the order in which they were made.

What is written goes into memory that the supervisor sees too, and whoever flushes sends it, directly from the writing
thread. In a quiet period a line leaves at once; in a flood it leaves with thousands of others, when they fill that memory
or when the ticker comes by. What has not left when this process ends is shown by the supervisor.
"""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections import deque
from typing import Callable, Deque, Dict, Optional, Set

from ..protocol.messages import Message
from . import forked, limits, parents
from .fd_order import exit_now, write_all
from .interrupts import Interrupts
from .jsonable import line_of
from .pace import Pace
from .shared_page import SharedPage
from .shared_text import SharedText, tag_of
from .text_memory import EVENTS, decode

__all__ = ["Outlet"]

#: Text of one message at most: few messages for a flood, and still a quarter of a frame after escaping.
TEXT_BOUND = 64 * 1024

#: A text longer than the first is written in slices (of ASCII in larger ones, whose bytes are no more), of which the memory
#: for texts holds some; one longer than the second is never held whole, for it may be most of the memory there is: each slice is sent before the next is cut.
SLICE, SENT_TEXT = 16 * 1024, 16 * TEXT_BOUND

#: What `print` writes by itself after each line: Python has each character of ASCII once.
LINE_END = chr(10)

_quote: Callable[[str], str] = json.encoder.encode_basestring_ascii


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
        Keeps whether something has not been sent that is not in `text`, for the case that this process ends before.
    text : SharedText
        Where what is written waits.
    """

    def __init__(
        self,
        sock: socket.socket,
        interrupts: Interrupts,
        settle: Callable[[], None],
        page: SharedPage,
        text: SharedText,
    ) -> None:
        self._sock = sock
        self._interrupts = interrupts
        self._settle = settle
        self._page = page
        self._text = text
        self._tags: Dict[str, Dict[str, bytes]] = {"stdout": {}, "stderr": {}}
        self._ends: Dict[str, Dict[str, bytes]] = {"stdout": {}, "stderr": {}}
        self._heads: Dict[int, bytes] = {}
        #: What does not fit where it cannot be flushed: written by a finalizer or a signal's handler inside of a flush.
        self._late: Deque[bytes] = deque()
        #: Events that could not be sent at once, by the numbers that stand for them in the text.
        self._events: Dict[int, bytes] = {}
        self._event_numbers = itertools.count()
        self._lock, self._naming = threading.Lock(), threading.RLock()
        #: The threads that are inside of a flush, from before they take the lock until they have given it back: a finalizer may
        #: run between any two steps of theirs.
        self._inside: Set[int] = set()
        self.pace = Pace(self.flush, lambda: bool(self._late) or not text.is_empty, lambda: text.records)
        self.is_forked = False
        self.memory_bytes: Optional[int] = None  # the limit, which bounds events

    # ------------------------------------------------------------------ in

    def make_write(self, name: str) -> Callable[[str], int]:
        """The `write` of a text stream; a closure, since a million calls of it must cost little.

        It takes no lock: to add a record is one step, and one that finds no room, or a half that was just closed, is
        added again.
        """
        tags, ends, encode, shared = self._tags[name], self._ends[name], str.encode, self._text
        slice_bound, line_end = SLICE, LINE_END
        get_parent, last, pace = parents.current.get, parents.last, self.pace

        def write(text: str) -> int:
            try:
                length = len(text)
                if text is line_end:
                    shared.open.write(ends[get_parent(last[0])])
                elif length > slice_bound:
                    length = -1
                else:
                    shared.open.write(encode(text) + tags[get_parent(last[0])])
            except (ValueError, KeyError, TypeError, MemoryError):
                length = -1
            if length < 0:  # not in the handler: what interrupts it is to have no cause of ours
                length = self._write_slowly(name, text)
            if pace.is_flood:
                return length
            if text[-1:] == "\n":
                pace.end_line()
            elif not pace.is_armed:
                pace.arm()
            return length

        return write

    def _write_slowly(self, name: str, text: str) -> int:
        """Write what the usual way does not: where there is no room or no memory, or what has no tag or is odd."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        text = str.__str__(text)  # of a class of the user's, the text itself
        if len(text) > SLICE:
            return self._write_slices(name, text)
        self._put(limits.with_room(_record_of, text, limits.with_room(self._find_tag, name)))
        return len(text)

    def _write_slices(self, name: str, text: str) -> int:
        """Write a long text piece by piece; of a very long one each is sent before the next is cut.

        Raises what the code that writes is to see: a `MemoryError` where there is none even for a piece, and an
        interrupt between two of them.
        """
        text = str.__str__(text)
        tag = limits.with_room(self._find_tag, name)
        length, start = len(text), 0
        put, size = self._put, TEXT_BOUND if text.isascii() else SLICE
        if length > SENT_TEXT and not self.is_forked and threading.get_ident() not in self._inside:
            put, size = self._send_record, TEXT_BOUND
        try:
            while start < length:
                end = start + size
                if "\ud800" <= text[end - 1 : end] <= "\udbff":
                    end += 1  # with its other half
                put(_record_of(text[start:end], tag))
                start = end
        finally:
            self.pace.arm()
        self.pace.end_line()
        return length

    def _send_record(self, record: bytes) -> None:
        text = limits.with_room(decode, record[:-2])
        self._flush_all(limits.with_room(self._line_of_text, record[-2], text), text)

    def _put(self, record: bytes) -> None:
        """Add a record, making room for it."""
        while True:
            try:
                self._text.open.write(record)
                return
            except ValueError:
                pass
            if threading.get_ident() in self._inside:
                self._put_late(record)
                return
            self.flush()

    def _put_late(self, record: bytes) -> None:
        self._late.append(record)
        self._page.hold(True)

    def _find_tag(self, name: str) -> bytes:
        """What ends the records of the request that the caller works for."""
        parent_id = parents.current.get(parents.last[0])
        tags = self._tags[name]
        tag = tags.get(parent_id)
        if tag is not None:
            return tag
        self.flush()  # the oldest tag may get another meaning
        with self._interrupts, self._naming:
            tag, before = self._text.make_tag(name, parent_id)
            if before is not None:
                self._tags[before[0]].pop(before[1], None)
                self._ends[before[0]].pop(before[1], None)
            head = '{"msg_type":"stream","parent_id":%s,"content":{"name":"%s","text":' % (_quote(parent_id), name)
            self._heads[tag[0]] = head.encode("ascii")
            self._ends[name][parent_id], tags[parent_id] = b"\n" + tag, tag
        return tag

    def send(self, message: Message) -> None:
        """Send an event after everything that was written before it.

        Values that JSON does not know are shown as their text. Raises `LocalProtocolError` for what is too large.
        """
        if message.msg_type == "stream":
            self._send_text_event(message)
            return
        if self.is_forked:
            self._send_as_text(message)
            return
        line = limits.with_room(line_of, message, self.memory_bytes)
        if threading.get_ident() not in self._inside:
            try:
                self._flush_all(line)
                return
            except MemoryError:
                pass
        limits.with_room(self._put_event, line)
        self.pace.arm()

    def _send_text_event(self, message: Message) -> None:
        """Write what code sends as an event that is text: one way out for all text, which is counted there."""
        token = parents.current.set(message.parent_id)
        try:
            self._write_slowly("stderr" if message.content["name"] == "stderr" else "stdout", message.content["text"])
        finally:
            parents.current.reset(token)
        self.pace.end_line()

    def _put_event(self, line: bytes) -> None:
        """Have an event stand in line with the text, since it cannot be sent here and now."""
        number = next(self._event_numbers)
        self._events[number], record = line, b"%d," % number + tag_of(EVENTS)
        self._page.hold(True)
        try:
            self._text.open.write(record)
        except ValueError:
            self._put_late(record)

    # ------------------------------------------------------------------ out

    def flush(self) -> None:
        """Send everything that is there, in this thread."""
        if threading.get_ident() in self._inside:
            return  # a signal handler or finalizer inside a flush: the outer one takes its text along, or the ticker
        if self.is_forked:
            self._write_to_fds()
        else:
            self._flush_all()

    def _flush_all(self, event: Optional[bytes] = None, text: str = "") -> None:
        """Send everything that is there, and after it an event, which may be a text's.

        Nothing of the event is sent where there is no memory.
        """
        ident = threading.get_ident()
        with self._interrupts:
            try:
                self._inside.add(ident)
                with self._lock:
                    for _ in range(2):  # what a flush before has left, and what was written since; others go on writing
                        if not self._text.is_empty or self._late:
                            self._settle()
                            self._send_text(len(self._late))
                    if event is not None:
                        self._settle()
                        account = self._text.reckon(text)
                        self._send_line(event)
                        self._text.note(account)
            finally:
                self._inside.discard(ident)

    def _send_text(self, late: int) -> None:
        """Send what is there, and then so many that were late for it: what cannot be sent for want of memory stays."""
        try:
            if limits.with_room(self._text.take):
                while limits.with_room(self._send_next):
                    continue
            for _ in range(late):
                limits.with_room(self._send_late)
        except MemoryError:
            raise
        except BaseException:
            self._text.give_up()  # nobody will ever take it
            raise
        self._page.hold(bool(self._late or self._events))

    def _send_next(self) -> bool:
        run = self._text.next()
        if run is None:
            return False
        source, data, position = run
        if source == EVENTS:
            account = self._text.reckon("", position)
            self._send_events(data)
        else:
            text = decode(data)
            account = self._text.reckon(text, position)  # before: afterwards there may be no memory for it
            self._send_line(self._line_of_text(source, text, b"+%d " % position))
        self._text.sent(account)
        return True

    def _line_of_text(self, source: int, text: str, mark: bytes = b"") -> bytes:
        return b"%s%s%s}}\n" % (mark, self._heads[source], _quote(text).encode("ascii"))

    def _send_events(self, numbers: bytes) -> None:
        for number in map(int, numbers.split(b",")[:-1]):
            line = self._events.get(number)
            if line is not None:
                self._send_line(line)
                del self._events[number]

    def _send_late(self) -> None:
        record = self._late[0]
        if record[-2] == EVENTS:
            self._send_events(record[:-2])
        else:
            text = decode(record[:-2])
            account = self._text.reckon(text)
            self._send_line(self._line_of_text(record[-2], text))
            self._text.note(account)
        self._late.popleft()

    def _send_line(self, line: bytes) -> None:
        try:
            self._sock.sendall(line)
        except (BrokenPipeError, ConnectionResetError):
            # The supervisor is gone, and this process is ended with it: nobody is to be told of that by more text.
            exit_now(1)

    # ------------------------------------------------------------------ forked children

    def reset_after_fork(self) -> None:
        """In a forked child: what waits is the parent's, the socket is not for the child, text goes to the fds."""
        self.is_forked = True
        self.pace.reset_after_fork()
        self._lock, self._naming = threading.Lock(), threading.RLock()
        self._inside.clear()
        for tags in (*self._tags.values(), *self._ends.values()):
            tags.clear()
        self._late.clear()
        self._events.clear()
        self._page = SharedPage()  # the other is the parent's, and so is what is to be sent
        self._text.reset_after_fork()
        self._sock.close()

    def _send_as_text(self, message: Message) -> None:
        name, text = forked.text_of(message)
        if text:
            self._put(_record_of(text, self._find_tag(name)))
        self.flush()

    def _write_to_fds(self) -> None:
        while not self._text.is_empty:
            self._text.take()
            while (run := self._text.next()) is not None:
                is_stderr = self._text.source(run[0])[0] == "stderr"
                write_all(2 if is_stderr else 1, decode(run[1]).encode("utf-8", "replace"))
                self._text.sent(self._text.reckon("", run[2]))  # whoever reads those counts it


def _record_of(text: str, tag: bytes) -> bytes:
    return text.encode("utf-8", "surrogatepass") + tag
