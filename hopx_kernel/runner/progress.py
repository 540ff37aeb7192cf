"""`progress`, `result`, `error` and `track` for the code in the sandbox.

They are put into `builtins`, so that a user's variable of the same name harms nothing, and into a module
`hopx_progress`, for who likes to import. Nothing that they are given makes them raise. In a forked child, which has no
way to the supervisor of its own, they print the markers of the streaming guide to file descriptor 1.
"""

from __future__ import annotations

import builtins
import json
import os
import sys
import time
import types
from contextvars import ContextVar
from typing import Any, Callable, Dict, Optional, Set

from . import parents
from .progress_slots import Report, Slot, Slots
from .progress_values import json_value, label, number_or_text

__all__ = ["error", "finish_run", "flush", "install", "progress", "result", "track"]

STATES = frozenset({"running", "done", "failed", "stopped"})

#: Results and alerts of one run that are sent one by one; the rest is counted when the run ends.
MAX_MESSAGES = 1000

_MARKERS = {"progress": "__PROGRESS__", "result": "__RESULT__", "alert": "__ERROR__"}

#: The task of the innermost `track` loop in this context: the parent of what starts inside of it.
parent_task: ContextVar[Optional[str]] = ContextVar("hopx_parent_task", default=None)


class _Reporter:
    """Where reports go: the supervisor, or in a forked child the markers."""

    def __init__(self) -> None:
        self.slots = Slots(self._send_report, self._send_omitted)
        self.send: Callable[[str, Dict[str, Any]], None] = _print_marker
        self.count_interrupts: Callable[[], int] = int
        self._counts: Dict[str, Dict[str, int]] = {}
        self._names: Dict[str, Set[str]] = {}

    def reset_after_fork(self) -> None:
        self.slots.reset_after_fork()
        self.send = _print_marker
        self._counts.clear()

    def send_for(self, run_id: str, msg_type: str, content: Dict[str, Any]) -> None:
        """Send for a run, from a context that may be another's."""
        token = parents.current.set(run_id)
        try:
            self.send(msg_type, content)
        finally:
            parents.current.reset(token)

    def send_counted(self, msg_type: str, content: Dict[str, Any]) -> None:
        run_id = parents.get_parent_id()
        with self.slots.lock:
            counts = self._counts.setdefault(run_id, {})
            counts[msg_type] = count = counts.get(msg_type, 0) + 1
        if count <= MAX_MESSAGES:
            self.send(msg_type, content)

    def take_name(self, name: str, parent: Optional[str]) -> str:
        """A task's name that no loop of this run uses, under its parent's."""
        base = name if parent is None else f"{parent}/{name}"
        if len(base) > 400:
            base = f"{base[:360]}…{hash(base) & 0xFFFFFFFF:x}"
        with self.slots.lock:
            names = self._names.setdefault(parents.get_parent_id(), set())
            number, task = 1, base
            while task in names and number < 100_000:
                number += 1
                task = f"{base} #{number}"
            names.add(task)
        return task

    def free_name(self, run_id: str, task: str) -> None:
        """Let the next loop of the same name have it."""
        with self.slots.lock:
            self._names.get(run_id, set()).discard(task)

    def finish_run(self, run_id: str) -> None:
        self.slots.flush(run_id)
        self.slots.forget(run_id)
        self._names.pop(run_id, None)
        for msg_type, count in self._counts.pop(run_id, {}).items():
            if count > MAX_MESSAGES:
                empty: Dict[str, Any] = {"message": ""} if msg_type == "alert" else {"data": None}
                self.send_for(run_id, msg_type, {**empty, "omitted": count - MAX_MESSAGES})

    def _send_report(self, run_id: str, slot: Slot, report: Report, state: Optional[str]) -> None:
        message, percent, data, current, total, unit = report
        content: Dict[str, Any] = {"message": "" if message is None else label(message)}
        if slot.task is not None:
            content["task"] = slot.task
        if slot.parent is not None:
            content["parent"] = slot.parent
        for key, number in (("percent", percent), ("current", current), ("total", total)):
            if number is not None:
                content[key] = number_or_text(number)
        if data is not None:
            content["data"] = json_value(data)
        if unit is not None:
            content["unit"] = label(unit)
        if state is not None:
            content["state"] = state
        self.send_for(run_id, "progress", content)

    def _send_omitted(self, run_id: str, count: int) -> None:
        self.send_for(run_id, "progress", {"message": "", "omitted": count})


def _print_marker(msg_type: str, content: Dict[str, Any]) -> None:
    kind = "error" if msg_type == "alert" else msg_type
    text = _MARKERS[msg_type] + json.dumps({"type": kind, **content}) + "\n"
    data = text.encode("ascii")
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        pass  # nobody reads: as with print to a closed terminal


