"""What the sandbox's code makes the computer keep in memory, by what can be seen from inside: /proc and statvfs.

Where the sandbox has a control group of its own, the kernel counts, and holds the bound by itself. Elsewhere each kind of
memory is looked for where it shows. What does not show there, such as buffers of a socket that was sent to nobody, is
estimated by the number of things that hold it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from . import kept
from .causes import SHARED_MEMORY, WRITABLE, are_sized
from .usage import read_text

__all__ = ["Counters", "Holdings", "find_hidden", "find_own_directories", "free_shared_memory", "measure"]

#: Where a local sandbox shows what its control group counts.
_COUNTERS = "/run/hopx/memory."

#: Directories that are kept in memory and outlive the processes; and the one that goes with them.
_FILES, _SHARED = WRITABLE, SHARED_MEMORY

#: What the kernel keeps for an empty file, in bytes.
_FILE_BYTES = 1280

#: How long the kernel may take to give back what a process held that it has ended, in seconds.
_BURIAL_SECONDS = 1.0

#: What a sandbox that does nothing holds, its own processes among it.
_IDLE_BYTES = 96 << 20

#: How often one looks again where processes have ended meanwhile.
_EXACT_LOOKS = 3

#: How long a look may take to count pages that several processes share, in seconds; and what it has found of each before.
_EXACT_SECONDS = 0.25
_known: Dict[int, "_Shares"] = {}


@dataclass
class Holdings:
    """What is held, in bytes.

    Parameters
    ----------
    private : int
        Of processes: their own pages, those that are swapped out, and page tables.
    shared : int
        Shared memory that ends with the processes, or with `free_shared_memory`.
    kernel : int
        Buffers of sockets and pipes.
    files : int
        In writable directories, which stay when all processes have ended.
    """

    private: int = 0
    shared: int = 0
    kernel: int = 0
    files: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.private + self.shared + self.kernel + self.files

    @property
    def of_processes(self) -> int:
        """What an end of all processes would give back."""
        return self.total - self.files


class Counters:
    """What the control group of a local sandbox counts, where it has one."""

    def __init__(self) -> None:
        self._kills = self.oom_kills()

    @property
    def are_there(self) -> bool:
        """Whether the kernel counts for this sandbox, and holds its bound."""
        return sum(self._stat().values()) > 0

    def read(self, directories: Tuple[str, ...]) -> Holdings:
        """What it counts, but for what it would give back when it is wanted: caches, and the kernel's of names."""
        stat = self._stat()
        private = stat.get("anon", stat.get("total_rss", 0) + stat.get("total_swap", 0))
        kernel = max(stat.get("kernel", 0) - stat.get("slab_reclaimable", 0), 0)
        internet, netlink = kept.estimate_uncounted() if kept.has_own_network() else (0, 0)
        kernel += max(stat.get("sock", 0), internet) + netlink
        files = sum(_used(path, directories) for path in _FILES)
        shared = max(stat.get("shmem", stat.get("total_shmem", 0)) - files, 0)
        return Holdings(private, shared, kernel, files)

    def oom_kills(self) -> int:
        """How many processes the kernel has ended for want of memory."""
        for line in read_text(_COUNTERS + "events").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill" and count.isdigit():
                return int(count)
        return 0

    def wait_for_room(self, limit: int, directories: Tuple[str, ...]) -> None:
        """Wait, for a moment at most, until what a killed process held is given back: its end is told before that.

        Files stay, however much they are: with them the rest may come to the limit, or be what an idle sandbox holds.
        """
        until = time.monotonic() + _BURIAL_SECONDS
        while time.monotonic() < until:
            files = sum(_used(path, directories) for path in (*_FILES, _SHARED))
            if self._charged() - files <= max(limit - files, _IDLE_BYTES):
                return
            time.sleep(0.005)

    def _charged(self) -> int:
        """All that cannot be given back at once; version 1 counts the kernel's part in a file of its own."""
        stat, kernel = self._stat(), read_text(_COUNTERS + "kernel").strip()
        own = stat.get("kernel", int(kernel) if kernel.isdigit() else 0)
        own -= min(own, stat.get("slab_reclaimable", 0))
        return stat.get("anon", stat.get("total_rss", 0)) + stat.get("shmem", stat.get("total_shmem", 0)) + own

    def mark(self) -> None:
        """Forget whom the kernel has ended so far."""
        self._kills = self.oom_kills()

    def have_killed(self) -> bool:
        """Whether the kernel has ended a process since the mark."""
        return self.oom_kills() > self._kills

    def _stat(self) -> Dict[str, int]:
        pairs = [line.split() for line in read_text(_COUNTERS + "stat").splitlines()]
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def find_own_directories(disk_bytes: Optional[int]) -> Tuple[str, ...]:
    """Which of the writable directories, the one of shared memory among them, are in memory and the sandbox's own."""
    rows = [line.split() for line in read_text("/proc/self/mounts").splitlines()]
    mounted = {row[1] for row in rows if len(row) > 2 and row[2] == "tmpfs"}
    found = [path for path in (*_FILES, _SHARED) if path in mounted]
    return tuple(path for path in found if disk_bytes is None or are_sized([path], disk_bytes))


