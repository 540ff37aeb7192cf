"""rich.progress's bars as ours: no live region is started, and whatever changes a task reports it."""

from __future__ import annotations

import importlib
import sys
from typing import Any, Dict, Optional

from .progress_bars import Bar, open_bar

__all__ = ["adapt_rich"]

_BYTE_COLUMNS = frozenset({"DownloadColumn", "FileSizeColumn", "TotalFileSizeColumn", "TransferSpeedColumn"})


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
    remove = cls.remove_task

    def remove_task(self: Any, task_id: Any) -> None:
        for task in self.tasks:
            if task.id == task_id:
                _end(self, task, None)
        remove(self, task_id)

    remove_task.__doc__ = remove.__doc__
    cls.remove_task = remove_task


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
        _report_task(progress, task, "done" if task.finished else "running")


def _report_task(progress: Any, task: Any, state: str) -> None:
    bar = _bar_of(progress, task)
    if bar is not None and not bar.has_ended:
        bar.report(_plain(task.description), _fields(task), task.completed, task.total, _unit(progress), state)


def _stop(progress: Any, exc_type: Any) -> None:
    _report(progress)
    if getattr(progress, "_hopx_started", False):
        progress._hopx_started = progress.live._started = False
        for task in progress.tasks:
            _end(progress, task, exc_type)


def _end(progress: Any, task: Any, exc_type: Any) -> None:
    bar = getattr(progress, "_hopx_bars", {}).get(task.id)
    if bar is not None and not bar.has_ended:
        is_complete = task.finished or task.total is None
        _report_task(progress, task, bar.state_at_close(is_complete, exc_type, "rich"))


def _fields(task: Any) -> Optional[Dict[str, Any]]:
    """The fields that the code has given a task for its columns, as metrics."""
    return {_plain(name): value for name, value in task.fields.items()} or None


def _unit(progress: Any) -> Optional[str]:
    """Bytes, where a column shows them as such; rich knows no other unit."""
    return "B" if any(type(column).__name__ in _BYTE_COLUMNS for column in progress.columns) else None


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
