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
from typing import Deque, Dict, List, Optional, Tuple

from .text_memory import (
    END,
    EVENTS,
    SOURCES,
    Account,
    Run,
    TextMemory,
    decode,
    read_runs,
    texts_after,
    texts_between,
)
from .text_size import HALF_BYTES, NAME_BYTES, SOURCE_COUNT

__all__ = ["SharedText", "read_position", "tag_of"]

#: Positions have so many digits at most.
_DIGITS = 20

_PAGE = bytes(4096)


class SharedText:
    """What stands in a `TextMemory`, as the interpreter and its supervisor see it. Made before the fork.

    Parameters
    ----------
    memory : TextMemory, optional
        Where they lie.

    Attributes
    ----------
    open : mmap
        Where to `write` a record: text in UTF-8, and a tag. `ValueError` where it does not fit, or has just been closed.
    records : int
        How many have been read in order to be sent.
    """

    def __init__(self, memory: Optional[TextMemory] = None) -> None:
        self._parents: List[TextMemory] = []
        self._set_up(memory or TextMemory())

    def _set_up(self, memory: TextMemory) -> None:
        self._memory, self._halves, self._names = memory, memory.halves, memory.names
        self._halves[0].seek(0)
        self._halves[1].seek(HALF_BYTES)
        self.open = self._halves[0]
        self.records = 0
        self._turn = 0
        self._closed: Optional[mmap.mmap] = None
        self._start, self._end = 0, -1
        self._runs: Deque[Run] = deque()
        self._sources: Dict[int, Tuple[str, str]] = {}
        self._next_source = 0

    # ------------------------------------------------------------------ the interpreter's, by one thread at a time

    def make_tag(self, name: str, parent_id: str) -> Tuple[bytes, Optional[Tuple[str, str]]]:
        """What ends records of a stream and a request; and whose tag it was before, of whom nothing may be left here."""
        source = SOURCES[self._next_source]
        self._next_source = (self._next_source + 1) % len(SOURCES)  # at once: a finalizer may ask for the next
        before = self._sources.get(source)
        text = b"%d%s" % (2 if name == "stderr" else 1, parent_id.encode("utf-8", "replace"))
        if len(text) > NAME_BYTES:
            text = text[:1]
        at = source * NAME_BYTES
        self._names[at : at + NAME_BYTES] = text.ljust(NAME_BYTES, b"\0")
        self._sources[source] = name, parent_id
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
            self._memory.turns[turn % 2] = turn
            self._start, self._end = 0, -1
            half.seek(0)
            self._closed, self.open, self._turn = self.open, half, turn
        if self._end < 0:
            self._end = HALF_BYTES - len(self._closed.read())
        return True

    def next(self) -> Optional[Tuple[int, bytes, int]]:
        """Of the closed half what is to be sent next: its source, its text, and the position of its end; None after it."""
        closed = self._closed
        if closed is None:
            return None
        if not self._runs:
            runs, records = read_runs(closed, self._start, self._end)
            self._runs.extend(runs)
            self.records += records
        if not self._runs:
            self.drop()
            return None
        source, text, end = self._runs[0]
        return source, text, self._position(end)

    def reckon(self, text: str, position: Optional[int] = None) -> Account:
        """The account once text has been sent: what `next` gave, up to its position, or some that was never here."""
        return self._memory.reckon(text, position)

    def note(self, account: Account) -> None:
        """Note that text has been sent which was never here."""
        self._memory.note(account)

    def sent(self, account: Account) -> None:
        """Note that what `next` gave has been sent, and is the supervisor's from here on."""
        self._start = self._runs[0][2]
        self._runs.popleft()
        self._memory.note(account)
        if self._start >= self._end:
            self.drop()

    def give_up(self) -> None:
        """Leave what is in the closed half: nobody will ever take it."""
        if self._closed is not None:
            end = self._end if self._end >= 0 else HALF_BYTES
            texts = [text for source, text in texts_between(self._closed, self._start, end) if source != EVENTS]
            self._memory.note(self._memory.reckon(decode(b"".join(texts)), self._position(end)))
            self.drop()

    def _position(self, at: int) -> int:
        """Where a place in the closed half is among all that is ever written."""
        return (self._turn - 1) * HALF_BYTES + at

    def drop(self) -> None:
        """Empty the closed half."""
        closed = self._closed
        if closed is None:
            return
        self._runs.clear()
        end = self._end if self._end >= 0 else HALF_BYTES
        for at in range(0, end, len(_PAGE)):
            with memoryview(_PAGE)[: end - at] as zeros:
                closed[at : at + len(zeros)] = zeros
        self._closed = None

    def reset_after_fork(self) -> None:
        """In a forked child: what there is belongs to the parent."""
        # Kept, since with it Python closes the number that its file had, which is another's by now.
        self._parents.append(self._memory)
        self._set_up(TextMemory())

    # ------------------------------------------------------------------ the supervisor's, at the interpreter's end

    def rest(self, position: int) -> List[Tuple[str, Optional[str], str]]:
        """What was written after a position: stream, request (None where it is not known) and text, in order."""
        texts = texts_after(self._halves, self._memory.turns, position)
        return [(*self._name(source), decode(text)) for source, text in texts if source != EVENTS]

    def _name(self, source: int) -> Tuple[str, Optional[str]]:
        at = source % SOURCE_COUNT * NAME_BYTES
        text = self._names[at : at + NAME_BYTES].rstrip(b"\0").decode("utf-8", "replace")
        return "stderr" if text[:1] == "2" else "stdout", text[1:] or None


def tag_of(source: int) -> bytes:
    """What ends a record of a source."""
    return bytes((source,)) + END


def read_position(word: bytes) -> int:
    """A position as the interpreter tells it. Raises `ValueError`."""
    if len(word) > _DIGITS:
        raise ValueError("a position is too long")
    return max(int(word), 0)
