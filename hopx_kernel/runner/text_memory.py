"""The memory of `SharedText`, and the account of all text in it, which whoever holds it can read when all others are gone.

The host may have made it, as a file that is in memory only: then it tells, after any end of the supervisor, how much was
written, and so how much of it has not come. Code in the interpreter can write to it; so nothing hangs on it but what is
said of that code's output.
"""

from __future__ import annotations

import mmap
import os
from itertools import groupby
from typing import Callable, Iterator, List, Optional, Sequence, Tuple, Union

from ..protocol.amounts import Amount, measure
from .text_size import HALF_BYTES, NAMES_BYTES, SOURCE_COUNT, TEXT_BYTES

__all__ = [
    "END",
    "EVENTS",
    "SOURCES",
    "Account",
    "Run",
    "TextMemory",
    "decode",
    "read_runs",
    "sum_written",
    "texts_after",
    "texts_between",
]

#: What is read at once. More than a record may have, and little enough for one message.
_PART_BYTES = 64 * 1024 + 16

#: Ends each record, after the byte that says whose it is; UTF-8 has no such byte.
END = b"\xff"

#: Whose a record can be: requests and their streams, of which the oldest makes room; the first one stands for events.
EVENTS, *SOURCES = range(SOURCE_COUNT)

#: The words: the turns of both halves, the number of the interpreter, and two accounts.
_TURNS, _GENERATION, _SENT, _PASSED = 0, 2, 3, 11

#: A record that is longer than this has others after it that are few.
_LONG = 512

#: More text than there ever is.
_BOUND = 1 << 53

_PAGE = bytes(4096)

#: How far the text of the halves was taken, and lines and characters of all that was.
Account = Tuple[int, int, int]

#: Texts of one source in a row: the source, the text, and where in the half it ends.
Run = Tuple[int, bytes, int]

_Half = Union[mmap.mmap, bytes]


class TextMemory:
    """Both halves, the names of the sources, and the account.

    Parameters
    ----------
    fd : int, optional
        A file of zeros of its size in memory, which need not stay open; else nobody but this process and its children
        has the memory.

    Attributes
    ----------
    halves : list of mmap
        Texts and their tags.
    names : mmap
        Of the sources, from its beginning.
    turns : memoryview
        How often each half was opened; the higher one is the later half.
    """

    def __init__(self, fd: Optional[int] = None) -> None:
        if fd is not None and os.fstat(fd).st_size != TEXT_BYTES:
            raise ValueError("the file for the text is not of its size")

        def part(size: int, at: int) -> mmap.mmap:
            return mmap.mmap(-1, size) if fd is None else mmap.mmap(fd, size, offset=at)

        self.halves = [part(HALF_BYTES, 0), part(HALF_BYTES, HALF_BYTES)]
        self.names = part(TEXT_BYTES - 2 * HALF_BYTES, 2 * HALF_BYTES)
        self._words = memoryview(self.names)[NAMES_BYTES:].cast("Q")
        self.turns = self._words[_TURNS : _TURNS + 2]
        self._account: Account = (0, 0, 0)
        self._generation, self._finished = 0, 0
        self._passed: Amount = (0, 0)

    # ------------------------------------------------------------------ the interpreter's

    def reckon(self, text: str, position: Optional[int] = None) -> Account:
        """The account with text that is in no half, or will be in none any more, up to the given position."""
        last, lines, characters = self._account
        more_lines, more_characters = measure(text)
        return last if position is None else position, lines + more_lines, characters + more_characters

    def note(self, account: Account) -> None:
        """Have it be the account."""
        self._account = account
        _put(self._words, _SENT, account)

    # ------------------------------------------------------------------ the supervisor's

    def note_passed(self, text: str) -> None:
        """Count text on its way to the host that no interpreter has written here."""
        self._passed = _sum(self._passed, measure(text))
        self._tell_passed()

    def begin(self, generation: int) -> None:
        """Empty it for the next interpreter."""
        if self._generation:
            for part in self.halves:
                _empty(part, HALF_BYTES)
            _empty(self.names, NAMES_BYTES)
            self.turns[0] = self.turns[1] = 0
            _put(self._words, _SENT, (0, 0, 0))
        self._words[_GENERATION] = self._generation = generation

    def finish(self) -> None:
        """Count all that an interpreter has written as passed on, which is or will be."""
        self._passed = _sum(self._passed, _written(self.halves, self._words))
        self._finished = self._generation
        self._tell_passed()

    def _tell_passed(self) -> None:
        _put(self._words, _PASSED, (self._finished, *self._passed))