def measure(pids: List[int], alone: bool, directories: Tuple[str, ...], limit: int) -> Holdings:
    """What processes, and where all there are are the sandbox's its files and segments too, hold.

    Shared pages are counted once, but only where the cheap sum, in which they count for each process, is over `limit`.
    """
    held = Holdings()
    resident_shared = 0
    for pid in pids:
        status = _status(pid)
        held.private += status.get("RssAnon", 0) + status.get("VmSwap", 0) + status.get("VmPTE", 0)
        resident_shared += status.get("RssShmem", 0)
    opened = kept.count_opened(pids)
    held.kernel = opened.pipe_bytes + opened.bytes + kept.process_bytes(len(pids))
    held.kernel += kept.estimate_mappings(pids, limit)
    objects = opened.unnamed_bytes
    if alone:
        held.kernel += kept.estimate_other_sockets(opened.sockets)
        held.kernel += kept.estimate_uncounted()[0] if kept.has_own_network() else 0
        objects += _segments() + _used(_SHARED, directories)
        held.files = sum(_used(path, directories) for path in _FILES)
    held.shared = max(objects, resident_shared - held.files)
    for _ in range(_EXACT_LOOKS):
        if held.total <= limit:
            break
        private, mapped = _exact(pids)
        held.private, held.shared = private, max(objects, mapped - held.files)
        # What one that ends meanwhile shared with others would count for it, and for them.
        lasting = [pid for pid in pids if "RssAnon" in _status(pid)]
        if lasting == pids:
            break
        pids = lasting
    return held


def find_hidden(pids: List[int], are_counted: bool) -> int:
    """What they hold that `measure` does not see; where a control group counts, what that does not see."""
    hidden = kept.estimate_locks() + (0 if kept.has_own_network() else kept.estimate_unaccepted())
    return hidden if are_counted else hidden + kept.estimate_hidden(pids, kept.count_opened(pids))


def free_shared_memory(directories: Tuple[str, ...]) -> None:
    """Remove what processes that have ended left in shared memory: segments, and files in its directory."""
    for name in _names(_SHARED) if _SHARED in directories else ():
        try:
            os.unlink(f"{_SHARED}/{name}")
        except OSError:
            continue  # a directory
    ids = [line.split()[1] for line in read_text("/proc/sysvipc/shm").splitlines()[1:]]
    if ids:
        import ctypes

        libc = ctypes.CDLL(None)
        for number in ids:
            libc.shmctl(int(number), 0, None)  # IPC_RMID


def _status(pid: int) -> Dict[str, int]:
    """The sizes in /proc/PID/status, in bytes."""
    found = {}
    for line in read_text(f"/proc/{pid}/status").splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            found[name] = int(value[:-3]) * 1024
    return found


@dataclass
class _Shares:
    """The parts of what a process has, its own pages and those of shared memory, that are not others' as well."""

    private: float = 1.0
    shared: float = 1.0


def _exact(pids: List[int]) -> Tuple[int, int]:
    """Pages of the processes' own with page tables, and shared memory that they have mapped, each page counted once.

    Of processes that there is no time for, the parts are those of the last look, or the others' mean.
    """
    for pid in [pid for pid in _known if pid not in pids]:
        del _known[pid]
    exact: Dict[int, Tuple[int, int]] = {}
    cheap = {pid: _status(pid) for pid in pids}
    for pid in kept.in_turn(pids, _EXACT_SECONDS):
        proportional, status = _sizes(read_text(f"/proc/{pid}/smaps_rollup")), cheap[pid]
        # Without the parts of it (before Linux 5.4), or where it cannot be read, what is told of the process alone.
        own = proportional.get("Pss_Anon", status.get("RssAnon", 0))
        exact[pid] = own, proportional.get("Pss_Shmem", 0)
        _known[pid] = _Shares(*_parts(exact[pid], status))
    sums = [sum(values) for values in zip(*exact.values())] or [0, 0]
    of_measured = {name: sum(cheap[pid].get(name, 0) for pid in exact) for name in ("RssAnon", "RssShmem")}
    mean = _Shares(*_parts((sums[0], sums[1]), of_measured))
    private, shared = sums
    for pid in pids:
        if pid not in exact:
            shares = _known.get(pid, mean)
            private += int(cheap[pid].get("RssAnon", 0) * shares.private)
            shared += int(cheap[pid].get("RssShmem", 0) * shares.shared)
    return private + sum(row.get("VmPTE", 0) + row.get("VmSwap", 0) for row in cheap.values()), shared


def _parts(exact: Tuple[int, int], status: Dict[str, int]) -> Tuple[float, float]:
    return tuple(  # type: ignore[return-value]
        min(value / status[name], 1.0) if status.get(name) else 1.0
        for value, name in zip(exact, ("RssAnon", "RssShmem"))
    )


def _sizes(text: str) -> Dict[str, int]:
    pairs = [line.split() for line in text.splitlines()]
    return {pair[0][:-1]: int(pair[1]) * 1024 for pair in pairs if len(pair) == 3 and pair[1].isdigit()}


def _segments() -> int:
    """Bytes in segments and queues of System V."""
    total = 0
    for file, columns in (("shm", ("rss", "swap")), ("msg", ("cbytes",))):
        lines = [line.split() for line in read_text(f"/proc/sysvipc/{file}").splitlines()]
        for line in lines[1:]:
            row = dict(zip(lines[0], line))
            total += sum(int(row.get(name, 0)) for name in columns)
    return total


def _used(path: str, directories: Tuple[str, ...]) -> int:
    """Bytes that a directory of the sandbox's own holds, with what the kernel keeps for each file."""
    if path not in directories:
        return 0
    try:
        stat = os.statvfs(path)
    except OSError:
        return 0
    return (stat.f_blocks - stat.f_bfree) * stat.f_frsize + (stat.f_files - stat.f_ffree) * _FILE_BYTES


def _names(path: str) -> List[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []
