"""Resource limits: setting them on the interpreter, and saying which one an error comes from."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import threading
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Optional, Tuple

from ..protocol.options import RunnerOptions
from .jsonable import safe_str

__all__ = [
    "OPTIONS",
    "apply",
    "explain",
    "flush_c_stdio",
    "format_bytes",
    "give_up",
    "limit_of",
    "reset_after_fork",
    "room_to_report",
    "told",
    "with_room",
]

#: What is kept back of a limit for showing the error that says it was reached.
_MEMORY_ROOM, _FILES_ROOM = 32 << 20, 16

#: Directories in a sandbox that have a size of their own.
WRITABLE, SHARED_MEMORY = ("/workspace", "/app", "/tmp"), "/dev/shm"

#: Each limit that an error can name, and the options that set it: the kernel's and the library's.
OPTIONS = {
    "memory": ("memory_limit", "memory_bytes"),
    "processes": ("process_limit", "processes"),
    "open_files": ("open_files_limit", "open_files"),
    "disk": ("disk_limit", "disk_bytes"),
}

_options = [RunnerOptions()]
_room: Dict[int, Tuple[int, int]] = {}
_raising = [threading.Lock()]
_raised = [0]

_NO_ROOM = b"The code has used all memory that the sandbox has, and left none for the interpreter to go on with.\n"


def apply(options: RunnerOptions, alone: bool = True) -> None:
    """Set the limits of this process and of all that it starts; `alone` says whether the user's processes are the sandbox's."""
    _options[0] = options
    # RLIMIT_DATA counts what is really written to; RLIMIT_AS would count what numerical libraries merely reserve.
    _limit("RLIMIT_DATA", options.memory_bytes, _MEMORY_ROOM)
    if alone:  # elsewhere it would count all that the user runs on this machine
        _limit("RLIMIT_NPROC", options.processes, 0)
    _limit("RLIMIT_NOFILE", options.open_files, _FILES_ROOM)
    _limit("RLIMIT_CORE", 0, 0)


def _limit(name: str, value: Optional[int], room: int) -> None:
    kind = getattr(resource, name, None)
    if kind is None or value is None:
        return
    hard = resource.getrlimit(kind)[1]
    ceiling = value + room if hard == resource.RLIM_INFINITY else min(value + room, hard)
    soft = max(min(value, ceiling - room), ceiling // 2)
    try:
        resource.setrlimit(kind, (soft, ceiling))
        _room[kind] = (soft, ceiling)
    except (OSError, ValueError):
        pass  # the supervisor watches the same limits from outside


@contextmanager
def room_to_report() -> Iterator[None]:
    """Raise the limits a little while an error is shown: the code that hit one may have left nothing to show it with."""
    _raise_limits(1)
    try:
        yield
    finally:
        _raise_limits(-1)


def with_room(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of ours, and again with raised limits where user code has left no memory for it."""
    try:
        return function(*args)
    except MemoryError:
        with room_to_report():
            return function(*args)


def reset_after_fork() -> None:
    """In a forked child: no other thread holds the lock, or raises the limits."""
    _raising[0], _raised[0] = threading.Lock(), 0


def give_up() -> None:
    """End this process, in which there is no memory for our own work either; its end frees what it holds."""
    os.write(2, _NO_ROOM)
    os.kill(os.getpid(), signal.SIGKILL)


def _raise_limits(by: int) -> None:
    with _raising[0]:
        _raised[0] += by
        for kind, (soft, ceiling) in _room.items():
            _set_soft(kind, ceiling if _raised[0] else soft, ceiling)


def _set_soft(kind: int, soft: int, ceiling: int) -> None:
    try:
        resource.setrlimit(kind, (soft, ceiling))
    except (OSError, ValueError):
        pass  # user code has lowered it for good


def limit_of(exc: Optional[BaseException]) -> str:
    """Which limit of the sandbox an exception comes from: ``memory``, ``processes``, ``open_files``, ``disk``; else ``""``."""
    options = _options[0]
    code = exc.errno if isinstance(exc, OSError) else None
    if (code == errno.ENOMEM or isinstance(exc, MemoryError)) and options.memory_bytes is not None:
        return "memory"
    if code == errno.EMFILE and options.open_files is not None:
        return "open_files"
    if code == errno.ENOSPC and options.disk_bytes is not None:
        return "disk"
    thread = isinstance(exc, RuntimeError) and "can't start new thread" in safe_str(exc)
    if (code == errno.EAGAIN or thread) and options.processes is not None:
        return "processes"
    return ""


def told(exc: Optional[BaseException]) -> Dict[str, str]:
    """What an ``execute_reply`` tells of the limit that an exception comes from."""
    limit = limit_of(exc)
    return {"limit": limit} if limit else {}


def explain(exc: Optional[BaseException]) -> str:
    """Which limit of the sandbox an exception comes from, as a sentence; ``""`` when from none."""
    options = _options[0]
    limit = limit_of(exc)
    if limit == "memory":
        return f"The sandbox's memory limit of {format_bytes(options.memory_bytes or 0)} was reached {_option(limit)}."
    if limit == "open_files":
        return f"The sandbox's limit of {options.open_files} open files was reached {_option(limit)}."
    if limit == "disk":
        where = _full_directory()
        if where == SHARED_MEMORY:
            return f"The sandbox's shared memory, {SHARED_MEMORY}, is full."
        full = f": {where} is full" if where else ""
        return (
            f"The sandbox's disk limit of {format_bytes(options.disk_bytes or 0)} was reached{full} {_option(limit)}."
        )
    if limit == "processes":
        return f"The sandbox's limit of {options.processes} processes was reached {_option(limit)}."
    return ""


def _option(limit: str) -> str:
    """How the option is called that sets a limit: in the kernel's configuration, and in programs."""
    kernel, library = OPTIONS[limit]
    return f"(option {kernel}; in the library {library})"


def _full_directory() -> str:
    """Which of the directories with a size of their own has no room left."""
    for path in (*WRITABLE, SHARED_MEMORY):
        try:
            stat = os.statvfs(path)
        except OSError:
            continue
        if not stat.f_bavail and stat.f_blocks:
            return path
    return ""


def format_bytes(count: int) -> str:
    """``1 GiB``, ``1.5 MiB``, ``17 bytes``."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.4g} {unit}"
    return f"{count} bytes"


def flush_c_stdio() -> None:
    """Flush what C code has printed, where ctypes is loaded: without it Python code has called no C by itself."""
    ctypes: Any = sys.modules.get("ctypes")
    if ctypes is not None:
        try:
            ctypes.pythonapi.fflush(None)
        except (AttributeError, OSError):
            pass
