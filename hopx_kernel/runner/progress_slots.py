"""The throttle: what the code reports goes into a slot, and the latest value leaves it some times a second.

A report in quiet leaves at once. One that comes too soon waits in its slot, where a later one takes its place; a timer
sends what waits. A change of state waits for nothing. So a loop may report a million times: what is left out are
values that another has overtaken, and the last one always arrives.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

from .bell import Bell

__all__ = ["MAX_TASKS", "MIN_SECONDS", "Report", "Slot", "Slots"]

#: Between two events of one task. A page shows ten a second.
MIN_SECONDS = 0.06
#: Tasks of one run that are followed at one time; a finished one makes room, and names beyond are counted.
MAX_TASKS = 1000
_MAX_COUNTED = 1_000_000
#: Events that the timer sends a second, of all tasks together.
_EVENTS_PER_SECOND = 400

#: message, percent, data, current, total, unit
Report = Tuple[Any, Any, Any, Any, Any, Any]
Sender = Callable[[str, "Slot", Report, Optional[str]], None]


class Slot:
    """One task of one run."""

    __slots__ = ("due", "is_live", "parent", "pending", "state", "task")

    def __init__(self, task: Any, parent: Any) -> None:
        self.task = task
        self.parent = parent
        self.state: Optional[str] = None
        self.pending: Optional[Report] = None
        self.due = 0.0
        self.is_live = True


class Slots:
    """All slots. Threads may report at the same time, and so may a finalizer inside of a report.

    Parameters
    ----------
    send : callable
        ``send(run_id, slot, report, state)``; called by one thread at a time.
    send_omitted : callable
        ``send_omitted(run_id, count)``: how many tasks beyond `MAX_TASKS` there are by now.
    """

    def __init__(self, send: Sender, send_omitted: Callable[[str, int], None]) -> None:
        self._send = send
        self._send_omitted = send_omitted
        self.runs: Dict[str, Dict[Any, Slot]] = {}
        self._finished: Dict[str, Deque[Any]] = {}
        self._omitted: Dict[str, set[int]] = {}
        self._told: Dict[str, int] = {}
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """In a forked child: what waits is the parent's to send, and the timer's thread is not here."""
        self.lock = threading.RLock()
        self._send_lock = threading.RLock()
        self._wake = Bell()
        self._has_timer = False
        self._watched: List[Callable[[], None]] = []
        for slots in self.runs.values():
            for slot in slots.values():
                slot.pending = None

    def find(self, run_id: str, task: Any, parent: Any) -> Optional[Slot]:
        """The slot of a task, made where there is none; None for a task over the bound."""
        with self.lock:
            slots = self.runs.setdefault(run_id, {})
            slot = slots.get(task)
            if slot is not None:
                return slot
            if len(slots) >= MAX_TASKS and not self._make_room(run_id, slots):
                names = self._omitted.setdefault(run_id, set())
                if len(names) < _MAX_COUNTED:
                    names.add(hash(task))
                self._arm()
                return None
            slot = slots[task] = Slot(task, parent)
            return slot

    def _make_room(self, run_id: str, slots: Dict[Any, Slot]) -> bool:
        """Forget the task that has been finished longest; False where none is."""
        finished = self._finished.get(run_id)
        while finished:
            slot = slots.get(finished.popleft())
            if slot is not None and slot.state == "done" and slot.pending is None:
                slot.is_live = False
                del slots[slot.task]
                return True
        return False

    def put(self, run_id: str, slot: Slot, report: Report, state: Optional[str], now: float) -> None:
        """Send a report, or leave it in its slot until it is due."""
        if state == slot.state and now < slot.due:
            with self.lock:
                old = slot.pending
                slot.pending = report if old is None else _merge(old, report)
            if not self._wake.is_rung:
                self._arm()
            return
        with self._send_lock:
            with self.lock:
                old, slot.pending, slot.state, slot.due = slot.pending, None, state, now + MIN_SECONDS
                if state == "done":
                    self._finished.setdefault(run_id, deque(maxlen=MAX_TASKS)).append(slot.task)
            self._send(run_id, slot, report if old is None else _merge(old, report), state)

    def watch(self, look: Callable[[], None]) -> None:
        """Have the timer call `look`, which reports what it finds, until `unwatch`: a loop need not read the clock."""
        with self.lock:
            self._watched.append(look)
        self._arm()

    def unwatch(self, look: Callable[[], None]) -> None:
        """End a `watch`; does nothing where there is none. Once this returns, `look` reports nothing any more."""
        with self._send_lock, self.lock:
            if look in self._watched:
                self._watched.remove(look)

    def _look(self) -> bool:
        """Call all that watch, unless one has ended meanwhile; tells whether there are any."""
        watched = list(self._watched)
        for look in watched:
            with self._send_lock:
                if look in self._watched:
                    look()
        return bool(watched)

    def is_live(self, run_id: str) -> bool:
        """Whether a run has reported something and has not ended."""
        return run_id in self.runs

    def flush(self, run_id: Optional[str] = None) -> None:
        """Send everything that waits, of one run or of all."""
        self._look()
        for one in [run_id] if run_id is not None else list(self.runs):
            for slot in list(self.runs.get(one, {}).values()):
                self._send_pending(one, slot)
            self._tell_omitted(one)

    def forget(self, run_id: str) -> None:
        """Drop a run that has ended; what is reported for it later starts anew."""
        with self.lock:
            for slot in self.runs.pop(run_id, {}).values():
                slot.is_live = False
            self._finished.pop(run_id, None)
            self._omitted.pop(run_id, None)
            self._told.pop(run_id, None)

    def _send_pending(self, run_id: str, slot: Slot) -> bool:
        if slot.pending is None:
            return False
        with self._send_lock:
            with self.lock:
                report, slot.pending = slot.pending, None
                slot.due = time.monotonic() + MIN_SECONDS
            if report is not None:
                self._send(run_id, slot, report, slot.state)
        return report is not None

    def _tell_omitted(self, run_id: str) -> None:
        count = len(self._omitted.get(run_id, ()))
        if count > self._told.get(run_id, 0):
            self._told[run_id] = count
            with self._send_lock:
                self._send_omitted(run_id, count)

    # ------------------------------------------------------------------ the timer

    def _arm(self) -> None:
        with self.lock:
            self._wake.ring()
            if not self._has_timer:
                self._has_timer = True
                threading.Thread(target=self._run_timer, name="hopx-progress", daemon=True).start()

    def _run_timer(self) -> None:
        wake, pause = self._wake, MIN_SECONDS
        while True:
            wake.wait()
            time.sleep(pause)
            wake.silence()
            has_watched = self._look()
            sent = self._send_due(time.monotonic())
            pause = max(MIN_SECONDS, sent / _EVENTS_PER_SECOND)
            if has_watched:
                wake.ring()

    def _send_due(self, now: float) -> int:
        waiting: List[Tuple[str, Slot]] = []
        with self.lock:
            for run_id, slots in self.runs.items():
                waiting.extend((run_id, slot) for slot in slots.values() if slot.pending is not None)
            omitted = list(self._omitted)
        for run_id in omitted:
            self._tell_omitted(run_id)
        sent = 0
        for run_id, slot in waiting:
            if slot.due > now + MIN_SECONDS / 2:
                self._wake.ring()  # not yet: once more in a moment
            elif self._send_pending(run_id, slot):
                sent += 1
        return sent


def _merge(old: Report, new: Report) -> Report:
    """The newer values; what they leave out stays as it was, but a count takes the place of a percentage."""
    counted = new[3] is not None
    return (
        old[0] if new[0] is None else new[0],
        old[1] if new[1] is None and not counted else new[1],
        old[2] if new[2] is None else new[2],
        old[3] if new[3] is None else new[3],
        old[4] if new[4] is None else new[4],
        old[5] if new[5] is None else new[5],
    )
