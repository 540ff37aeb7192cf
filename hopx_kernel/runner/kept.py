"""What the kernel keeps for the code beside the pages of its processes, by what /proc shows: open files, sockets, mappings.

Nothing of it is told in bytes, so it is estimated by numbers of things: in each look, what is cheap to count; and what
is dear, or says little, only where the computer's memory has gone without a trace (`estimate_hidden`). No look takes
longer than its time, however much there is to see: what it does not come to is taken for the mean of the rest.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
import time
from dataclasses import dataclass
from typing import Dict, Iterable, Iterator, List, Optional, Set, Tuple

from .usage import read_text

__all__ = [
    "Opened",
    "available_bytes",
    "count_opened",
    "estimate_hidden",
    "estimate_locks",
    "estimate_mappings",
    "estimate_other_sockets",
    "estimate_unaccepted",
    "estimate_uncounted",
    "has_own_network",
    "in_turn",
    "process_bytes",
]

#: So many sockets are a program's; of more each counts as full, which is twice the kernel's default of a buffer.
_FREE_SOCKETS, _SOCKET_BYTES = 128, 2 * 212992

#: TCP's fit their buffers to their use: of more than a few all counts that all of TCP holds on this computer, but for what
#: so many cannot; and where that is more than a little, for what those cannot that have something waiting.
_FREE_TCP, _TCP_PAGES, _LITTLE_PAGES = 16, 2048, 8192

#: The state of a connection of which there is only a memory left.
_TIME_WAIT = "06"

#: What a socket of UDP may hold, and what one of TCP and one of UDP has by itself.
_UDP_PAGES, _TCP_OWN_BYTES, _UDP_OWN_BYTES = 104, 3072, 1536

#: A pipe, once its user has more than the kernel gives without asking: two pages, and what tells of them.
_FREE_PIPES, _PIPE_BYTES = 1024, 10240

#: An open file, and one without a name in memory, which has a file's own part too.
_OPEN_BYTES, _UNNAMED_BYTES = 320, 1280

#: A process beside its pages and page tables, a mapping, what waits in a full queue of notices of one watcher of files, and
#: a file in a set of those that are polled.
_PROCESS_BYTES, _MAPPING_BYTES, _NOTICES_BYTES, _POLLED_BYTES = 64 << 10, 256, 8 << 20, 176

#: A lock on a file; and how many there are at least where there is no time to count them.
_LOCK_BYTES, _MANY_LOCKS = 192, 50_000

#: How much time a look may take to count open files, and to count mappings or to read about open files, in seconds; and how
#: many times as long it may wait for that.
_OPENED_SECONDS, _HIDDEN_SECONDS, _WAITING = 0.1, 0.2, 4

#: Of fewer processes the mappings are counted only where memory goes without a trace.
_MANY_PROCESSES = 12

_turns = itertools.count()


def available_bytes() -> int:
    """What the whole computer has left, or can have by giving up caches; 0 where it does not tell."""
    for line in read_text("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


class _Allowance:
    """The time for a part of a look: the processor's, so that nobody is judged by a glance because the computer is busy.

    Parameters
    ----------
    seconds : float
        Of the processor; the kernel may have this thread wait for a few times as long.
    """

    def __init__(self, seconds: float) -> None:
        self._cpu, self._until = time.thread_time() + seconds, time.monotonic() + seconds * _WAITING

    @property
    def is_over(self) -> bool:
        """Whether it is used up."""
        return time.thread_time() > self._cpu or time.monotonic() > self._until


def in_turn(pids: List[int], seconds: float) -> Iterator[int]:
    """Processes until a time is over, each time from another one on; one at least."""
    allowance = _Allowance(seconds)
    first = next(_turns) * 7 % max(len(pids), 1)
    for pid in pids[first:] + pids[:first]:
        yield pid
        if allowance.is_over:
            return


@dataclass
class Opened:
    """What processes have open, each counted once.

    Parameters
    ----------
    unnamed_bytes : int
        In files in memory that have no name.
    sockets, pipes, watchers : int
        How many there are; watchers of files.
    bytes : int
        What the kernel keeps for them all, without buffers.
    """

    unnamed_bytes: int = 0
    sockets: int = 0
    pipes: int = 0
    watchers: int = 0
    bytes: int = 0

    @property
    def pipe_bytes(self) -> int:
        """In buffers of pipes."""
        return max(self.pipes - _FREE_PIPES, 0) * _PIPE_BYTES


def count_opened(pids: List[int]) -> Opened:
    """Count what processes have open."""
    seen: Set[str] = set()
    files: Dict[Tuple[int, int], int] = {}
    watchers = count = looked = 0
    for pid in in_turn(pids, _OPENED_SECONDS):
        looked += 1
        for target, path in _targets(pid):
            count += 1
            if target.startswith(("socket:", "pipe:")):
                seen.add(target)
            elif target.startswith("anon_inode:inotify"):
                watchers += 1
            elif target.endswith(" (deleted)") and (unnamed := _unnamed(path, target)) is not None:
                files[unnamed[:2]] = unnamed[2]
    sockets = sum(target.startswith("socket:") for target in seen)
    own = count * _OPEN_BYTES + len(files) * _UNNAMED_BYTES
    found = (sum(files.values()), sockets, len(seen) - sockets, watchers, own)
    in_files, sockets, pipes, watchers, own = (value * len(pids) // max(looked, 1) for value in found)
    return Opened(in_files, sockets, pipes, watchers, own)


def _targets(pid: int) -> Iterable[Tuple[str, str]]:
    directory = f"/proc/{pid}/fd"
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        path = f"{directory}/{name}"
        try:
            yield os.readlink(path), path
        except OSError:
            continue


def _unnamed(path: str, target: str) -> Optional[Tuple[int, int, int]]:
    """Device, number and bytes of a file that is in memory and in no directory whose size is counted."""
    if not target.startswith(("/memfd:", "/SYSV", "/dev/zero")):
        return None
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_blocks * 512


def estimate_uncounted() -> Tuple[int, int]:
    """What no control group counts surely of a network that is the sandbox's own: of TCP and UDP, and of netlink.

    Of connections that nobody has accepted no version counts anything; of all that version 1 has a count apart.
    """
    counts = _socket_counts()
    tcp = _count_tcp(counts)  # those that are closed and have not sent all among them
    udp = counts.get("UDP inuse", 0) + counts.get("UDP6 inuse", 0)
    # What is told of the memory, and of those that are closed, is of the whole computer, others' networks among it.
    pages = min(counts.get("UDP mem", 0), udp * _UDP_PAGES)
    if tcp > _FREE_TCP:
        held = counts.get("TCP mem", 0)
        pages += min(held, (tcp if held <= _LITTLE_PAGES else _count_waiting_tcp(tcp)) * _TCP_PAGES)
    rows = [line.split() for line in read_text("/proc/net/netlink").splitlines()[1:]]
    netlink = sum(int(number) for row in rows for number in row[4:6] if number.isdigit())
    return pages * os.sysconf("SC_PAGE_SIZE") + tcp * _TCP_OWN_BYTES + udp * _UDP_OWN_BYTES, netlink


def estimate_other_sockets(opened: int) -> int:
    """What sockets but TCP's hold: of a network that is the sandbox's own all that there are, open or not; else the open ones.

    A connection that nobody has accepted is open nowhere, and one in a message to nobody neither.
    """
    if has_own_network():
        counts = _socket_counts()
        opened = counts.get("sockets used", 0) - _count_tcp(counts) - counts.get("UDP inuse", 0)
    return max(opened - _FREE_SOCKETS, 0) * _SOCKET_BYTES


def _count_tcp(counts: Dict[str, int]) -> int:
    return counts.get("TCP inuse", 0) + counts.get("TCP6 inuse", 0)


def _count_waiting_tcp(most: int) -> int:
    """How many connections of this network have something to send or to be read; those that there is no time for have."""
    found = looked = 0
    for name in ("tcp", "tcp6"):
        for row in _rows_in_time(f"/proc/net/{name}"):
            looked += 1
            found += len(row) > 4 and row[4] != "00000000:00000000"
    return found + max(most - looked, 0)


def _socket_counts() -> Dict[str, int]:
    """Of this network: ``TCP inuse`` and the like."""
    found = {}
    for line in (read_text("/proc/net/sockstat") + read_text("/proc/net/sockstat6")).splitlines():
        kind, _, rest = line.partition(":")
        words = rest.split()
        for name, value in zip(words[::2], words[1::2]):
            if value.isdigit():
                found[f"{kind} {name}"] = int(value)
    return found


@functools.lru_cache(maxsize=1)
def has_own_network() -> bool:
    """Whether all sockets of this process's network are the sandbox's."""
    interfaces = [line.split(":")[0].strip() for line in read_text("/proc/net/dev").splitlines() if ":" in line]
    return interfaces == ["lo"] and os.path.exists("/proc/net/sockstat")


def estimate_mappings(pids: List[int], limit: int) -> int:
    """What mappings without a page hold, of which forks make copies: where one process of many shows that it may be much."""
    if len(pids) < _MANY_PROCESSES or _count_mappings(pids, 0.0) * _MAPPING_BYTES <= limit // 8:
        return 0
    return _count_mappings(pids, _HIDDEN_SECONDS) * _MAPPING_BYTES


def _count_mappings(pids: List[int], seconds: float) -> int:
    counts = [read_text(f"/proc/{pid}/maps").count("\n") for pid in in_turn(pids, seconds)]
    return sum(counts) * len(pids) // max(len(counts), 1)


def estimate_hidden(pids: List[int], opened: Opened) -> int:
    """What may be held that no other count shows: mappings, notices that nobody reads, sets of polled files."""
    mappings = _count_mappings(pids, _HIDDEN_SECONDS) if len(pids) < _MANY_PROCESSES else 0
    return mappings * _MAPPING_BYTES + opened.watchers * _NOTICES_BYTES + _in_descriptors(pids)


def _in_descriptors(pids: List[int]) -> int:
    """What is told of sets of polled files, and of sockets that are in messages, in which nobody has them open."""
    allowance = _Allowance(_HIDDEN_SECONDS)
    sizes = []
    for pid in in_turn(pids, _HIDDEN_SECONDS):
        for target, path in _targets(pid):
            if allowance.is_over:
                break
            if target.startswith("anon_inode:[eventpoll]"):
                sizes.append(read_text(path.replace("/fd/", "/fdinfo/")).count("tfd:") * _POLLED_BYTES)
            elif target.startswith("socket:"):
                _, _, number = read_text(path.replace("/fd/", "/fdinfo/")).partition("scm_fds:")
                sizes.append(int((number.split() or ["0"])[0]) * _SOCKET_BYTES)
    return sum(sizes)


def estimate_locks() -> int:
    """What locks on files hold, of which no limit and no control group counts any: of more than can be counted, too much.

    The kernel shows those of our processes alone, for which it looks through all.
    """
    allowance = _Allowance(_HIDDEN_SECONDS)
    lines = 0
    try:
        with open("/proc/locks", "rb", buffering=0) as file:
            while data := file.read(1 << 16):
                lines += data.count(b"\n")
                if allowance.is_over:
                    return sys.maxsize if lines > _MANY_LOCKS else lines * _LOCK_BYTES
    except OSError:
        pass
    return lines * _LOCK_BYTES


def estimate_unaccepted() -> int:
    """What connections hold that nobody has accepted or that nobody has any more, in a network that others have too.

    Those that there is time for: what is more than a look can read is much enough.
    """
    user = str(os.getuid())
    total = 0
    for name in ("tcp", "tcp6"):
        for row in _rows_in_time(f"/proc/net/{name}"):
            if len(row) > 9 and row[7] == user and row[9] == "0" and row[3] != _TIME_WAIT:
                sent, _, received = row[4].partition(":")
                total += 2 * (int(sent, 16) + int(received, 16)) + _TCP_OWN_BYTES
    for row in _rows_in_time("/proc/net/unix"):
        total += _SOCKET_BYTES if row[6:7] == ["0"] else 0
    return total


def _rows_in_time(path: str) -> Iterator[List[str]]:
    """The words of a table's lines, without the first, until the time is over."""
    allowance = _Allowance(_HIDDEN_SECONDS)
    try:
        with open(path, encoding="utf-8", errors="replace", buffering=1 << 14) as file:
            next(file, "")
            for line in file:
                yield line.split()
                if allowance.is_over:
                    return
    except OSError:
        return


def process_bytes(count: int) -> int:
    """What the kernel keeps for so many processes beside their pages."""
    return count * _PROCESS_BYTES
