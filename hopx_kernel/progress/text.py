"""Progress for a terminal: one line that updates in place. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from .model import ProgressModel
from .rows import make_rows
from .snapshot import row_text
from .words import duration

__all__ = ["ERASE_LINE", "TerminalLine", "status_line"]

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
    return _fitting(row_text(shown, width=16).strip(), MAX_COLUMNS - len(more)) + more


def _fitting(line: str, columns: int) -> str:
    """As much of a line as a terminal shows in so many columns, of which wide characters take two."""
    if line.isascii() and len(line) <= columns:
        return line
    for index, char in enumerate(line):
        if not unicodedata.combining(char):
            columns -= 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
        if columns < 0:
            return line[:index]
    return line


class TerminalLine:
    """The line, as it stands on the terminal among what else is printed there.

    Parameters
    ----------
    write : callable
        Takes text for the terminal.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._shown = ""
        self._is_open = False

    def show(self, line: str) -> None:
        """Put a line in the place of the last one; what was printed without an end of its own is not touched."""
        if line and line != self._shown:
            self._write(self._new_line() + ERASE_LINE + line)
            self._shown = line

    def erase(self) -> bool:
        """Take the line away; False when there was none."""
        if not self._shown:
            return False
        self._write(ERASE_LINE)
        self._shown = ""
        return True

    def printed(self, text: str) -> None:
        """Note what is printed beside it, after `erase`."""
        self._is_open = not text.endswith("\n")

    def leave(self, record: str) -> None:
        """Erase the line and print what is to stay."""
        self.erase()
        self._write(f"{self._new_line()}{record}\n")

    def _new_line(self) -> str:
        is_open, self._is_open = self._is_open, False
        return "\n" if is_open else ""
