"""Imports the live view with the first bar, in a thread: ipywidgets takes a tenth of a second, and megabytes.

A kernel whose cells show no bars never needs it.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .options import ProgressOptions

if TYPE_CHECKING:
    from .view import LiveView

__all__ = ["ViewLoader"]


class _Import:
    """The one import of this process."""

    def __init__(self) -> None:
        self.module: Any = None
        self.has_failed = False
        self.thread: threading.Thread | None = None
        self.lock = threading.Lock()

    def start(self) -> None:
        with self.lock:
            if self.thread is None:
                self.thread = threading.Thread(target=self._run, name="hopx-view-import", daemon=True)
                self.thread.start()

    def _run(self) -> None:
        try:
            self.module = importlib.import_module("hopx_kernel.progress.view")
        except ImportError:  # no ipywidgets here: bars are shown as static HTML instead
            self.has_failed = True


_import = _Import()


class ViewLoader:
    """Gives live views, once they can be had."""

    @property
    def has_failed(self) -> bool:
        """Whether ipywidgets is missing."""
        return _import.has_failed

    def is_ready(self, wait_seconds: float = 0.0) -> bool:
        """Whether `make_view` can be called; starts the import when nobody has, and may wait for it a little."""
        _import.start()
        if wait_seconds and _import.thread is not None:
            _import.thread.join(wait_seconds)
        return _import.module is not None

    def make_view(self, options: ProgressOptions, on_stop: Callable[[], None] | None) -> LiveView:
        """Make an empty view."""
        view: LiveView = _import.module.LiveView(options, on_stop)
        return view