reporter = _Reporter()
_runs = reporter.slots.runs
_put = reporter.slots.put
_get_run_id = parents.get_parent_id
_monotonic = time.monotonic
_NO_SLOTS: Dict[Any, Slot] = {}


def progress(
    message: Any = None,
    percent: Any = None,
    data: Any = None,
    *,
    task: Any = None,
    current: Any = None,
    total: Any = None,
    unit: Any = None,
    state: Any = None,
) -> None:
    """Report how far the work is.

    Parameters
    ----------
    message : str
        What is being done.
    percent : float, optional
        How much is done, 0 to 100. Without it and without `current` and `total` the bar has no end.
    data : dict, optional
        Metrics, shown beside the bar: ``{"loss": 0.31}``.
    task : str, optional
        Names the bar; each name has its own.
    current, total : float, optional
        A count instead of a percentage.
    unit : str, optional
        What is counted: "rows", "B".
    state : {"running", "done", "failed", "stopped"}, optional
    """
    try:
        run_id = _get_run_id()
        if task is not None and type(task) is not str:
            task = label(task)
        if state is not None and (type(state) is not str or state not in STATES):
            state = None
        slot = _runs.get(run_id, _NO_SLOTS).get(task)
        if slot is None:
            slot = _find(run_id, task)
            if slot is None:
                return
        if type(data) is dict:
            data = data.copy()
        _put(run_id, slot, (message, percent, data, current, total, unit), state, _monotonic())
    except Exception:  # progress is never a reason for the work to fail
        return


def result(data: Any) -> None:
    """Show a result, as a tree where it has parts, and keep it on the run."""
    reporter.send_counted("result", {"data": json_value(data)})


def error(message: Any) -> None:
    """Show an alert and turn the run's bar red. The cell goes on."""
    text = message if type(message) is str else json_value(message)
    reporter.send_counted("alert", {"message": text if isinstance(text, str) else json.dumps(text)})


def track(iterable: Any, description: Any = None, total: Any = None, *, unit: Any = None, task: Any = None) -> Any:
    """Iterate and report: ``for row in track(rows, "Loading")``, ``async for page in track(pages)``.

    Works for iterators of unknown length, generators and async iterators; loops inside of loops show as such.

    Parameters
    ----------
    description : str, optional
        The bar's message.
    total : int, optional
        How many items there will be, where ``len(iterable)`` does not tell.
    unit : str, optional
        What is counted.
    task : str, optional
        Names the bar where the description does not.
    """
    from .progress_track import Track

    return Track(iterable, description, total, unit, task)


def report(
    task: str, parent: Optional[str], fields: Report, state: Optional[str], run_id: Optional[str] = None
) -> None:
    """Report for a task that has a parent of its own; what `track` and the adapters call."""
    try:
        run_id = _get_run_id() if run_id is None else run_id
        slot = reporter.slots.find(run_id, task, parent)
        if slot is not None:
            _put(run_id, slot, fields, state, _monotonic())
    except Exception:
        return


def _find(run_id: str, task: Optional[str]) -> Optional[Slot]:
    if task is not None and len(task) > 500:
        task = label(task)[:500]
    return reporter.slots.find(run_id, task, None)


def flush() -> None:
    """Send everything that waits; the runner calls it when a cell ends."""
    reporter.slots.flush()


def finish_run(run_id: str) -> None:
    """Send what waits for a run that ends, and drop what is known of it."""
    reporter.finish_run(run_id)


def install(
    send: Callable[[str, Dict[str, Any]], None],
    *,
    adapt: bool = True,
    count_interrupts: Callable[[], int] = int,
) -> None:
    """Give the helpers to the code of this process.

    Parameters
    ----------
    send : callable
        ``send(msg_type, content)`` with "progress", "result" or "alert"; for the run of the calling context.
    adapt : bool
        Whether tqdm's and rich's bars become ours.
    count_interrupts : callable
        How many interrupts there were: a loop that one of them ended was stopped and has not failed.
    """
    reporter.send = send
    reporter.count_interrupts = count_interrupts
    module = types.ModuleType("hopx_progress", __doc__)
    for function in (progress, result, error, track):
        setattr(module, function.__name__, function)
        setattr(builtins, function.__name__, function)
    module.__dict__["__all__"] = ["error", "progress", "result", "track"]
    sys.modules["hopx_progress"] = module
    os.register_at_fork(after_in_child=reporter.reset_after_fork)
    _flush_before_exit()
    if adapt:
        from .progress_adapters import install_hooks

        install_hooks()


def _flush_before_exit() -> None:
    """`os._exit` runs no finalizer, and is how forked children end: the last value must not end with them."""
    leave = os._exit

    def _exit(status: int) -> None:
        try:
            flush()
        finally:
            leave(status)

    _exit.__doc__ = leave.__doc__
    os._exit = _exit  # type: ignore[assignment]
