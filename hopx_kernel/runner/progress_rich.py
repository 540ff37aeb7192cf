"""rich.progress's bars as ours: no live region is started, and whatever changes a task reports it."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from .progress_bars import Bar, open_bar

__all__ = ["adapt_rich"]


def adapt_rich(module: Any) -> None:
    """Adapt the class `Progress`."""
    cls = module.Progress

    def start(self: Any) -> None:
        self._hopx_bars = getattr(self, "_hopx_bars", {})
        # The thread behind `track` works as long as the live region says that it does.
        self._hopx_started = self.live._started = not self.disable
        _report(self)

    def stop(self: Any) -> None:
        _stop(self, sys.exc_info()[0])

    def leave(self: Any, exc_type: Any, *_: Any) -> None:
        _stop(self, exc_type)

    def refresh(self: Any) -> None:
        _report(self)

    for name, function in (("start", start), ("stop", stop), ("__exit__", leave), ("refresh", refresh)):
        function.__doc__ = getattr(cls, name).__doc__
        setattr(cls, name, function)
    for name in ("update", "advance", "reset", "add_task", "start_task", "stop_task"):
        setattr(cls, name, _reporting(getattr(cls, name)))


def _reporting(original: Any) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        _report(self)
        return result

    method.__name__, method.__doc__ = original.__name__, original.__doc__
    return method


def _report(progress: Any) -> None:
    if not getattr(progress, "_hopx_started", False):
        return
    for task in progress.tasks:
        bar = _bar_of(progress, task)
        if bar is not None and not bar.has_ended:
            description = _plain(task.description)
            state = "done" if task.finished else "running"
            bar.report(description, None, task.completed, task.total, None, state)


def _stop(progress: Any, exc_type: Any) -> None:
    _report(progress)
    if getattr(progress, "_hopx_started", False):
        progress._hopx_started = progress.live._started = False
        for task in progress.tasks:
            bar = _bar_of(progress, task)
            if bar is not None and not bar.has_ended:
                is_complete = task.finished or task.total is None
                state = bar.state_at_close(is_complete, exc_type, "rich")
                bar.report(_plain(task.description), None, task.completed, task.total, None, state)


def _bar_of(progress: Any, task: Any) -> Any:
    bars = progress._hopx_bars
    bar: Any = bars.get(task.id)
    if bar is None and task.visible:
        name = _plain(task.description)
        # All tasks of one display are siblings; what starts while they run is below the first.
        first = next(iter(bars.values()), None)
        bar = bars[task.id] = open_bar(name) if first is None else Bar(name, first.parent)
    return bar


def _plain(markup: Any) -> str:
    try:
        return str(importlib.import_module("rich.text").Text.from_markup(str(markup)).plain)
    except Exception:  # text with brackets that are no markup
        return str(markup)
