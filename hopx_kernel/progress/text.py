"""Progress for a terminal: one line that updates in place. Pure."""

from __future__ import annotations

from .model import ProgressModel
from .rows import make_rows
from .snapshot import row_text
from .words import duration

__all__ = ["ERASE_LINE", "status_line"]

#: Back to the start of the line, and clear it.
ERASE_LINE = "\r\x1b[K"

#: A line that wraps cannot be erased by one return; most terminals have at least this many columns.
MAX_COLUMNS = 78


def status_line(model: ProgressModel, now: float) -> str:
    """The innermost task that was heard of last, and how many others run; at most `MAX_COLUMNS` characters."""
    running = [task for task in model.tasks.values() if task.state == "running"]
    tasks = running or list(model.tasks.values())
    if not tasks:
        return ""
    rows = {row.key: row for row in make_rows(model, now, len(model.tasks) or 1)[0]}
    shown = next((rows[task.key] for task in reversed(tasks) if task.key in rows), None)
    if shown is None:
        return duration(tasks[-1].elapsed(now))
    more = f" (+{len(running) - 1:,})" if len(running) > 1 else ""
    line = row_text(shown, width=16).strip()
    return line[: MAX_COLUMNS - len(more)] + more
