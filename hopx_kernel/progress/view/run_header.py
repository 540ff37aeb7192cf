"""The run header as an anywidget: one message says how the run stands, and the browser's own clock does the rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anywidget
import ipywidgets
import traitlets

from ..run import RunRecord
from .front_end import front_end_file

__all__ = ["RunHeader"]


class _Widget(anywidget.AnyWidget):
    _esm = front_end_file("run_header.js")
    _css = front_end_file("run_header.css")
    #: See ``RunState`` in ``run_header.js``.
    run = traitlets.Dict().tag(sync=True)


class RunHeader:
    """State of the run, its clock, its sandbox, Stop.

    Parameters
    ----------
    on_stop : callable, optional
        Called on the thread on which the comm message arrives.
    """

    def __init__(self, on_stop: Callable[[], None] | None) -> None:
        self._on_stop = on_stop
        self._seen: tuple[dict[str, Any], int] | None = None
        self.pages = 0
        self._widget = _Widget()
        self._widget.on_msg(self._take)

    @property
    def is_ready(self) -> bool:
        """Whether a page has shown it."""
        return self.pages > 0

    @property
    def widget(self) -> ipywidgets.Widget:
        """What is shown."""
        return self._widget

    def update(self, run: RunRecord, alerts: int, now: float) -> int:
        """Send what has changed; time that passes is no change."""
        state: dict[str, Any] = {
            "state": run.state,
            "word": run.word,
            "place": run.place,
            "is_isolated": run.is_isolated,
            "usage": run.usage(),
            "alerts": alerts,
            "note": run.note,
            "can_stop": self._on_stop is not None and run.ended is None,
            "ended_seconds": None if run.ended is None else run.elapsed(now),
        }
        seen = (state, run.heartbeats)
        if seen == self._seen:
            return 0
        self._seen = seen
        # By the host's own clock; the browser learns from `at` how far its clock is from it.
        at = time.time() * 1000
        clock = {"at": at, "started": at - run.elapsed(now) * 1000, "heard": at - (now - run.last_sign) * 1000}
        self._widget.run = {**state, **clock}
        return 1

    def close(self) -> None:
        """Close its comms."""
        self._widget.layout.close()
        self._widget.close()

    def _take(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = content.get("type") if isinstance(content, dict) else None
        if kind == "ready":
            self.pages += 1
        elif kind == "stop" and self._on_stop is not None:
            self._on_stop()
