"""One line of the grid: the message, the bar, and what is known beside it."""

from __future__ import annotations

import ipywidgets
from ipywidgets.widgets.widget_int import ProgressStyle
from ipywidgets.widgets.widget_string import HTMLStyle

from ..fragments import MUTED, detail_html, label_html
from ..rows import Row
from ..snapshot import hidden_text

__all__ = ["Line", "Shared", "hidden_line"]

_STYLES = {"running": "info", "done": "success", "failed": "danger", "stopped": ""}


class Shared:
    """The layout and the styles of all lines: each is a comm, and they are all the same."""

    def __init__(self) -> None:
        self.layout = ipywidgets.Layout()
        self.html_style = HTMLStyle()
        self.bar_style = ProgressStyle()

    def html(self, value: str = "") -> ipywidgets.HTML:
        """A text that uses them; what it shows must be escaped."""
        return ipywidgets.HTML(value, layout=self.layout, style=self.html_style)

    def close(self) -> None:
        """Close their comms."""
        for part in (self.layout, self.html_style, self.bar_style):
            part.close()


class Line:
    """Three widgets, which send only what has changed."""

    def __init__(self, shared: Shared) -> None:
        self._label = shared.html()
        self._bar = ipywidgets.FloatProgress(
            value=0.0, min=0.0, max=100.0, layout=shared.layout, style=shared.bar_style
        )
        self._detail = shared.html()
        self._row: Row | None = None

    @property
    def widgets(self) -> tuple[ipywidgets.Widget, ...]:
        """In the order of the grid's columns."""
        return self._label, self._bar, self._detail

    def update(self, row: Row) -> int:
        """Show a row; gives the number of messages sent."""
        if row == self._row:
            return 0
        self._row = row
        sent = _set(self._label, label_html(row)) + _set(self._detail, detail_html(row))
        value = 0.0 if row.percent is None else row.percent
        state = "failed" if row.is_red else row.state
        classes = (f"hopx-{state}", *(("hopx-unknown",) if _is_unknown(row) else ()))
        if row.folded:
            classes = (*classes, "hopx-folded")
        changes = {"value": value, "bar_style": _STYLES[state], "_dom_classes": classes, "tooltip": row.label}
        changes = {name: new for name, new in changes.items() if getattr(self._bar, name) != new}
        if changes:
            # All of them in one message.
            with self._bar.hold_sync():
                for name, new in changes.items():
                    setattr(self._bar, name, new)
            sent += 1
        return sent

    def close(self) -> None:
        """Close the widgets."""
        for widget in self.widgets:
            widget.close()


def hidden_line(count: int) -> str:
    """HTML that says how many tasks are not shown, or nothing."""
    return f'<span style="{MUTED}">{hidden_text(count)}</span>' if count else ""


def _is_unknown(row: Row) -> bool:
    return row.percent is None and row.state == "running" and not row.folded


def _set(widget: ipywidgets.HTML, value: str) -> int:
    if widget.value == value:
        return 0
    widget.value = value
    return 1
