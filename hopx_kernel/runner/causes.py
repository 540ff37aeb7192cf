"""Evidence for which limit an error comes from: what is full, and how many processes there are. Reads /proc and statvfs."""

from __future__ import annotations

import os
from typing import Iterable, Iterator, Optional, Tuple

from .usage import count_threads, is_alone

__all__ = [
    "OWN_PROCESSES",
    "SHARED_MEMORY",
    "SIZED",
    "WRITABLE",
    "are_sized",
    "count_processes",
    "find_full",
    "size_of",
]

#: Directories in a sandbox that have a size of their own.
WRITABLE, SHARED_MEMORY = ("/workspace", "/app", "/tmp"), "/dev/shm"
SIZED = (*WRITABLE, SHARED_MEMORY)

#: For so many bytes of a directory's size there is a file at most, as the sandbox's layout has it.
_BYTES_PER_FILE, _LEAST_FILES = 8192, 1024

#: How many of the processes that a limit counts may be the sandbox's own: first process, supervisor, and those that the
#: kernel has not yet buried.
OWN_PROCESSES = 4


def count_processes() -> int:
    """Processes and threads that the limit of processes counts, as the interpreter or a child of it sees them."""
    return count_threads(is_alone())


def find_full(directories: Iterable[str], size: int) -> Optional[Tuple[str, str]]:
    """The first directory of no more than a size that has no room left, and what for: ``bytes`` or ``files``.

    A larger one is on a disk of the computer's, on which the sandbox has no limit.
    """
    for path, stat in _stat_all(directories):
        if not stat.f_blocks or not _is_sized(stat, size):
            continue
        if not stat.f_bavail:
            return path, "bytes"
        if stat.f_files and not stat.f_favail:
            return path, "files"
    return None


def are_sized(directories: Iterable[str], size: int) -> bool:
    """Whether there are such directories, each a file system of no more than a size."""
    stats = list(_stat_all(directories))
    return bool(stats) and all(_is_sized(stat, size) for _, stat in stats)


def size_of(path: str, what: str, size: int) -> Tuple[int, bool]:
    """How much a directory of the sandbox's may hold, and whether that is less than its size by itself gives it.

    The sandbox's memory has set it then, of which all directories have a part.

    Parameters
    ----------
    path : str
        The directory.
    what : str
        ``bytes`` or ``files``.
    size : int
        In bytes, as it is set for every directory.
    """
    stat = os.statvfs(path)
    if what == "files":
        return stat.f_files, stat.f_files < max(size // _BYTES_PER_FILE, _LEAST_FILES)
    whole = size // 4 if path == SHARED_MEMORY else size
    found = stat.f_blocks * stat.f_frsize
    return found, found + os.sysconf("SC_PAGE_SIZE") <= whole


def _stat_all(directories: Iterable[str]) -> Iterator[Tuple[str, os.statvfs_result]]:
    for path in directories:
        try:
            yield path, os.statvfs(path)
        except OSError:
            continue


def _is_sized(stat: os.statvfs_result, size: int) -> bool:
    return stat.f_blocks * stat.f_frsize <= size + os.sysconf("SC_PAGE_SIZE")
