"""What keeps the supervisor out of the reach of the code it supervises, and orphans in its own. Linux only; each part is used where the
kernel has it."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from typing import Any

__all__ = ["adopt_orphans", "confine_signals", "end_with_parent", "give_way", "set_reachable"]

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446  # the same number on every architecture
_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_SCOPE_SIGNAL = 2
_LANDLOCK_WITH_SCOPES = 6


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that none is lost sight of."""
    try:
        _libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (AttributeError, OSError):
        pass


def end_with_parent(parent: int) -> None:
    """End this process with its parent, whatever it does then, at once where that has ended already."""
    try:
        _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    except (AttributeError, OSError):
        return
    if os.getppid() != parent:
        os._exit(1)


def set_reachable(reachable: bool) -> None:
    """Whether processes of the same user may read and write this one's memory, trace it, and take its descriptors.

    A child has it of its parent until it runs a program. Files of ours in /proc are root's while nobody may.
    """
    try:
        _libc().prctl(_PR_SET_DUMPABLE, int(reachable), 0, 0, 0)
    except (AttributeError, OSError):
        pass


def give_way(score: int = 1000) -> None:
    """Let the kernel end this process and its children first where memory is gone: the higher the score, the sooner."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write(str(score))
    except OSError:
        pass


def confine_signals() -> bool:
    """Let this process and its children signal only one another: ``kill -9 -1`` then spares the supervisor.

    Works from Landlock's sixth version on (Linux 6.12), in a process that cannot gain privileges. Gives whether it does.
    """
    try:
        libc = _libc()
        if libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_CREATE_RULESET_VERSION) < _LANDLOCK_WITH_SCOPES:
            return False
        attributes = struct.pack("QQQ", 0, 0, _LANDLOCK_SCOPE_SIGNAL)
        fd = libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
        if fd < 0:
            return False
        try:
            return bool(libc.syscall(_LANDLOCK_RESTRICT_SELF, fd, 0) == 0)
        finally:
            libc.close(fd)
    except (AttributeError, OSError):
        return False
