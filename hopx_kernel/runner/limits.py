"""Resource limits: setting them on the interpreter, and saying which one an error comes from."""

from __future__ import annotations

import errno
import mmap
import os
import resource
import signal
import sys
import threading
import time
from typing import Any, Callable, ContextManager, Dict, List, Optional, Tuple

from ..protocol.options import RunnerOptions
from . import causes
from .jsonable import safe_str

__all__ = [
    "NO_ROOM_SIGNAL",
    "OPTIONS",
    "apply",
    "exceeded",
    "explain",
    "explain_command",
    "flush_c_stdio",
    "format_bytes",
    "give_up",
    "limit_of",
    "no_room",
    "note_thread_failure",
    "reset_after_fork",
    "room",
    "told",
    "with_room",
    "without_room",
]

#: What is kept back of a limit for our own work, such as showing the error that says it was reached. User code in other
#: threads may take it as well, while the limits are raised; then there is as much again, so many times.
_MEMORY_ROOM, _FILES_ROOM, _ROOMS = 32 << 20, 16, 4

#: Memory that our own work needs in a row, and what is given back where there is none even for raising the limits: Python's
#: calls need a page or two now and then.
_ENOUGH, _SPARE = 4 << 20, 1 << 20

#: The part of the memory that the stacks of as many threads as are allowed may reserve, and the least size of one.
_STACKS_PART, _LEAST_STACK = 2, 1 << 20

#: How often our own work is tried, and the seconds in between, in which threads that take all memory come to its end.
_TRIES, _PAUSE_SECONDS = range(10), 0.01

#: Each limit that an error can name, and the options that set it: the kernel's and the library's.
OPTIONS = {
    "memory": ("memory_limit", "memory_bytes"),
    "processes": ("process_limit", "processes"),
    "open_files": ("open_files_limit", "open_files"),
    "disk": ("disk_limit", "disk_bytes"),
}


#: Where an exception notes the limit that it comes from.
_NOTE = "_hopx_limit"


class _Limit:
    """One limit with room. Its values are made before there is no memory."""

    def __init__(self, kind: int, soft: int, room: int, ceiling: int) -> None:
        self.kind = kind
        self._usual = (soft, ceiling)
        self._raised = [(min(soft + number * room, ceiling), ceiling) for number in range(1, _ROOMS + 1)]

    def set(self, raised: bool) -> None:
        """Raise it, or set what was there before: user code may have set it too."""
        present = resource.getrlimit(self.kind)
        if not raised:
            if present in self._raised:
                self._apply(self._usual)
            return
        if present not in self._raised:
            self._usual = present
        while True:
            self._apply(self._raised[0])
            if len(self._raised) == 1 or self.kind != resource.RLIMIT_DATA or _is_enough():
                return
            del self._raised[0]  # user code has taken it

    def _apply(self, values: Tuple[int, int]) -> None:
        try:
            resource.setrlimit(self.kind, values)
        except (OSError, ValueError):
            pass  # user code has lowered it for good


def _map(size: int) -> mmap.mmap:
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _is_enough() -> bool:
    try:
        _map(_ENOUGH).close()
        return True
    except (MemoryError, OSError):
        return False


#: `mallopt`'s parameter for the number of heaps.
_M_ARENA_MAX = -8

_options = [RunnerOptions()]
_limits: List[_Limit] = []
_raising = [threading.RLock()]  # a finalizer may need room in the middle of it
_raised = [0]

_spare = [_map(_SPARE)]

#: What a process ends by that has no memory for our own work either: one that nothing else sends.
NO_ROOM_SIGNAL: int = signal.SIGRTMAX - 7 if hasattr(signal, "SIGRTMAX") else signal.SIGKILL


def apply(options: RunnerOptions, alone: bool = True) -> None:
    """Set the limits of this process and of all that it starts; `alone` says whether the user's processes are the sandbox's."""
    _options[0] = options
    if options.memory_bytes is not None:
        _use_one_heap()
        _fit_stacks(options.memory_bytes, options.processes)
    # RLIMIT_DATA counts what is really written to; RLIMIT_AS would count what numerical libraries merely reserve.
    _limit("RLIMIT_DATA", options.memory_bytes, _MEMORY_ROOM, _ROOMS)
    if alone:  # elsewhere it would count all that the user runs on this machine
        _limit("RLIMIT_NPROC", options.processes, 0)
    _limit("RLIMIT_NOFILE", options.open_files, _FILES_ROOM)
    _limit("RLIMIT_CORE", 0, 0)


