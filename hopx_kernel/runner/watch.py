"""Watches what the sandbox's processes use: when to look, what is too much, when to tell the host."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

from ..protocol.options import RunnerOptions
from .causes import OWN_PROCESSES
from .limits import format_bytes
from .usage import list_pids, measure_memory, measure_usage

__all__ = ["Watch"]

#: Seconds between two looks while code runs: a fork bomb is stopped before it is hundreds. And while none runs, for
#: what threads and children of earlier cells do.
BUSY_SECONDS, IDLE_SECONDS = 0.08, 2.0

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
        self._next_look = 0.0
        self._full_since: Optional[float] = None
        self._next_beat = float("inf")

    def start(self, now: float) -> None:
        """A run starts."""
        self._next_look = now + BUSY_SECONDS / 2
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
        self._next_look = now + (BUSY_SECONDS if busy else IDLE_SECONDS)
        pids = list_pids(self._alone)
        usage = measure_usage(pids)
        processes, memory = self._options.processes, self._options.memory_bytes
        if processes is not None and self._is_crowded(usage.processes, processes, now):
            text = (
                f"The sandbox's limit of {processes} processes was reached ({usage.processes} and the sandbox's own); "
            )
            return "processes", text + "its processes were ended, variables are lost."
        # The cheap sum counts shared pages several times, so it only says when to look closely.
        if memory is not None and usage.memory_bytes > memory:
            exact = measure_memory(pids)
            if exact > memory:
                text = f"The sandbox's memory limit of {format_bytes(memory)} was exceeded ({format_bytes(exact)}); "
                return "memory", text + "the interpreter was ended, variables are lost."
        return None

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
