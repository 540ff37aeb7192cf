"""The first process of a sandbox, as this computer sees it. Imports the standard library only.

It is the init of a pid namespace: when it is killed the kernel kills everything in the namespace and in those below it,
and it counts as ended only once all of them have. So it is what a sandbox is ended by, from outside, in whatever state
the processes inside are.
"""

from __future__ import annotations

import os
import re
import select
import signal
from contextlib import suppress

__all__ = ["InitProcess"]

_MAX_INFO_BYTES = 4096

_PARENT, _FLAGS = 1, 6  # in /proc/PID/stat, counted from behind the name
_EXITING = 4  # PF_EXITING


class InitProcess:
    """Found by what bubblewrap tells of it, once it is there.

    Parameters
    ----------
    info : int
        What bubblewrap's ``--info-fd`` is read from; not blocking. It is owned by this.
    parent : int
        Process id of bubblewrap, which nobody has waited for yet.
    """

    def __init__(self, info: int, parent: int) -> None:
        self._info: int | None = info
        self._parent = parent
        self._told = b""
        self._pidfd: int | None = None
        #: Its process id on this computer, for people to look it up; None while it is not known.
        self.pid: int | None = None

    @property
    def pidfd(self) -> int | None:
        """Becomes readable when nothing of the sandbox is left; None where there is none to be had."""
        self.locate()
        return self._pidfd

    def locate(self) -> None:
        """Take hold of it, if it is there. To be done while bubblewrap lives: then nothing can pass for it."""
        if self._pidfd is not None or self._info is None:
            return
        with suppress(BlockingIOError):
            while data := os.read(self._info, _MAX_INFO_BYTES):
                self._told += data
        if match := re.search(rb'"child-pid"\s*:\s*(\d+)\s*[,}]', self._told):
            self._open(int(match[1]))

    def kill(self) -> None:
        """Kill it, and so everything. Does nothing where it is not known: bubblewrap's own end kills it too."""
        if self.pidfd is not None:
            with suppress(OSError):  # it has ended
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def is_gone(self) -> bool:
        """Whether nothing of the sandbox is left; true where that cannot be found out."""
        pidfd = self.pidfd
        if pidfd is None:
            return True
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(0))

    def is_ending(self) -> bool:
        """Whether the kernel has begun to end everything, which may show in any of the processes first."""
        if self.pidfd is None or self.pid is None:
            return False
        if self.is_gone():
            return True
        fields = _fields_of(self.pid)
        return not fields or bool(int(fields[_FLAGS]) & _EXITING)

    def close(self) -> None:
        """Forget it. May be called twice."""
        for fd in (self._info, self._pidfd):
            if fd is not None:
                os.close(fd)
        self._info = self._pidfd = None

    def _open(self, pid: int) -> None:
        """Take hold of a process for good, when it is bubblewrap's child: its number alone may be another's by now."""
        try:
            pidfd = os.pidfd_open(pid)
        except (AttributeError, OSError):  # before Linux 5.3, or it is gone
            return
        # Its parent is not waited for before this is closed, so that no other process can have that number.
        if _parent_of(pid) == self._parent:
            self.pid, self._pidfd = pid, pidfd
        else:
            os.close(pidfd)


def _parent_of(pid: int) -> int | None:
    fields = _fields_of(pid)
    return int(fields[_PARENT]) if fields else None


def _fields_of(pid: int) -> list[bytes]:
    """What /proc tells of a process after its name; nothing when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2].split()
    except OSError:
        return []
