"""A page of memory that supervisor and interpreter share: it is there when a signal is, and after the interpreter's end.

Code in the interpreter can write to it too; so nothing but what that interpreter is told, and what is told of it, hangs
on it.
"""

from __future__ import annotations

import mmap
import time

__all__ = ["SharedPage"]

#: A run's number and how often it was asked to stop are one word, which is written in one go.
_COUNT_BITS = 16
_COUNT_MASK = (1 << _COUNT_BITS) - 1
_WORD_MASK = (1 << 64) - 1

#: The words of the page.
_ASKED, _SIGNALS, _SIGNALLED_AT, _NOTICED, _HELD = range(5)


class SharedPage:
    """Numbers that one side writes and the other reads. Made before the fork."""

    def __init__(self) -> None:
        self._words = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")

    # ------------------------------------------------------------------ the supervisor's

    def ask(self, number: int) -> None:
        """Note that a run is to stop, once more; a signal follows."""
        count = min(self.asked(number) + 1, _COUNT_MASK)
        self._words[_ASKED] = (number << _COUNT_BITS | count) & _WORD_MASK
        self._words[_SIGNALS] = (self._words[_SIGNALS] + 1) & _WORD_MASK  # whatever the code has made of it
        self._words[_SIGNALLED_AT] = int(time.monotonic() * 1000)

    def outstanding(self, number: int) -> int:
        """How many requests to stop a run it has not noticed."""
        return self.asked(number) - self.noticed(number)

    @property
    def has_unsent(self) -> bool:
        """Whether something has not been sent that is not in the shared text."""
        return bool(self._words[_HELD])

    # ------------------------------------------------------------------ the interpreter's

    @property
    def asked_number(self) -> int:
        """The run that was asked to stop last."""
        return self._words[_ASKED] >> _COUNT_BITS

    def asked(self, number: int) -> int:
        """How often a run was asked to stop."""
        word = self._words[_ASKED]
        return word & _COUNT_MASK if word >> _COUNT_BITS == number else 0

    def noticed(self, number: int) -> int:
        """How many of these it has noticed."""
        word = self._words[_NOTICED]
        return word & _COUNT_MASK if word >> _COUNT_BITS == number else 0

    def notice(self, number: int, count: int) -> None:
        """Note that a run has noticed so many."""
        self._words[_NOTICED] = number << _COUNT_BITS | min(count, _COUNT_MASK)

    @property
    def signals(self) -> int:
        """How many signals were sent."""
        return self._words[_SIGNALS]

    @property
    def signalled_at(self) -> float:
        """When the last one was, by `time.monotonic`."""
        return self._words[_SIGNALLED_AT] / 1000

    def hold(self, held: bool) -> None:
        """Note whether something that is not in the shared text waits to be sent."""
        self._words[_HELD] = held
