"""The interpreter's file descriptors 1 and 2, read by the supervisor: bytes to text, and both in the order written.

By default a pipe holds one packet, so that a writer waits until it is taken, and the kernel's list of ready descriptors
tells the true order of the two. A flood would pay a context switch a line; so it gets a wide pipe, until it is over.
"""

from __future__ import annotations

import codecs
import fcntl
import os
from typing import List, Optional, Tuple

__all__ = ["FdPipe", "TextJoiner"]

_F_SETPIPE_SZ: int = getattr(fcntl, "F_SETPIPE_SZ", 1031)
_O_DIRECT: int = getattr(os, "O_DIRECT", 0)
_NARROW_BYTES, _WIDE_BYTES = 4096, 1 << 20
_READ_BYTES = 1 << 18

#: So many packets in a row from one descriptor are a flood.
FLOOD_PACKETS = 64

#: After so long without a byte, in seconds, a flood is over.
QUIET_SECONDS = 0.05


class FdPipe:
    """The pipe behind one file descriptor of the interpreter.

    Attributes
    ----------
    name : str
        ``stdout`` or ``stderr``.
    reader, writer : int
        Its ends. The supervisor keeps the writing one, to switch modes.
    is_wide : bool
        Whether it is in the mode for floods.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._packets = 0
        self._last_read = 0.0
        self.is_wide = False
        self.can_narrow = self._narrow()
        self.is_wide = not self.can_narrow
        if self.is_wide:
            self._widen()

    def read(self, now: float) -> str:
        """Text of one packet, or of all that fits while the pipe is wide; ``""`` when there is none."""
        try:
            data = os.read(self.reader, _READ_BYTES)
        except BlockingIOError:
            return ""
        self._last_read = now
        self._packets += 1
        return self._decoder.decode(data)

    def finish(self) -> str:
        """The replacement for a character that never got its last byte."""
        return self._decoder.decode(b"", True)

    def adapt(self, other: "FdPipe", now: float) -> bool:
        """Change modes where it is time for it, given the other descriptor; True when the mode changed."""
        if not self.can_narrow:
            return False
        if not self.is_wide:
            other._packets = 0
            if self._packets < FLOOD_PACKETS:
                return False
            self._widen()
            return True
        return self.settle(now)

    def settle(self, now: float) -> bool:
        """Back to the narrow mode when a flood is over; True when the mode changed."""
        return now - self._last_read >= QUIET_SECONDS and self.calm()

    def calm(self) -> bool:
        """Back to the narrow mode, where what is left to be read lets it; True when the mode changed."""
        if not self.is_wide or not self.can_narrow or not self._narrow():
            return False
        self._packets = 0
        return True

    def _narrow(self) -> bool:
        try:
            fcntl.fcntl(self.writer, _F_SETPIPE_SZ, _NARROW_BYTES)
            flags = fcntl.fcntl(self.writer, fcntl.F_GETFL)
            fcntl.fcntl(self.writer, fcntl.F_SETFL, flags | _O_DIRECT)
        except OSError:
            return False
        self.is_wide = False
        return True

    def _widen(self) -> None:
        self.is_wide = True
        try:
            flags = fcntl.fcntl(self.writer, fcntl.F_GETFL)
            fcntl.fcntl(self.writer, fcntl.F_SETFL, flags & ~_O_DIRECT)
            fcntl.fcntl(self.writer, _F_SETPIPE_SZ, _WIDE_BYTES)
        except OSError:
            pass  # as wide as the system lets it be

    def close(self) -> None:
        """Close both ends."""
        os.close(self.reader)
        os.close(self.writer)


class TextJoiner:
    """Joins the pieces of a burst: the first after quiet leaves at once, the rest together.

    Parameters
    ----------
    bound : int
        Characters of one message at most.
    window_seconds : float
        How long pieces may wait for others.
    """

    def __init__(self, bound: int = 64 * 1024, window_seconds: float = 0.01) -> None:
        self._bound = bound
        self._window_seconds = window_seconds
        self._pieces: List[str] = []
        self._size = 0
        self._name = ""
        self._last_taken = 0.0

    def add(self, name: str, text: str, now: float) -> List[Tuple[str, str]]:
        """Take a piece; gives the messages, as (name, text), that are to leave now."""
        out: List[Tuple[str, str]] = []
        if self._name != name:
            out += self.take(now)
            self._name = name
        self._pieces.append(text)
        self._size += len(text)
        due = self.due
        if self._size >= self._bound or (due is not None and now >= due):
            out += self.take(now)
        return out

    @property
    def due(self) -> Optional[float]:
        """When what waits has to leave; None when nothing waits."""
        return self._last_taken + self._window_seconds if self._pieces else None

    def take(self, now: float) -> List[Tuple[str, str]]:
        """Everything that waits, at once."""
        if not self._pieces:
            return []
        text = "".join(self._pieces)
        self._pieces, self._size, self._last_taken = [], 0, now
        return [(self._name, text[at : at + self._bound]) for at in range(0, len(text), self._bound)]