def _use_one_heap() -> None:
    """Have all threads of this process allocate from one heap, as far as the C library is GNU's.

    Each would have heaps of its own, which RLIMIT_DATA goes on counting when all in them is free, and out of which no
    other is served: code that has given its memory back would get no large block any more. The heaps are there for
    threads that allocate at the same time, which those of Python seldom do.
    """
    try:
        import ctypes

        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    except (ImportError, AttributeError, OSError):
        pass


def _fit_stacks(memory_bytes: int, threads: Optional[int]) -> None:
    """Have the stacks of all threads that are allowed fit into the memory.

    RLIMIT_DATA counts a stack as it is reserved, 8 MiB mostly, however little of it is written to: a few idle threads
    would be told that memory is missing, which is not.
    """
    usual = resource.getrlimit(resource.RLIMIT_STACK)[0]
    if threads is None or usual == resource.RLIM_INFINITY:
        return
    size = max(memory_bytes // _STACKS_PART // threads, _LEAST_STACK)
    if size < usual:
        try:
            threading.stack_size(size // mmap.PAGESIZE * mmap.PAGESIZE)
        except (RuntimeError, ValueError):
            pass  # this system's threads have stacks of one size alone


def _limit(name: str, value: Optional[int], room: int, rooms: int = 1) -> None:
    kind = getattr(resource, name, None)
    if kind is None or value is None:
        return
    hard = resource.getrlimit(kind)[1]
    ceiling = value + rooms * room if hard == resource.RLIM_INFINITY else min(value + rooms * room, hard)
    soft = max(min(value, ceiling - room), ceiling // 2)
    try:
        resource.setrlimit(kind, (soft, ceiling))
    except (OSError, ValueError):
        return  # the supervisor watches the same limits from outside
    if soft < ceiling:
        _limits.append(_Limit(kind, soft, room, ceiling))


class _Room:
    """Counts from its entry to its exit for raised limits, or against them. Made before there is no memory."""

    def __init__(self, by: int) -> None:
        self._by = by

    def __enter__(self) -> None:
        try:
            _raise_limits(self._by)
        except MemoryError:
            _spare[0].close()
            _raise_limits(self._by)

    def __exit__(self, *exc_info: Any) -> None:
        _raise_limits(-self._by)


_ROOM, _WITHOUT_ROOM = _Room(1), _Room(-1)


def room() -> ContextManager[None]:
    """Raise the limits a little for work of ours: user code may have left nothing to do it with."""
    return _ROOM


def without_room() -> ContextManager[None]:
    """Take back, inside of a `room`, what it has raised: for code of the user's."""
    return _WITHOUT_ROOM


def with_room(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of ours, and again with raised limits where user code has left no memory for it.

    For what may be done twice: a `MemoryError` may come when most of it has happened.
    """
    try:
        return function(*args)
    except MemoryError:
        pass
    for _ in _TRIES:
        try:
            with _ROOM:
                return function(*args)
        except MemoryError:
            _spare[0].close()
            time.sleep(_PAUSE_SECONDS)
    with _ROOM:
        return function(*args)


def reset_after_fork() -> None:
    """In a forked child: no other thread holds the lock, or raises the limits."""
    _raising[0], _raised[0] = threading.RLock(), 0


def give_up() -> None:
    """End this process, in which there is no memory for our own work either; its end frees what it holds.

    Not by `os.kill`, before which text would be flushed, for which there is no memory.
    """
    while True:
        try:
            signal.raise_signal(NO_ROOM_SIGNAL)
            signal.raise_signal(signal.SIGKILL)  # user code has a handler of its own for the other
        except MemoryError:
            _spare[0].close()


def _raise_limits(by: int) -> None:
    with _raising[0]:
        count = _raised[0] + by
        if count <= 0 and _spare[0].closed:
            try:
                _spare[0] = _map(_SPARE)
            except (MemoryError, OSError):
                pass  # the next time, when user code has given some back
        for limit in _limits:
            limit.set(count > 0)
        _raised[0] = count


def limit_of(exc: Optional[BaseException]) -> str:
    """Which limit of the sandbox an exception comes from: ``memory``, ``processes``, ``open_files``, ``disk``; else ``""``."""
    options = _options[0]
    code = exc.errno if isinstance(exc, OSError) else None
    if code == errno.ENOMEM or isinstance(exc, MemoryError):
        return "" if options.memory_bytes is None else "memory"
    if code == errno.EMFILE and options.open_files is not None:
        return "open_files"
    if code == errno.ENOSPC:
        return _limit_of_files(exc)
    if code == errno.EAGAIN:  # of a fork; and of much else that has to do with no limit
        return "processes" if _is_crowded() else ""
    if isinstance(exc, RuntimeError) and "can't start new thread" in safe_str(exc):
        return str(getattr(exc, _NOTE, "")) or _limit_of_threads()
    return ""


def note_thread_failure(exc: RuntimeError) -> None:
    """Note which limit has kept a thread from starting, while it can be told: when it is shown the others may have ended."""
    setattr(exc, _NOTE, _limit_of_threads())


def _limit_of_threads() -> str:
    """A thread needs room for itself among the processes, and memory for its stack; the system's error is the same."""
    if _is_crowded():
        return "processes"
    return "" if _options[0].memory_bytes is None else "memory"


def _limit_of_files(exc: Optional[BaseException]) -> str:
    """What the size of a full directory comes from; of one that has room again, as each has the same.

    What else there may be no room for, such as another file to be watched, is said in words of a library's own.
    """
    size, found = _options[0].disk_bytes, _find_full()
    is_plain = getattr(exc, "strerror", "") == os.strerror(errno.ENOSPC)
    if found is None and (size is None or not is_plain or not causes.are_sized(causes.WRITABLE, size)):
        return ""
    where, what = found or (causes.WRITABLE[0], "bytes")
    is_of_memory = _options[0].memory_bytes is not None and (size is None or causes.size_of(where, what, size)[1])
    return "memory" if is_of_memory else "disk"


def _find_full() -> Optional[Tuple[str, str]]:
    options = _options[0]
    if options.disk_bytes is None:
        return causes.find_full(causes.SIZED, options.memory_bytes or 0)
    return causes.find_full((*causes.SIZED, options.cwd), options.disk_bytes)


def _is_crowded() -> bool:
    limit = _options[0].processes
    return limit is not None and causes.count_processes() >= limit - causes.OWN_PROCESSES


def no_room() -> str:
    """What to say of an interpreter that has ended by `NO_ROOM_SIGNAL`."""
    return (
        "The code has used all memory and left none for the interpreter to go on with; "
        f"it was ended, variables are lost {_option('memory')}."
    )


def exceeded(memory_bytes: int, used: str = "") -> str:
    """What to say of an interpreter that was ended since the sandbox held too much memory."""
    text = f"The sandbox's memory limit of {format_bytes(memory_bytes)} was exceeded{f' ({used})' if used else ''}; "
    return f"{text}the interpreter was ended, variables are lost {_option('memory')}."


def told(exc: Optional[BaseException]) -> Dict[str, str]:
    """What an ``execute_reply`` tells of the limit that an exception comes from."""
    limit = limit_of(exc)
    return {"limit": limit} if limit else {}


def explain(exc: Optional[BaseException]) -> str:
    """Which limit of the sandbox an exception comes from, as a sentence; ``""`` when from none."""
    options = _options[0]
    limit = limit_of(exc)
    if limit in ("disk", "memory") and isinstance(exc, OSError) and exc.errno == errno.ENOSPC:
        return _explain_full(limit)
    if limit == "memory":
        return f"The sandbox's memory limit of {format_bytes(options.memory_bytes or 0)} was reached {_option(limit)}."
    if limit == "open_files":
        return f"The sandbox's limit of {options.open_files} open files was reached {_option(limit)}."
    if limit == "processes":
        return f"The sandbox's limit of {options.processes} processes was reached {_option(limit)}."
    return ""


def _explain_full(limit: str) -> str:
    where, what = _find_full() or ("", "")
    if limit == "memory":
        whole = format_bytes(_options[0].memory_bytes or 0)
        text = f"The sandbox's memory limit of {whole} has no room for more files"
        if where:
            size, _ = causes.size_of(where, what, 0)
            text += f": {where} is full with {format_bytes(size) if what == 'bytes' else f'{size} of them'}, its part"
        return f"{text} {_option(limit)}."
    if where == causes.SHARED_MEMORY:
        return f"The sandbox's shared memory, {where}, is full (a quarter of option {OPTIONS[limit][0]})."
    if what == "files":
        return f"{where} holds as many files as its size allows {_option(limit)}."
    full = f": {where} is full" if where else ""
    size_text = format_bytes(_options[0].disk_bytes or 0)
    return f"The sandbox's disk limit of {size_text} was reached{full} {_option(limit)}."


def explain_command(code: int) -> str:
    """What to add to a shell command's output, given its exit code; ``""`` where no directory is full."""
    if not code or _find_full() is None:
        return ""
    return explain(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def _option(limit: str) -> str:
    """How the option is called that sets a limit: in the kernel's configuration, and in programs."""
    kernel, library = OPTIONS[limit]
    return f"(option {kernel}; in the library {library})"


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
