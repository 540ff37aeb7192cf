"""The host's end of a runner's `TextMemory`: a file in memory, which is still there when the whole sandbox is gone.

Nothing is mapped here and nothing is trusted: what the sandbox's code has made of it is a claim on that code's output.
Imports the standard library only, until there is something to count, and how large it is.
"""

from __future__ import annotations

import os

from ..runner.text_size import TEXT_BYTES

__all__ = ["TEXT_FD", "TextFile"]

#: Which descriptor a runner has it as, after the standard streams; its second argument says so.
TEXT_FD = 3

#: No more seals, and no less and no more bytes: code that runs in the runner's process before the runner does could make it
#: as large as the sandbox may be, and this program would keep that for longer than there is a sandbox.
_F_ADD_SEALS, _SEALS = 1033, 0x0001 | 0x0002 | 0x0004  # in `fcntl` not in every build


class TextFile:
    """One of zeros, whose size nobody can change, which is closed at the latest when nobody holds it any more.

    Raises `OSError` where there is no room for it, and `AttributeError` where the system has no such files.
    """

    def __init__(self) -> None:
        self._fd = -1
        self._fd = os.memfd_create("hopx-text", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        import fcntl  # which is everywhere where there are such files

        os.ftruncate(self._fd, TEXT_BYTES)
        fcntl.fcntl(self._fd, _F_ADD_SEALS, _SEALS)

    def __del__(self) -> None:
        self.close()

    def fileno(self) -> int:
        """Its descriptor, minus one when it is closed."""
        return self._fd

    def count(self) -> tuple[int, int] | None:
        """How many lines and characters were written by the runner's code, and for it; None where that is not known."""
        from ..runner.text_memory import sum_written

        try:
            return sum_written(os.pread(self._fd, TEXT_BYTES, 0))
        except OSError:
            return None

    def close(self) -> None:
        """Count nothing any more."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
