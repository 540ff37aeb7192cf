"""What the sandbox's processes use, read from /proc."""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass
from typing import List, Optional

__all__ = [
    "Usage",
    "count_threads",
    "is_alone",
    "kill_all",
    "list_pids",
    "measure_memory",
    "measure_usage",
    "read_text",
]

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What the processes use together, the supervisor left out.

    Parameters
    ----------
    cpu_seconds : float
        Of those that live, and of their children that have ended.
    memory_bytes : int
        Resident; what they share by `fork` counts for each.
    processes : int
        Processes and threads.
    """

    cpu_seconds: float
    memory_bytes: int
    processes: int


@functools.lru_cache(maxsize=1)
def is_alone() -> bool:
    """Whether everything in our process namespace is the sandbox's: its first process is us, or what started us.

    Asked first by the supervisor; the interpreter, its child, has the same answer by the cache.
    """
    if os.getpid() == 1:
        return True
    if os.getppid() != 1:
        return False
    arguments = read_text("/proc/1/cmdline").split("\0")
    return read_text("/proc/1/comm").strip() == "bwrap" or any(
        name.endswith(("/hopx/launcher.py", "/hopx/launcher.pyc")) for name in arguments
    )


def list_pids(alone: bool) -> List[int]:
    """The sandbox's processes without the supervisor: all there are, or our descendants."""
    me = os.getpid()
    if not alone:
        return _descendants(me)
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    return [pid for pid in map(int, filter(str.isdigit, names)) if pid not in (1, me)]


def _descendants(pid: int) -> List[int]:
    found: List[int] = []
    todo = [pid]
    while todo:
        parent = todo.pop()
        try:
            threads = os.listdir(f"/proc/{parent}/task")
        except OSError:
            continue
        for thread in threads:
            children = [int(text) for text in read_text(f"/proc/{parent}/task/{thread}/children").split()]
            found += children
            todo += children
    return found


def count_threads(alone: bool) -> int:
    """Processes and threads, this process included and those that have ended and are not buried: all there are, or our
    parent's, the supervisor's.
    """
    if alone:
        pids = list(map(int, filter(str.isdigit, os.listdir("/proc"))))
    else:
        pids = _descendants(os.getppid())
    return sum([int(fields[17]) for fields in map(_stat, pids) if len(fields) > 17])


def measure_usage(pids: List[int]) -> Usage:
    """Sum up over processes; those that are gone meanwhile count as nothing."""
    cpu = memory = threads = 0
    for pid in pids:
        fields = _stat(pid)
        if len(fields) < 22 or fields[0] in "ZX":
            continue
        cpu += sum(int(field) for field in fields[11:15])
        threads += int(fields[17])
        memory += int(fields[21]) * _PAGE
    return Usage(cpu / _TICK, memory, threads)


def measure_memory(pids: List[int]) -> int:
    """Resident bytes with shared pages counted once: exact, and much dearer than `measure_usage`."""
    total = 0
    for pid in pids:
        size = _proportional(pid)
        total += measure_usage([pid]).memory_bytes if size is None else size
    return total


def _proportional(pid: int) -> Optional[int]:
    for line in read_text(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return None


def kill_all(alone: bool) -> None:
    """End every process of the sandbox but this one."""
    if alone:
        try:
            os.kill(-1, 9)  # at once: none is left to start another
        except ProcessLookupError:
            pass
        return
    for _ in range(50):
        # Zombies are not taken leave of here: one of them may be the interpreter, whose status says how it ended.
        pids = [pid for pid in _descendants(os.getpid()) if _stat(pid)[:1] not in ([], ["Z"])]
        if not pids:
            return
        for pid in pids:
            try:
                os.kill(pid, 9)
            except (ProcessLookupError, PermissionError):
                continue
        time.sleep(0.001)  # the kernel takes a moment to end them


def _stat(pid: int) -> List[str]:
    """The fields of /proc/PID/stat from the state on; the name before them may hold anything, parentheses included."""
    return read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()


def read_text(path: str) -> str:
    """A file of /proc; ``""`` where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
