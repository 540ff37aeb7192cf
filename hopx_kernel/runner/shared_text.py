"""Text that the interpreter has written and not sent yet, in memory that it shares with the supervisor.

What `print` has returned from is there before it returns, so that no end of the interpreter loses it: the supervisor
takes from here what has not come by the channel. Code in the interpreter can write to this memory too; so nothing hangs
on it but what is shown as that code's output, and not more than it holds. Of a record that was being added when the
interpreter was killed, zeros stand for what was not there yet.

The text stands in one of two halves, and while that one is sent, writers go on in the other. They need no lock: adding
to a half is one step of `mmap`, which moves its position along; a half is closed to them by moving its position to its
end, in the step that also tells how much there is.
"""

from __future__ import annotations

import mmap
from collections import deque
from itertools import groupby
from typing import Deque, Dict, List, Optional, Tuple

__all__ = ["EVENTS", "SharedText", "read_position"]

#: Bytes of one half: a flood fills some hundreds of them, and what is quiet touches a page of each.
_HALF_BYTES = 128 * 1024

#: What is read at once. More than a record may have, and little enough for one message.
_PART_BYTES = 64 * 1024 + 16

#: Ends each record, after the byte that says whose it is; UTF-8 has no such byte.
_END = b"\xff"

#: Whose a record can be: requests and their streams, of which the oldest makes room; the first one stands for events.
EVENTS, *_SOURCES = range(64)

#: Bytes for the name of one source: a digit for the stream, the id of the request.
_NAME_BYTES = 256

#: Positions have so many digits at most.
_DIGITS = 20

_PAGE = bytes(4096)

#: Texts of one source in a row: the source, the text, and where in the half it ends.
_Run = Tuple[int, bytes, int]


