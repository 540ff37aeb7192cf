"""Keeps text that leaves by the outlet in order with what others write to the file descriptors 1 and 2.

Before anything that lets others write (a child process, `os.write`, the process's end) the outlet is flushed; before the
outlet sends, `FdPipes.settle` waits until the supervisor has taken what is in the pipes.
"""

from __future__ import annotations

import array
import fcntl
import functools
import os
import sys
import termios
import time
from typing import Any, Callable, Tuple

__all__ = ["FdPipes", "exit_now", "guard_fds", "write_all", "write_now"]

#: `os._exit` and `os.write` as they are before `guard_fds`: they flush nothing, for which there may be no way any more.
exit_now, write_now = os._exit, os.write

#: How long text waits for the supervisor to empty the pipes, in seconds: only a supervisor that waits for the host
#: itself takes so long, and then order between the two ways is given up before progress is.
SETTLE_SECONDS = 2.0

_FLUSH_BEFORE = frozenset(
    {
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.kill",
        "os.killpg",
        "signal.pthread_kill",
        "ctypes.dlsym",
        "ctypes.dlopen",
        "ctypes.string_at",
        "ctypes.wstring_at",
    }
)


class FdPipes:
    """The interpreter's own handles on the pipes behind its fds 1 and 2.

    Parameters
    ----------
    fds : tuple of int
        The write ends, far from where user code closes or replaces them.
    """

    def __init__(self, fds: Tuple[int, int]) -> None:
        self._fds = fds
        self._count = array.array("i", [0])

    def settle(self) -> None:
        """Wait until both pipes are empty."""
        deadline = 0.0
        pause = 0.00002
        for fd in self._fds:
            while self._is_filled(fd):
                now = time.monotonic()
                deadline = deadline or now + SETTLE_SECONDS
                if now > deadline:
                    return
                time.sleep(pause)
                pause = min(pause * 2, 0.002)

    def _is_filled(self, fd: int) -> bool:
        try:
            fcntl.ioctl(fd, termios.FIONREAD, self._count)
        except OSError:
            return False
        return self._count[0] > 0

    def restore(self) -> None:
        """Open fds 1 and 2 again where user code has closed them."""
        for target, fd in zip((1, 2), self._fds):
            try:
                os.fstat(target)
            except OSError:
                os.dup2(fd, target)


def guard_fds(flush: Callable[[], None]) -> None:
    """Have `flush` called before anything that may write to the fds, or end the process."""

    def hook(event: str, args: Tuple[Any, ...]) -> None:
        if event in _FLUSH_BEFORE:
            flush()
        del args

    sys.addaudithook(hook)
    for name in ("write", "writev"):
        if hasattr(os, name):
            setattr(os, name, _flushing_for_fds(getattr(os, name), flush))
    for name in ("_exit", "abort", "closerange"):
        setattr(os, name, _flushing(getattr(os, name), flush))


def write_all(fd: int, data: bytes) -> None:
    """Write to a file descriptor; what it does not take is lost, as on a closed terminal."""
    try:
        while data:
            data = data[write_now(fd, data) :]
    except OSError:
        pass


def _flushing_for_fds(function: Callable[..., Any], flush: Callable[[], None]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(fd: Any, *args: Any) -> Any:
        if fd == 1 or fd == 2:
            flush()
        return function(fd, *args)

    return wrapper


def _flushing(function: Callable[..., Any], flush: Callable[[], None]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        try:
            flush()
        except (MemoryError, OSError):
            pass  # who ends the process is not to be kept from it by text that cannot be sent
        return function(*args)

    return wrapper
