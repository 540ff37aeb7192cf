"""The tasks of one run: what each has reported, and honest numbers made of it. Pure; the time is passed in."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Literal

from .series import Series
from .values import clean_text, to_number, to_percent

__all__ = ["MAX_TASKS", "ProgressModel", "State", "Task"]

State = Literal["running", "done", "failed", "stopped"]
_STATES: dict[Any, State] = {"running": "running", "done": "done", "failed": "failed", "stopped": "stopped"}

#: Tasks of a run that are kept; those beyond are counted, finished ones first.
MAX_TASKS = 1000
#: Names beyond `MAX_TASKS` that are told apart for the count: a hash of each is kept.
_MAX_COUNTED = 1_000_000
#: Metrics of one task, and the characters of a name.
_MAX_METRICS = 6
_MAX_NAME_CHARS = 40
_MAX_KEY_CHARS = 500
#: The rate is measured over this window, so that it follows a change and still does not jump.
_WINDOW_SECONDS = 20.0
_WINDOW_SAMPLES = 40

#: How a task that was still running ends with its run, by the ``reason`` of the ``execute_reply``.
_ENDS: dict[Any, State] = {"raised": "failed", "died": "failed", "limit": "failed"}


class Task:
    """One task: `percent` and `total` are None where nothing is known, and then its end cannot be told.

    Times are those passed in, in seconds.
    """

    def __init__(self, key: str, parent: str | None, now: float) -> None:
        self.key = key
        self.parent = parent
        self.message = ""
        self.unit = ""
        self.state: State = "running"
        self.current: float | None = None
        self.total: float | None = None
        self.metrics: dict[str, Series] = {}
        self.notes: dict[str, str] = {}
        self.started = now
        self.ended: float | None = None
        self._percent: float | None = None
        self._samples: deque[tuple[float, float]] = deque()

    @property
    def percent(self) -> float | None:
        """Between 0 and 100; None when nothing tells."""
        if self._percent is not None:
            return self._percent
        if self.total is not None and self.total > 0 and self.current is not None:
            return min(100.0, max(0.0, self.current / self.total * 100))
        return 100.0 if self.state == "done" else None

    def elapsed(self, now: float) -> float:
        """Seconds from its start to its end, or to now."""
        return max(0.0, (now if self.ended is None else self.ended) - self.started)

    def rate(self, now: float) -> float | None:
        """Units a second: lately while it runs, over all of it once it has ended. None without a count."""
        if self.current is None:
            return None
        if self.state != "running":
            return self._speed((self.started, 0.0), self.current, self.elapsed(now))
        return self._recent(self.current, now)

    def time_left(self, now: float) -> float | None:
        """Seconds that the rest takes at the present rate; None where that cannot be told."""
        if self.state != "running":
            return None
        if self.total is not None and self.current is not None and self._percent is None:
            done, end = self.current, self.total
        elif self._percent is not None:
            done, end = self._percent, 100.0
        else:
            return None
        speed = self._recent(done, now)
        return (end - done) / speed if speed and end > done else None

    def take(self, content: Mapping[str, Any], now: float) -> None:
        """Take what one ``progress`` event reports."""
        state = _STATES.get(content.get("state")) if isinstance(content.get("state"), str) else None
        if self.state != "running" and state in (None, "running"):
            self._restart(now)
        if content.get("message") not in (None, ""):
            self.message = clean_text(content["message"])
        if content.get("unit"):
            self.unit = clean_text(content["unit"], 12)
        self._take_numbers(content)
        self._take_data(content.get("data"))
        self._sample(now)
        if state is None and self.percent is not None and self.percent >= 100:
            state = "done"
        if state not in (None, "running"):
            self.end(state, now)

    def end(self, state: State, now: float) -> None:
        """Set the final state and stop the clock."""
        self.state = state
        if self.ended is None:
            self.ended = now

    def shorten(self, longest: float) -> None:
        """Let its time, once it has ended, be at most this."""
        if self.ended is not None:
            self.ended = min(self.ended, self.started + longest)

    def _restart(self, now: float) -> None:
        self.state = "running"
        self.started, self.ended = now, None
        self._samples.clear()

    def _take_numbers(self, content: Mapping[str, Any]) -> None:
        if content.get("total") is not None:
            total = to_number(content["total"])
            self.total = total if total is not None and total >= 0 else None
        if content.get("current") is not None:
            self.current = to_number(content["current"])
            self._percent = None
        if content.get("percent") is not None:
            self._percent = to_percent(content["percent"])

    def _take_data(self, data: Any) -> None:
        if data is None:
            return
        entries = data.items() if isinstance(data, Mapping) else (("", data),)
        for name, value in entries:
            label = clean_text(name, _MAX_NAME_CHARS)
            if len(self.metrics) + len(self.notes) >= _MAX_METRICS and not (
                label in self.metrics or label in self.notes
            ):
                continue
            number = None if isinstance(value, str) else to_number(value)
            if number is not None and abs(number) < 1e150:
                self.notes.pop(label, None)
                self.metrics.setdefault(label, Series()).add(number)
            else:
                self.metrics.pop(label, None)
                self.notes[label] = clean_text(_short(value), _MAX_NAME_CHARS)

    def _sample(self, now: float) -> None:
        done = self.current if self._percent is None else self._percent
        if done is None:
            return
        samples = self._samples
        if samples and (samples[-1][1] > done):
            samples.clear()  # it went back: what was measured before says nothing about the rest
        if not samples or now - samples[-1][0] >= _WINDOW_SECONDS / _WINDOW_SAMPLES:
            samples.append((now, done))
        while len(samples) > 2 and now - samples[0][0] > _WINDOW_SECONDS:
            samples.popleft()

    def _recent(self, done: float, now: float) -> float | None:
        """Measured to now and not to the last report: a task that hangs gets slower, as it does for who waits."""
        if self._samples and now - self._samples[0][0] >= 0.1:
            return self._speed(self._samples[0], done, now - self._samples[0][0])
        return None

    def _speed(self, start: tuple[float, float], done: float, seconds: float) -> float | None:
        return (done - start[1]) / seconds if seconds > 1e-3 and done > start[1] else None


class ProgressModel:
    """All tasks of one run.

    Attributes
    ----------
    tasks : dict
        By key, in the order in which they were first heard of.
    omitted : int
        Tasks beyond `MAX_TASKS`.
    alerts : int
        How many alerts the run has raised.
    """

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.alerts = 0
        self._omitted_here: set[int] = set()
        self._omitted_there = 0
        self._finished: deque[str] = deque(maxlen=MAX_TASKS)
        self._children: Counter[str] = Counter()
        self._forgotten = 0

    @property
    def omitted(self) -> int:
        """Tasks that are counted only: those the sandbox kept back, those over the cap here, and forgotten ones."""
        return len(self._omitted_here) + self._omitted_there + self._forgotten

    def take(self, content: Mapping[str, Any], now: float) -> Task | None:
        """Take the content of a ``progress`` event; gives its task, or None when it is one of the omitted."""
        omitted = to_number(content.get("omitted"))
        if omitted is not None:
            self._omitted_there = max(self._omitted_there, int(omitted))
            return None
        key = _key(content.get("task"))
        task = self.tasks.get(key)
        if task is None:
            if len(self.tasks) >= MAX_TASKS and not self._make_room():
                if len(self._omitted_here) < _MAX_COUNTED:
                    self._omitted_here.add(hash(key))
                return None
            parent = content.get("parent")
            task = self.tasks[key] = Task(key, None if parent is None else _key(parent), now)
            task.message = clean_text(key)
            if task.parent is not None:
                self._children[task.parent] += 1
        was_done = task.state == "done"
        task.take(content, now)
        if task.state == "done" and not was_done:
            self._finished.append(key)
        return task

    def _make_room(self) -> bool:
        """Forget the task that has been finished longest and is nobody's parent; False where there is none."""
        while self._finished:
            key = self._finished.popleft()
            task = self.tasks.get(key)
            if task is None or task.state != "done" or self._children[key]:
                continue
            del self.tasks[key]
            if task.parent is not None:
                self._children[task.parent] -= 1
            self._forgotten += 1
            return True
        return False

    def finish(self, reply: Mapping[str, Any], now: float, longest: float = math.inf) -> None:
        """Give every task that still runs the end that its run had.

        No task took longer than its run, which took `longest` seconds: what was reported may have waited on its way. A
        task that got to no end of its own in a run that completed is done when nothing tells how far it was, and stopped
        where it was when something does: it is not called complete.
        """
        for task in self.tasks.values():
            if task.state != "running":
                task.shorten(longest)
                continue
            if reply.get("reason", "completed") == "completed" and reply.get("status", "ok") == "ok":
                task.end("done" if task.percent is None else "stopped", now)
            else:
                default: State = "stopped" if "reason" in reply else "failed"
                task.end(_ENDS.get(str(reply.get("reason")), default), now)
            task.shorten(longest)


def _key(value: Any) -> str:
    return "" if value is None else str(value)[:_MAX_KEY_CHARS]


def _short(value: Any) -> str:
    try:
        return value if isinstance(value, str) else str(value)
    except (RecursionError, ValueError):  # nested too deep, or an int of too many digits
        return type(value).__name__