class SharedText:
    """Both halves, and the names of the sources. Made before the fork.

    Attributes
    ----------
    open : mmap
        Where to `write` a record: text in UTF-8, and a tag. `ValueError` where it does not fit, or has just been closed.
    records : int
        How many have been read in order to be sent.
    """

    def __init__(self) -> None:
        self._set_up()

    def _set_up(self) -> None:
        self._halves = [mmap.mmap(-1, _HALF_BYTES) for _ in range(2)]
        self._halves[1].seek(_HALF_BYTES)
        self._names = mmap.mmap(-1, (_SOURCES[-1] + 1) * _NAME_BYTES)
        self._shared_turns = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")
        self.open = self._halves[0]
        self.records = 0
        self._turn = 0
        self._closed: Optional[mmap.mmap] = None
        self._start, self._end = 0, -1
        self._runs: Deque[_Run] = deque()
        self._sources: Dict[int, Tuple[str, str]] = {}
        self._next_source = 0

    # ------------------------------------------------------------------ the interpreter's, by one thread at a time

    def make_tag(self, name: str, parent_id: str) -> Tuple[bytes, Optional[Tuple[str, str]]]:
        """What ends records of a stream and a request; and whose tag it was before, of whom nothing may be left here."""
        source = _SOURCES[self._next_source]
        before = self._sources.get(source)
        text = b"%d%s" % (2 if name == "stderr" else 1, parent_id.encode("utf-8", "replace"))
        if len(text) > _NAME_BYTES:
            text = text[:1]
        at = source * _NAME_BYTES
        self._names[at : at + _NAME_BYTES] = text.ljust(_NAME_BYTES, b"\0")
        self._sources[source], self._next_source = (name, parent_id), (self._next_source + 1) % len(_SOURCES)
        return tag_of(source), before

    def source(self, number: int) -> Tuple[str, str]:
        """The stream and the request of a source."""
        return self._sources.get(number, ("stdout", ""))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is there."""
        return self._closed is None and not self.open.tell()

    def take(self) -> bool:
        """Close the half that is written to, if something is there, and open the other; whether there is a closed one."""
        if self._closed is None:
            if not self.open.tell():
                return False
            turn = self._turn + 1
            half = self._halves[turn % 2]
            self._shared_turns[turn % 2] = turn
            self._start, self._end = 0, -1
            half.seek(0)
            self._closed, self.open, self._turn = self.open, half, turn
        if self._end < 0:
            self._end = _HALF_BYTES - len(self._closed.read())
        return True

    def next(self) -> Optional[Tuple[int, bytes, int]]:
        """Of the closed half what is to be sent next: its source, its text, and the position of its end; None after it."""
        closed = self._closed
        if closed is None:
            return None
        if not self._runs:
            runs, records = _read(closed, self._start, self._end)
            self._runs.extend(runs)
            self.records += records
        if not self._runs:
            self.drop()
            return None
        source, text, end = self._runs[0]
        return source, text, (self._turn - 1) * _HALF_BYTES + end

    def sent(self) -> None:
        """Note that what `next` gave has been sent: it is the supervisor's from here on."""
        self._start = self._runs[0][2]
        self._runs.popleft()
        if self._start >= self._end:
            self.drop()

    def drop(self) -> None:
        """Empty the closed half."""
        closed = self._closed
        if closed is None:
            return
        self._runs.clear()
        end = self._end if self._end >= 0 else _HALF_BYTES
        for at in range(0, end, len(_PAGE)):
            with memoryview(_PAGE)[: end - at] as zeros:
                closed[at : at + len(zeros)] = zeros
        self._closed = None

    def reset_after_fork(self) -> None:
        """In a forked child: what there is belongs to the parent."""
        self._set_up()

    # ------------------------------------------------------------------ the supervisor's, at the interpreter's end

    def rest(self, position: int) -> List[Tuple[str, Optional[str], str]]:
        """What was written after a position: stream, request (None where it is not known) and text, in order."""
        found: List[Tuple[str, Optional[str], str]] = []
        for turn, half in sorted(zip(self._shared_turns[:2].tolist(), (0, 1))):
            start = min(max(position - turn * _HALF_BYTES, 0), _HALF_BYTES)
            end = self._halves[half].rfind(_END, start) + 1
            while start < end:
                runs, _ = _read(self._halves[half], start, end)
                found += [(*self._name(source), decode(text)) for source, text, _ in runs if source != EVENTS]
                start = runs[-1][2] if runs else end
        return found

    def _name(self, source: int) -> Tuple[str, Optional[str]]:
        at = source % (_SOURCES[-1] + 1) * _NAME_BYTES
        text = self._names[at : at + _NAME_BYTES].rstrip(b"\0").decode("utf-8", "replace")
        return "stderr" if text[:1] == "2" else "stdout", text[1:] or None

    def close(self) -> None:
        """Give the memory back."""
        for part in (*self._halves, self._names):
            part.close()


def tag_of(source: int) -> bytes:
    """What ends a record of a source."""
    return bytes((source,)) + _END


def _read(half: mmap.mmap, start: int, end: int) -> Tuple[List[_Run], int]:
    """The first records of a half as runs, and how many records they are."""
    data = half[start : min(start + _PART_BYTES, end)]
    if data[-1:] != _END:
        data = data[: data.rfind(_END) + 1]
    tag = data[-2:]
    runs: List[_Run]
    text = data.replace(tag, b"")
    if _END not in text:
        runs = [(tag[0], text, start + len(data))] if len(tag) == 2 else []
        return runs, (len(data) - len(text)) // 2
    records = [record or b"\0" for record in data.split(_END)[:-1]]  # none is empty, where nobody else has written here
    runs = []
    for source, group in groupby(records, lambda record: record[-1]):
        texts = list(group)
        start += sum(map(len, texts)) + len(texts)
        runs.append((source, b"".join([text[:-1] for text in texts]), start))
    return runs, len(records)


def decode(text: bytes) -> str:
    """Text as it was written, with lone surrogates replaced, which no encoding can carry on."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        halves = text.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")
        return halves.decode("utf-16-le", "replace")
    except UnicodeDecodeError:
        return text.decode("utf-8", "replace")


def read_position(word: bytes) -> int:
    """A position as the interpreter tells it. Raises `ValueError`."""
    if len(word) > _DIGITS:
        raise ValueError("a position is too long")
    return max(int(word), 0)