def sum_written(data: bytes) -> Optional[Amount]:
    """Of what such a file holds, how much text there was in all; None where it is none, or the code has written nonsense."""
    if len(data) != TEXT_BYTES:
        return None
    halves = [data[:HALF_BYTES], data[HALF_BYTES : 2 * HALF_BYTES]]
    words = memoryview(data[2 * HALF_BYTES + NAMES_BYTES :]).cast("Q")
    generation, *passed = _get(words, _PASSED)
    amount = (passed[0], passed[1])
    if words[_GENERATION] != generation:
        amount = _sum(amount, _written(halves, words))
    return amount if max(amount) < _BOUND else None


def _written(halves: Sequence[_Half], words: memoryview) -> Amount:
    """What an interpreter has written: what it has sent, and what is left in the halves."""
    position, *sent = _get(words, _SENT)
    left = [text for source, text in texts_after(halves, words[:2], position) if source != EVENTS]
    return _sum((sent[0], sent[1]), measure(decode(b"".join(left))))


def texts_after(halves: Sequence[_Half], turns: memoryview, position: int) -> Iterator[Tuple[int, bytes]]:
    """What was written after a position, in order: whose it is, and the text."""
    for turn, half in sorted(zip(turns.tolist(), (0, 1))):
        start = min(max(position - turn * HALF_BYTES, 0), HALF_BYTES)
        yield from texts_between(halves[half], start, halves[half].rfind(END, start) + 1)


def texts_between(half: _Half, start: int, end: int) -> Iterator[Tuple[int, bytes]]:
    """What is between two places in a half: whose it is, and the text."""
    while start < end:
        runs, _ = read_runs(half, start, end)
        for source, text, _ in runs:
            yield source, text
        start = runs[-1][2] if runs else end


def read_runs(half: _Half, start: int, end: int) -> Tuple[List[Run], int]:
    """The first records of a half as runs, and how many records they are."""
    data = half[start : min(start + _PART_BYTES, end)]
    if data[-1:] != END:
        data = data[: data.rfind(END) + 1]
    runs: List[Run]
    if data.find(END) < _LONG:  # many records, of one source mostly
        tag = data[-2:]
        text = data.replace(tag, b"")
        if END not in text:
            runs = [(tag[0], text, start + len(data))] if len(tag) == 2 else []
            return runs, (len(data) - len(text)) // 2
    records = [record or b"\0" for record in data.split(END)[:-1]]  # none is empty, where nobody else has written here
    runs = []
    source_of: Callable[[bytes], int] = lambda record: record[-1]  # noqa: E731
    for source, group in groupby(records, source_of):
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


def _sum(one: Amount, other: Amount) -> Amount:
    return min(one[0] + other[0], _BOUND), min(one[1] + other[1], _BOUND)


def _put(words: memoryview, at: int, values: Tuple[int, int, int]) -> None:
    """Write an account, so that whoever reads it at any moment has all of one or all of the one before.

    It takes no memory: there may be none.
    """
    turn = 1 - (words[at] & 1)
    first = at + 1 + 3 * turn
    words[first], words[first + 1], words[first + 2] = values
    words[at] = turn


def _get(words: memoryview, at: int) -> List[int]:
    first = at + 1 + 3 * (words[at] & 1)
    return words[first : first + 3].tolist()


def _empty(part: mmap.mmap, size: int) -> None:
    for at in range(0, size, len(_PAGE)):
        if part[at : at + len(_PAGE)] != _PAGE:
            part[at : at + len(_PAGE)] = _PAGE
