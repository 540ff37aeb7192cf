"""When written text leaves the interpreter: a line at once while it is quiet, and in a flood with thousands of others.

Who writes and who looks after the rest share some flags without a lock: a writer that misses a change of one is a line
later by one visit of the ticker, which comes by as long as a flag says that something may be there.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Callable

from .bell import Bell

__all__ = ["Pace"]

#: So many lines may leave one by one before the ticker has to come by again: a message for each of more would cost the
#: host more than it shows. And so few writes between two of its visits, so many times in a row, are no flood any more: on
#: a busy machine who writes may miss one.
LINES_AT_ONCE, QUIET_WRITES, QUIET_VISITS = 20, 8, 3

#: How long a line without an end, and a line in a flood, wait, in seconds; the longer the flood, the longer.
PARTIAL_SECONDS, FLOOD_SECONDS, LONG_FLOOD_SECONDS = 0.002, 0.01, 0.05


class Pace:
    """Whether there is a flood, and the ticker: a thread that sends what nobody else does.

    Parameters
    ----------
    flush : callable
        Sends everything that is there.
    is_waiting : callable
        Whether something is there.
    count : callable
        How many records were sent in all.

    Attributes
    ----------
    is_flood : bool
        Whether what is written is left to the ticker.
    is_armed : bool
        Whether the ticker will come by.
    """

    def __init__(self, flush: Callable[[], None], is_waiting: Callable[[], bool], count: Callable[[], int]) -> None:
        self._flush, self._is_waiting, self._count = flush, is_waiting, count
        self._credit = LINES_AT_ONCE
        self._bell = Bell()
        self.is_flood, self.is_armed = False, False

    def end_line(self) -> None:
        """Send what is there at once while it is quiet; in a flood the ticker does."""
        if self.is_flood:
            return
        self._credit -= 1
        if self._credit < 0:
            self.is_flood = True
        if not self.is_armed:
            self.arm()
        try:
            self._flush()
        except MemoryError:
            self.arm()  # it stands in line, and leaves when the ticker comes by

    def arm(self) -> None:
        """Have the ticker come by."""
        self.is_armed = True
        self._bell.ring()

    def start(self) -> None:
        """Start the ticker."""
        threading.Thread(target=self._tick, name="hopx-ticker", daemon=True).start()

    def reset_after_fork(self) -> None:
        """In a forked child there is no ticker, so that each line has to leave by itself, as on a terminal."""
        self.is_flood, self.is_armed, self._credit = False, True, sys.maxsize

    def _tick(self) -> None:
        is_done = True
        while True:
            try:
                if is_done:
                    self._bell.wait()
                is_done = False
                time.sleep(PARTIAL_SECONDS)
                self._look_after()
                is_done = True
            except MemoryError:
                continue  # what could not be sent is sent by the next turn

    def _look_after(self) -> None:
        """Send what is there again and again until nothing more comes."""
        pause, quiet = FLOOD_SECONDS, 0
        while True:
            is_busy = self._is_waiting() or self._credit < LINES_AT_ONCE
            before = self._count()
            self._flush()
            quiet = 0 if self._count() - before > QUIET_WRITES else quiet + 1
            self.is_flood = self.is_flood and quiet < QUIET_VISITS
            self._credit = LINES_AT_ONCE
            if not is_busy and not self.is_flood:
                break
            pause = min(pause * 1.5, LONG_FLOOD_SECONDS) if self.is_flood else FLOOD_SECONDS
            time.sleep(pause)
        # In this order: whoever says after the second line that there is a flood finds the ticker not armed, and arms it.
        self.is_armed = False
        self.is_flood = False
        # A write between the flush and the lines above found the ticker armed.
        self._flush()
