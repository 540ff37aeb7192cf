"""One container for one run: its header, and a grid with a line for each task."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import ipywidgets

from ..model import ProgressModel
from ..options import ProgressOptions
from ..rows import make_rows
from ..run import RunRecord
from .header import Header, close_widget, make_header
from .lines import Line, Shared, hidden_line
from .style import GRID_GAP, GRID_TEMPLATE, RUN_CLASS, STYLE

__all__ = ["MAX_LINES", "LiveView"]

#: Lines that are live at one time: each refresh may touch all of them.
MAX_LINES = 24

#: Views that stay on their pages after their ends; each has some comms open.
MAX_KEPT = 20
_kept: deque[tuple[ipywidgets.Widget, ipywidgets.Widget]] = deque()

#: How long a front end may take to show that it has anywidget, in seconds; then it gets a plain header.
_FALLBACK_SECONDS = 3.0


class LiveView:
    """The widgets of one run.

    Parameters
    ----------
    options : ProgressOptions
    on_stop : callable, optional
        Called when Stop is pressed, on the thread on which the comm message arrives.

    Attributes
    ----------
    fallback_due : float or None
        When `fall_back` is to be called, unless the front end answers before.
    """

    def __init__(self, options: ProgressOptions, on_stop: Callable[[], None] | None) -> None:
        self._on_stop = on_stop
        self._shared = Shared()
        self._lines: dict[str, Line] = {}
        self._order: list[str] = []
        self._header: Header | None = make_header(options.header, on_stop)
        self._fallback_due: float | None = None
        self._grid_layout = ipywidgets.Layout(grid_template_columns=GRID_TEMPLATE, grid_gap=GRID_GAP, width="100%")
        self._grid = ipywidgets.GridBox(layout=self._grid_layout)
        # Carries the style, and says how many tasks are not shown.
        self._foot = self._shared.html(STYLE)
        self._root = ipywidgets.VBox(self._children()).add_class(RUN_CLASS)

    @property
    def fallback_due(self) -> float | None:
        """None once the front end has shown its header, or where there is none to wait for."""
        if self._header is None or self._header.is_ready:
            return None
        return self._fallback_due

    def bundle(self) -> dict[str, Any]:
        """The MIME bundle that shows the view."""
        reference = {"version_major": 2, "version_minor": 0, "model_id": self._root.model_id}
        return {"application/vnd.jupyter.widget-view+json": reference}

    def shown(self, now: float) -> None:
        """Note that the bundle has been sent."""
        if self._header is not None and not self._header.is_ready and self._fallback_due is None:
            self._fallback_due = now + _FALLBACK_SECONDS

    def fall_back(self) -> None:
        """Put plain ipywidgets in the place of a header that the front end did not show."""
        self._fallback_due = None
        if self._header is None or self._header.is_ready:
            return
        old, self._header = self._header, make_header("plain", self._on_stop)
        self._root.children = self._children()
        old.close()

    def update(self, model: ProgressModel, run: RunRecord, now: float, *, bars: bool = True) -> int:
        """Bring the widgets up to date; gives how many comm messages that took, about."""
        sent = 0
        if self._header is not None:
            sent += self._header.update(run, model.alerts, now)
        if not bars:
            return sent
        rows, hidden = make_rows(model, now, MAX_LINES)
        for row in rows:
            line = self._lines.get(row.key)
            if line is None:
                line = self._lines[row.key] = Line(self._shared)
                sent += 3
            sent += line.update(row)
        sent += self._arrange([row.key for row in rows])
        text = STYLE + hidden_line(hidden)
        if text != self._foot.value:
            self._foot.value = text
            sent += 1
        return sent

    def close(self, record: str, *, keep: bool = False) -> None:
        """Close every comm of the view, which the record has replaced.

        A page that was reloaded while the code ran has lost its way to replace an output: there the view stays, and
        where it is told to, with the record's HTML in it, until `MAX_KEPT` later ones have come.
        """
        keep = keep or (self._header is not None and self._header.pages > 1)
        if keep:
            text = ipywidgets.HTML(record)
            self._root.children = [text]
            _kept.append((self._root, text))
            if len(_kept) > MAX_KEPT:
                for widget in _kept.popleft():
                    close_widget(widget)
        for line in self._lines.values():
            line.close()
        self._lines.clear()
        if self._header is not None:
            self._header.close()
        self._foot.close()
        self._shared.close()
        close_widget(self._grid)
        if not keep:
            close_widget(self._root)

    def _children(self) -> list[ipywidgets.Widget]:
        head = [] if self._header is None else [self._header.widget]
        return [*head, self._grid, self._foot]

    def _arrange(self, keys: list[str]) -> int:
        if keys == self._order:
            return 0
        self._order = keys
        self._grid.children = [widget for key in keys for widget in self._lines[key].widgets]
        # A folded or hidden line is gone for good in most runs: its comms need not stay open until the end.
        for key in set(self._lines).difference(keys):
            self._lines.pop(key).close()
        return 1
