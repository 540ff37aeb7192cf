"""`sys.stdout`, `sys.stderr` and `sys.stdin` of the interpreter."""

from __future__ import annotations

import io
import os
from typing import Any, Callable, Optional

from .outlet import Outlet

__all__ = ["OutputStream", "StdinStream"]


class _Buffer(io.RawIOBase):
    """The stream's `buffer`: bytes go to its file descriptor, in order with its text."""

    def __init__(self, fd: int, flush: Callable[[], None]) -> None:
        self._fd = fd
        self._flush = flush

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._flush()
        written = 0
        while written < len(view):
            written += os.write(self._fd, view[written:])
        return written

    def close(self) -> None:
        """Stays open: closing `sys.stdout.buffer` must not end a kernel's output."""


class OutputStream(io.TextIOBase):
    """A text stream whose text leaves by the `Outlet`, tagged with the request that it belongs to.

    Parameters
    ----------
    outlet : Outlet
        Where text goes.
    name : str
        ``stdout`` or ``stderr``.
    fd : int
        The file descriptor of that name, for children and for bytes.
    """

    encoding = "UTF-8"
    errors = "strict"
    newlines = None
    line_buffering = True
    write_through = False

    def __init__(self, outlet: Outlet, name: str, fd: int) -> None:
        super().__init__()
        self.name = f"<{name}>"
        self.mode = "w"
        self._outlet = outlet
        self._fd = fd
        self.buffer: Any = _Buffer(fd, outlet.flush)
        # An attribute of the instance: one call less for each of a million writes, and tools may replace it.
        self.write = outlet.make_write(name)  # type: ignore[method-assign]

    def flush(self) -> None:
        self._outlet.pace.end_line()

    def writelines(self, lines: Any) -> None:
        self.write("".join(lines))

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._fd

    def reconfigure(self, **options: Any) -> None:
        """Takes and ignores what `io.TextIOWrapper.reconfigure` takes: text leaves as Unicode anyway."""

    def close(self) -> None:
        """Stays open, as `sys.stdout` has to outlive the cell that closes it; flushes."""
        self._outlet.flush()


class StdinStream(io.TextIOBase):
    """`sys.stdin`: asks the person where that is allowed.

    Parameters
    ----------
    ask : callable
        Takes a prompt and gives the answer, as `input` does.
    """

    encoding = "UTF-8"
    errors = "strict"

    def __init__(self, ask: Callable[[str], str]) -> None:
        super().__init__()
        self.name = "<stdin>"
        self.mode = "r"
        self._ask = ask

    def readable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return 0

    def readline(self, size: Optional[int] = -1) -> str:  # type: ignore[override]
        line = self._ask("") + "\n"
        return line if size is None or size < 0 else line[:size]

    def read(self, size: Optional[int] = -1) -> str:
        return self.readline(size)

    def __next__(self) -> str:  # type: ignore[override]
        return self.readline()
