"""Bytes of a command's output as lines, and the bounded queue in which they wait. No I/O; the queue needs a loop.

What moves between threads is a block of whole lines, not a line: a million lines cost some hundred hand-overs.
"""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import anyio

__all__ = ["MAX_LINE_BYTES", "BatchQueue", "Block", "Line", "LineSplitter"]

#: A line longer than this comes in pieces: what a command without newlines may make the host hold.
MAX_LINE_BYTES = 4 * 1024 * 1024


class Line(str):
    """A line of output without its end (``\\n`` or ``\\r\\n``); text that also knows where it came from.

    Attributes
    ----------
    name : str
        The stream it was written to, ``stdout`` or ``stderr``.
    is_whole : bool
        False when the line was over `MAX_LINE_BYTES` and goes on in the stream's next one.
    """

    __slots__ = ()
    name = "stdout"
    is_whole = True


class _StderrLine(Line):
    __slots__ = ()
    name = "stderr"


class _StdoutPiece(Line):
    __slots__ = ()
    is_whole = False


class _StderrPiece(_StderrLine):
    __slots__ = ()
    is_whole = False


_LINE_TYPES: dict[tuple[str, bool], type[Line]] = {
    ("stdout", True): Line,
    ("stderr", True): _StderrLine,
    ("stdout", False): _StdoutPiece,
    ("stderr", False): _StderrPiece,
}


@dataclass(frozen=True)
class Block:
    """Whole lines of one stream, undecoded; or a piece of a line that is too long (`is_whole` false)."""

    name: str
    data: bytes
    is_whole: bool = True

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.data)

    @property
    def line_count(self) -> int:
        """How many lines `lines` gives."""
        return self.data.count(b"\n") + (not self.data.endswith(b"\n"))

    def text(self) -> str:
        """As it was written; bytes that are not UTF-8 are replaced."""
        return self.data.decode("utf-8", "replace")

    def lines(self) -> list[Line]:
        """Its lines, without their ends."""
        text = self.text()
        if "\r\n" in text:
            text = text.replace("\r\n", "\n")
        # Not `splitlines`, which takes form feeds and U+2028 for line ends too.
        parts = text.split("\n")
        if not parts[-1]:
            parts.pop()
        return list(map(_LINE_TYPES[self.name, self.is_whole], parts))


class LineSplitter:
    """Cuts one stream's bytes into blocks of whole lines."""

    def __init__(self, name: str, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._name = name
        self._max_line_bytes = max_line_bytes
        self._partial = bytearray()

    def feed(self, data: bytes) -> Block | None:
        """Take bytes as they came; gives the lines that they complete."""
        end = data.rfind(b"\n") + 1
        if end:
            block = Block(self._name, bytes(self._partial) + data[:end] if self._partial else data[:end])
            self._partial = bytearray(data[end:])
            return block
        self._partial += data
        if len(self._partial) < self._max_line_bytes:
            return None
        cut = _character_boundary(self._partial)
        with memoryview(self._partial) as view:
            piece = Block(self._name, bytes(view[:cut]), is_whole=False)
        del self._partial[:cut]
        return piece

    def finish(self) -> Block | None:
        """The last line, when it has no end."""
        if not self._partial:
            return None
        block = Block(self._name, bytes(self._partial))
        self._partial.clear()
        return block


def _character_boundary(data: bytearray) -> int:
    """Where to cut so that no UTF-8 character is split: at most three bytes before the end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:  # goes on: look further back for its first byte
            continue
        length = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return len(data) - back if length > back else len(data)
    return len(data)


class Sized(Protocol):
    """What a queue of blocks or events bounds itself by."""

    @property
    def size(self) -> int:
        """In the queue's own unit."""


ItemT = TypeVar("ItemT", bound=Sized)


class BatchQueue(Generic[ItemT]):
    """A bounded queue whose reader takes all there is at once. For one loop.

    Parameters
    ----------
    max_size : int
        Bound on the sum of the items' sizes; a single larger item passes alone.
    drop_oldest : bool
        When full: False makes the writer wait, True drops the oldest items, which `put` then gives.
    """

    def __init__(self, max_size: int, *, drop_oldest: bool = False) -> None:
        self._max_size = max_size
        self._drop_oldest = drop_oldest
        self._items: deque[ItemT] = deque()
        self._size = 0
        self._ended = False
        self._readable = anyio.Event()
        self._writable = anyio.Event()

    async def put(self, item: ItemT) -> list[ItemT]:
        """Add an item; gives what had to be dropped for it. Does nothing once the queue has ended."""
        dropped = []
        while self._items and self._size + item.size > self._max_size and not self._ended:
            if self._drop_oldest:
                dropped.append(self._items.popleft())
                self._size -= dropped[-1].size
            else:
                if self._writable.is_set():  # several writers wait for the same event
                    self._writable = anyio.Event()
                await self._writable.wait()
        if not self._ended:
            self._items.append(item)
            self._size += item.size
            self._readable.set()
        return dropped

    async def get_all(self) -> list[ItemT]:
        """Everything there is, waiting for something; empty only when the queue has ended."""
        while not self._items and not self._ended:
            self._readable = anyio.Event()
            await self._readable.wait()
        items = list(self._items)
        self._items.clear()
        self._size = 0
        self._writable.set()
        return items

    def set_unbounded(self) -> None:
        """From now on, take everything: what comes has an end. A writer that waits goes on."""
        self._max_size = sys.maxsize
        self._writable.set()

    def set_drop_oldest(self) -> None:
        """From now on, drop the oldest items when full; a writer that waits does so at once."""
        self._drop_oldest = True
        self._writable.set()

    def end(self, *last: ItemT) -> None:
        """No more items come but these, for which there is always room. What is in the queue can still be taken."""
        self._items.extend(last)
        self._ended = True
        self._readable.set()
        self._writable.set()

    def clear(self) -> None:
        """Throw away what waits: nobody will take it."""
        self._items.clear()
        self._size = 0
        self._writable.set()
