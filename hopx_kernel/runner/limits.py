"""Resource limits: setting them on the interpreter, and saying which one an error comes from."""

from __future__ import annotations

import errno
import resource
import sys
from contextlib import contextmanager
from typing import Any, Dict, Iterator, Optional, Tuple

from ..protocol.options import RunnerOptions

__all__ = ["apply", "explain", "flush_c_stdio", "format_bytes", "room_to_report"]

#: What is kept back of a limit for showing the error that says it was reached.
_MEMORY_ROOM, _FILES_ROOM = 32 << 20, 16

_options = [RunnerOptions()]
_room: Dict[int, Tuple[int, int]] = {}


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
    for kind, (_, ceiling) in _room.items():
        _set_soft(kind, ceiling, ceiling)
    try:
        yield
    finally:
        for kind, (soft, ceiling) in _room.items():
            _set_soft(kind, soft, ceiling)


def _set_soft(kind: int, soft: int, ceiling: int) -> None:
    try:
        resource.setrlimit(kind, (soft, ceiling))
    except (OSError, ValueError):
        pass  # user code has lowered it for good


def explain(exc: BaseException) -> str:
    """Which limit of the sandbox an exception comes from, as a sentence; ``""`` when from none."""
    options = _options[0]
    code = exc.errno if isinstance(exc, OSError) else None
    if (code == errno.ENOMEM or isinstance(exc, MemoryError)) and options.memory_bytes is not None:
        return f"The sandbox's memory limit of {format_bytes(options.memory_bytes)} was reached (memory_bytes)."
    if code == errno.EMFILE and options.open_files is not None:
        return f"The sandbox's limit of {options.open_files} open files was reached (open_files)."
    if code == errno.ENOSPC and options.disk_bytes is not None:
        return f"The sandbox's disk limit of {format_bytes(options.disk_bytes)} was reached (disk_bytes)."
    thread = isinstance(exc, RuntimeError) and "can't start new thread" in str(exc)
    if (code == errno.EAGAIN or thread) and options.processes is not None:
        return f"The sandbox's limit of {options.processes} processes was reached (processes)."
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
