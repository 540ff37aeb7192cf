"""What can be configured about progress, and which kind of front end is looking."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = ["FrontEnd", "ProgressOptions", "find_front_end"]

#: ``widgets``: a page; ``text``: a terminal; ``batch``: nobody looks, the output is kept.
FrontEnd = Literal["widgets", "text", "batch"]


@dataclass(frozen=True)
class ProgressOptions:
    """Settings of a run's display.

    Parameters
    ----------
    bars : bool
        Whether progress is shown as bars; else its messages are printed. Results and alerts are shown always.
    front_end : {"widgets", "text", "batch"}
        As `find_front_end` finds it. In "batch" the header only appears together with bars.
    header : {"auto", "plain", "off"}
        The run header: an anywidget where the front end has anywidget and plain ipywidgets elsewhere, always plain
        ipywidgets, or none.
    header_after_seconds : float or None
        A run that lasts longer gets a header even when it reports no progress. None: only with progress.
    refresh_seconds : float
        Least time between two refreshes of the live view; 0.1 at least.
    kind : str
        Kind of the sandbox, shown in the header.
    is_isolated : bool
        False is shown as "not isolated".
    keep_view : bool
        The view stays when the run has ended, with the record in it: for a callback, whose output is often in an
        Output widget, where no ``update_display_data`` replaces it.
    """

    bars: bool = True
    front_end: FrontEnd = "widgets"
    header: Literal["auto", "plain", "off"] = "auto"
    header_after_seconds: float | None = 2.0
    refresh_seconds: float = 0.1
    kind: str = "local"
    is_isolated: bool = True
    keep_view: bool = False


def find_front_end(
    content: Mapping[str, Any],
    metadata: Mapping[str, Any],
    environ: Mapping[str, str],
    parent_command: str | None = None,
) -> FrontEnd:
    """Tell who sent an ``execute_request``, from what they are known to send.

    JupyterLab, Notebook and VS Code name the cell in the metadata, and Jupyter Server names the notebook in the
    kernel's environment; Voilà sets variables of its own. `jupyter console` is known by its command line only.
    nbclient and papermill do none of this and cannot be asked for input. Whoever is left may have widgets.

    Parameters
    ----------
    content, metadata : mapping
        Of the ``execute_request``.
    environ : mapping
        The kernel's environment.
    parent_command : str
        Command line of the process that started the kernel; None: look.
    """
    if "cellId" in metadata or "JPY_SESSION_NAME" in environ or any(name.startswith("VOILA_") for name in environ):
        return "widgets"
    command = _parent_command() if parent_command is None else parent_command
    words = command.replace("\0", " ").replace("_", "-").split()[:6]
    if any(word.endswith("jupyter-console") for word in words) or _is_console(words):
        return "text"
    return "widgets" if content.get("allow_stdin", True) else "batch"


@functools.lru_cache(maxsize=1)
def _parent_command() -> str:
    try:
        return Path(f"/proc/{os.getppid()}/cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:  # no Linux: then it is not known
        return ""


def _is_console(words: list[str]) -> bool:
    return any(one.endswith("jupyter") and two == "console" for one, two in itertools.pairwise(words))
