"""The supervisor's byte stream to the host: the process's own stdin and stdout, taken out of everybody's reach.

Nothing here blocks. A supervisor that waited for the host to read, while the host waits for it to read, would hang both.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
import tty
from collections import deque
from typing import Deque, Iterable, Tuple

__all__ = ["HostLink", "take_standard_streams"]

#: Where our own descriptors go: above what closing "all" of them by hand usually reaches.
HIGH_FD = 700

_READ_BYTES = 1 << 16
_PIPE_BYTES = 1 << 18


def take_standard_streams() -> Tuple[int, int]:
    """Move stdin and stdout to high descriptors that children do not inherit; gives them.

    Afterwards 0 is the null device, and 1 is what 2 is: the runner's own last words.
    """
    reader, writer = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, high_fd(fd)) for fd in (0, 1))
    if os.isatty(reader):
        tty.setraw(reader)  # a raw terminal carries bytes both ways; a cooked one would echo and translate them
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    try:
        os.dup2(2, 1)
    except OSError:
        os.dup2(null, 1)
        os.dup2(null, 2)
    if null > 2:
        os.close(null)
    return reader, writer


def high_fd(offset: int = 0) -> int:
    """The lowest number for a descriptor of ours, within what this process may open."""
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    limit = HIGH_FD * 2 if soft == resource.RLIM_INFINITY else soft
    return min(HIGH_FD + offset, max(limit // 2, 3))


class HostLink:
    """Reads and writes whole chunks without ever waiting.

    Attributes
    ----------
    reader, writer : int
        The descriptors, for the loop to watch.
    """

    def __init__(self, reader: int, writer: int) -> None:
        self.reader, self.writer = reader, writer
        self._queue: Deque[bytes] = deque()
        self._offset = 0
        for fd in (reader, writer):
            os.set_blocking(fd, False)
        try:
            fcntl.fcntl(writer, getattr(fcntl, "F_SETPIPE_SZ", 1031), _PIPE_BYTES)
        except OSError:
            pass  # not a pipe, or more than this user may have

    @property
    def has_output(self) -> bool:
        """Whether something waits for the host to read."""
        return bool(self._queue)

    def read(self) -> "bytes | None":
        """What has come; ``b""`` at the end of the stream, None when there is nothing now."""
        try:
            return os.read(self.reader, _READ_BYTES)
        except BlockingIOError:
            return None
        except OSError as exc:
            if exc.errno == errno.EINTR:
                return None
            return b""  # a terminal that was hung up

    def send(self, chunks: Iterable[bytes]) -> None:
        """Queue bytes; `flush` sends them."""
        self._queue.extend(chunks)

    def flush(self) -> bool:
        """Write what the host takes now; False when it will never take anything again."""
        queue = self._queue
        while queue:
            try:
                self._offset += os.write(self.writer, memoryview(queue[0])[self._offset :])
            except BlockingIOError:
                return True
            except OSError:
                return False
            if self._offset >= len(queue[0]):
                queue.popleft()
                self._offset = 0
        return True


def last_words(text: str) -> None:
    """Say something on the runner's own stderr; the host shows it where a session is lost."""
    try:
        os.write(2, text.encode("utf-8", "replace"))
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
