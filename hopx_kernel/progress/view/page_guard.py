"""The guard of a Voilà page: an anywidget without looks of its own until it has something to tell."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from .front_end import front_end_file

__all__ = ["PageGuard"]


class _Widget(anywidget.AnyWidget):
    _esm = front_end_file("page_guard.js")
    _css = front_end_file("page_guard.css")
    message = traitlets.Unicode().tag(sync=True)


class PageGuard:
    """Tells the visitors of a page what has become of its kernel; one that has ended tells its page itself."""

    def __init__(self) -> None:
        self._widget = _Widget()

    def bundle(self) -> dict[str, Any]:
        """The MIME bundle that puts it into a page."""
        reference = {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}
        return {"application/vnd.jupyter.widget-view+json": reference}

    def tell(self, message: str) -> None:
        """Show a message on every page."""
        self._widget.message = message
