"""Resource limits: setting them on the interpreter, and saying which one an error comes from."""

from __future__ import annotations

import errno
import resource
import sys
from typing import Any, Optional

from ..protocol.options import RunnerOptions

__all__ = ["apply", "explain", "flush_c_stdio", "format_bytes"]

_options = [RunnerOptions()]


def apply(options: RunnerOptions) -> None:
    """Set the limits of this process and of all that it starts."""
    _options[0] = options
    # RLIMIT_DATA counts what is really written to; RLIMIT_AS would count what numerical libraries merely reserve.
    _limit("RLIMIT_DATA", options.memory_bytes)
    _limit("RLIMIT_NPROC", options.processes)
    _limit("RLIMIT_NOFILE", options.open_files)
    _limit("RLIMIT_CORE", 0)


def _limit(name: str, value: Optional[int]) -> None:
    kind = getattr(resource, name, None)
    if kind is None or value is None:
        return
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    try:
        resource.setrlimit(kind, (value, value))
    except (OSError, ValueError):
        pass  # the supervisor watches the same limits from outside


def explain(exc: BaseException) -> str:
    """Which limit of the sandbox an exception comes from, as a sentence; ``""`` when from none."""
    options = _options[0]
    if isinstance(exc, MemoryError) and options.memory_bytes is not None:
        return f"The sandbox's memory limit of {format_bytes(options.memory_bytes)} was reached (memory_bytes)."
    if not isinstance(exc, (OSError, RuntimeError)):
        return ""
    code = exc.errno if isinstance(exc, OSError) else None
    if code == errno.ENOMEM and options.memory_bytes is not None:
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
