"""Watches what the sandbox's processes use: when to look, what is too much, when to tell the host."""

from __future__ import annotations

import os
import resource
import time
from typing import Any, Dict, List, Optional, Tuple

from ..protocol.options import RunnerOptions
from .causes import OWN_PROCESSES
from .holdings import Counters, Holdings, find_hidden, find_own_directories, free_shared_memory, measure
from .host_link import last_words
from .kept import available_bytes
from .limits import exceeded, format_bytes
from .usage import kill_all, list_pids, measure_memory, measure_usage

__all__ = ["Watch"]

#: Seconds between two looks while code runs: a fork bomb is stopped before it is hundreds. And while none runs, for
#: what threads and children of earlier cells do.
BUSY_SECONDS, IDLE_SECONDS = 0.08, 2.0

#: The part of the time that looking may take: where there are many processes and open files, looks are farther apart;
#: and the part where the computer's memory goes meanwhile.
LOOK_SHARE, PRESSED_SHARE = 0.05, 0.5

#: The computer's memory that must have gone between two looks, or without a trace, before one looks closer.
GONE_BYTES = 32 << 20

#: What an interpreter that does nothing holds: where its end would give back no more, it may go on, to remove files.
IDLE_BYTES = 48 << 20

#: By so much files may have grown since an interpreter was last ended, and the next one still go on where they are too
#: large by themselves.
FILES_BYTES = 8 << 20

#: What a control group counts of the sandbox's own processes: launcher, supervisor, bubblewrap.
OWN_BYTES = 48 << 20

#: How long the sandbox may be full of processes.
FULL_SECONDS = 1.5

#: When a run's first heartbeat comes, in seconds.
FIRST_BEAT_SECONDS = 1.0


