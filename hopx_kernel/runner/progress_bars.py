"""A foreign bar as one of our tasks."""

from __future__ import annotations

import sys
import threading
import weakref
from types import FrameType
from typing import Any, Callable, List, Optional

from . import parents
from .progress import parent_task, report, reporter
from .progress_track import ended_by

__all__ = ["Bar", "open_bar"]

_open_bars = threading.local()


class Bar:
    """The task of one bar of another library, which reports as often as it likes."""

    def __init__(self, name: str, parent: Optional[str]) -> None:
        self.run_id = parents.get_parent_id()
        self.parent = parent
        self.task = reporter.take_name(name or "bar", self.parent)
        self.has_ended = False
        self._interrupts = reporter.count_interrupts()
        self._look: Optional[Callable[[], None]] = None

    def report(self, message: str, data: Any, current: Any, total: Any, unit: Any, state: str = "running") -> None:
        """Report; a state other than "running" is the last report."""
        if state != "running" and self._look is not None:
            reporter.slots.unwatch(self._look)
        fields = (message, None, data, current, total, unit)
        report(self.task, self.parent, fields, state, self.run_id)
        if state != "running":
            self.has_ended = True
        if state in ("done", "stopped"):
            reporter.free_name(self.run_id, self.task)

    def watch(self, owner: Any, report: Callable[[Any], None]) -> None:
        """Have `report` called with the bar's owner several times a second, and once more when the run ends.

        Libraries guess how often a bar must be drawn, and guess wrong when the work slows down or is left half done.
        """
        reference = weakref.ref(owner)

        def look() -> None:
            living = reference()
            if living is None or self.has_ended or not reporter.slots.is_live(self.run_id):
                reporter.slots.unwatch(look)
            else:
                report(living)

        self._look = look
        reporter.slots.watch(look)

    def state_at_close(self, is_complete: bool, exc_type: Any, package: str) -> str:
        """How a bar ended that is closed while `exc_type` is on its way; a `GeneratorExit` hides the loop's own."""
        if exc_type is GeneratorExit:
            frame = _first_outside(package)
            return "stopped" if frame is None else ended_by(frame, self._interrupts)
        if exc_type is not None:
            return "failed" if issubclass(exc_type, Exception) else "stopped"
        return "done" if is_complete else "stopped"


def open_bar(name: str) -> Bar:
    """Make a bar that is the parent of what this thread opens before it ends."""
    bar = Bar(name, _innermost())
    _open_bars.bars = [*(one for one in getattr(_open_bars, "bars", []) if not one.has_ended), bar]
    return bar


def _innermost() -> Optional[str]:
    bars: List[Bar] = getattr(_open_bars, "bars", [])
    run_id = parents.get_parent_id()
    for bar in reversed(bars):
        if bar.run_id == run_id and not bar.has_ended:
            return bar.task
    return parent_task.get()


def _first_outside(package: str) -> Optional[FrameType]:
    inside = (__package__ or "hopx", package, "contextlib")
    frame: Optional[FrameType] = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(inside):
        frame = frame.f_back
    return frame
