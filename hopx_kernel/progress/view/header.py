"""The run header: an anywidget whose clock ticks in the browser, or the same in plain ipywidgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import ipywidgets

from ..fragments import COLORS, GLYPHS, header_html
from ..run import RunRecord
from ..snapshot import header_facts
from ..words import duration

__all__ = ["Header", "PlainHeader", "close_widget", "make_header"]

#: Silence shorter than this is not worth a word: the host is told of a life sign every five.
QUIET_SECONDS = 12.0


class Header(Protocol):
    """What the view needs of a header."""

    @property
    def widget(self) -> ipywidgets.Widget:
        """What is shown."""

    @property
    def pages(self) -> int:
        """How many pages have shown it; more than one after a reload. 1 where pages do not tell."""

    @property
    def is_ready(self) -> bool:
        """Whether the front end is known to show it."""

    def update(self, run: RunRecord, alerts: int, now: float) -> int:
        """Bring it up to date; gives the number of messages sent."""

    def close(self) -> None:
        """Close its comms."""


def make_header(which: str, on_stop: Callable[[], None] | None) -> Header | None:
    """Make the header that the options ask for, as far as this environment has it."""
    if which == "off":
        return None
    if which == "auto":
        try:
            from .run_header import RunHeader
        except ImportError:  # no anywidget in this environment
            return PlainHeader(on_stop)
        return RunHeader(on_stop)
    return PlainHeader(on_stop)


def close_widget(widget: ipywidgets.Widget) -> None:
    """Close a widget with its layout and style, which have comms of their own."""
    for name in ("layout", "style"):
        part = getattr(widget, name, None)
        if isinstance(part, ipywidgets.Widget):
            part.close()
    widget.close()


class PlainHeader:
    """The header in ipywidgets that every front end with widgets has. Its clock moves with the refreshes."""

    is_ready = True
    pages = 1

    def __init__(self, on_stop: Callable[[], None] | None) -> None:
        self._text = ipywidgets.HTML()
        self._button = ipywidgets.Button(
            description="Stop", icon="stop", tooltip="Interrupt the cell", layout=ipywidgets.Layout(width="auto")
        )
        self._on_stop = on_stop
        self._button.on_click(self._clicked)
        parts = [self._text] if on_stop is None else [self._text, self._button]
        layout = ipywidgets.Layout(align_items="center", justify_content="space-between", max_width="960px")
        self._box = ipywidgets.HBox(parts, layout=layout).add_class("hopx-plain-header")

    @property
    def widget(self) -> ipywidgets.Widget:
        """What is shown."""
        return self._box

    def update(self, run: RunRecord, alerts: int, now: float) -> int:
        """Bring it up to date."""
        is_alerted = alerts > 0 and run.state in ("running", "done")
        color = COLORS["failed" if is_alerted else run.state]
        facts = [duration(run.elapsed(now)), run.place, *run.usage()]
        if now - run.last_sign > QUIET_SECONDS:
            facts.append(f"last sign of life {duration(now - run.last_sign)} ago")
        facts.extend(header_facts(run, now, alerts)[2:])
        value = header_html(run.word, "!" if is_alerted else GLYPHS[run.state], color, facts)
        is_stopping = run.state == "stopping"
        sent = int(value != self._text.value) + int(is_stopping != self._button.disabled)
        self._text.value = value
        self._button.disabled = is_stopping
        return sent

    def close(self) -> None:
        """Close its comms."""
        for widget in (self._box, self._text, self._button):
            close_widget(widget)

    def _clicked(self, _button: Any) -> None:
        if self._on_stop is not None:
            # Pressed is shown at once; whether it helped is shown when that is known.
            self._button.disabled = True
            self._on_stop()