class Watch:
    """The supervisor's look at /proc.

    Parameters
    ----------
    options : RunnerOptions
        Limits and the time between heartbeats.
    alone : bool
        Whether all processes of our namespace are the sandbox's.
    """

    def __init__(self, options: RunnerOptions, alone: bool) -> None:
        self._options = options
        self._alone = alone
        self._has_limits = options.memory_bytes is not None or options.processes is not None
        self._open_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._next_look = self._next_full = self._next_pressed = 0.0
        self._full_since: Optional[float] = None
        self._next_beat = float("inf")
        self._directories = find_own_directories(options.disk_bytes) if alone else ()
        self._counters = Counters()
        self._files_left = self._going = self._hidden = 0
        # What the last look has found, and the computer had left then; and the most that the two were since the run started.
        self._seen, self._most = (0, 0), 0

    def start(self, now: float) -> None:
        """A run starts."""
        self._counters.mark()
        self._next_look, self._next_full = now + BUSY_SECONDS / 2, 0.0
        self._most = self._seen[0] + available_bytes()
        self._next_beat = now + min(FIRST_BEAT_SECONDS, self._options.heartbeat_seconds)

    def stop(self) -> None:
        """A run has ended."""
        self._next_beat = float("inf")

    @property
    def next_time(self) -> float:
        """When to call `check` and `is_beat_due` next."""
        return min(self._next_look if self._has_limits else float("inf"), self._next_beat)

    def check(self, now: float, busy: bool) -> Optional[Tuple[str, str]]:
        """The limit that is exceeded and what to say of it; None when there is none, or it is not time to look."""
        if not self._has_limits or now < self._next_look:
            return None
        if resource.getrlimit(resource.RLIMIT_NOFILE) != self._open_files:
            # Code of the same user may lower it, and nothing in /proc could be read any more.
            last_words("Its supervisor's limits were changed from within, so that it could no longer watch the others.")
            os._exit(1)
        self._next_look = now + (BUSY_SECONDS if busy else IDLE_SECONDS)
        available = available_bytes()
        if now < self._next_full and not (now >= self._next_pressed and self._is_pressed(available)):
            return None
        try:
            return self._look_at_all(now, available)
        finally:
            took = time.monotonic() - now
            self._next_full, self._next_pressed = now + took / LOOK_SHARE, now + took / PRESSED_SHARE

    def _is_pressed(self, available: int) -> bool:
        """Whether so much of the computer's memory has gone since the last look that it may be the sandbox's last room."""
        held, was_available = self._seen
        room = max((self._options.memory_bytes or 0) - held, 0)
        return self._options.memory_bytes is not None and was_available - available > max(room // 2, GONE_BYTES)

    def _look_at_all(self, now: float, available: int) -> Optional[Tuple[str, str]]:
        pids = list_pids(self._alone)
        usage = measure_usage(pids)
        processes, memory = self._options.processes, self._options.memory_bytes
        if processes is not None and self._is_crowded(usage.processes, processes, now):
            text = (
                f"The sandbox's limit of {processes} processes was reached ({usage.processes} and the sandbox's own); "
            )
            option = "(option process_limit; in the library processes)"
            return "processes", f"{text}its processes were ended, variables are lost {option}."
        excess = self._find_excess(pids, memory, available) if memory is not None else ""
        return ("memory", excess) if excess else None

    def _find_excess(self, pids: List[int], memory: int, available: int) -> str:
        """What to say of too much memory; ``""`` where it is not too much, or an end of the processes would help nobody."""
        held = self._look(pids, memory)
        self._seen = (held.total, available)
        # What the computer has lost since the run started, and nothing shows; no more of it than what may be hidden.
        self._most = max(self._most, held.total + available)
        lost = self._most - held.total - available
        is_traceless = lost > max(memory // 4, GONE_BYTES)
        self._hidden = min(lost, find_hidden(pids, self._counters.are_there)) if is_traceless else 0
        held.kernel += self._hidden
        if held.total <= memory:
            self._files_left = self._going = 0
            return ""
        if held.total <= self._going:  # of processes that were ended: the kernel takes its time to give it back
            self._going = held.total
            return ""
        if held.of_processes <= IDLE_BYTES and held.files <= self._files_left + FILES_BYTES:
            return ""
        self._files_left, self._going = held.files, held.total
        return exceeded(memory, _told(held, memory))

    def _look(self, pids: List[int], memory: int) -> Holdings:
        if self._counters.are_there:
            held = self._counters.read(self._directories)
            held.private -= min(OWN_BYTES, held.private)
            return held
        return measure(pids, self._alone, self._directories, memory)

    def end_others(self, limit: str) -> None:
        """End what has reached a limit beside the interpreter, which is ended already, and free what outlives processes."""
        if limit == "processes":
            kill_all(self._alone)
        elif self._alone:
            memory = self._options.memory_bytes or 0
            inside = measure(list_pids(False), False, (), memory).of_processes
            if self._hidden or self._look(list_pids(True), memory).of_processes > 2 * inside + IDLE_BYTES:
                kill_all(True)
            free_shared_memory(self._directories)

    def explain_kill(self) -> str:
        """What to say of an interpreter that was killed: the kernel does so where no memory is left; else ``""``."""
        memory = self._options.memory_bytes
        if memory is None or not self._counters.have_killed():
            return ""
        self._counters.wait_for_room(memory, self._directories)
        held = self._counters.read(self._directories)
        self._going = held.total
        # What the processes held is gone with them; what is left tells something where it is much.
        return exceeded(memory, _told(held, memory) if held.total > memory // 2 else "")

    def _is_crowded(self, count: int, limit: int, now: float) -> bool:
        """Whether there are too many processes; or as many as the kernel allows, for too long, as of a fork bomb that it holds."""
        if count < limit - OWN_PROCESSES:
            self._full_since = None
        elif self._full_since is None:
            self._full_since = now
        return count > limit or (self._full_since is not None and now - self._full_since > FULL_SECONDS)

    def is_beat_due(self, now: float) -> bool:
        """Whether it is time for a heartbeat."""
        if now < self._next_beat:
            return False
        self._next_beat = now + self._options.heartbeat_seconds
        return True

    def beat(self) -> Dict[str, Any]:
        """What a heartbeat tells of the processes."""
        pids = list_pids(self._alone)
        usage = measure_usage(pids)
        return {
            "cpu_seconds": usage.cpu_seconds,
            "memory_bytes": measure_memory(pids),
            "processes": usage.processes,
        }


def _told(held: Holdings, memory: int) -> str:
    """How much is held, and the kinds that are much of it."""
    kinds = (
        (held.files, "in files, which stay"),
        (held.shared, "in shared memory"),
        (held.kernel, "in buffers and what else the kernel keeps"),
    )
    parts = [f"{format_bytes(size)} {where}" for size, where in kinds if size > memory // 4]
    return f"{format_bytes(held.total)}{', of it ' + ' and '.join(parts) if parts else ''}"
