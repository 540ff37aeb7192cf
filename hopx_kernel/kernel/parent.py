"""Ends the kernel with the program that has started it, however that ended. Standard library only."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping

__all__ = ["end_with_parent"]

#: How often the parent is looked for, in seconds.
_INTERVAL_SECONDS = 1.0


def end_with_parent(environ: Mapping[str, str]) -> None:
    """End this process as soon as its parent has ended, where that has named itself by ``JPY_PARENT_PID``.

    Process 1 never ends before its children do.
    """
    named = environ.get("JPY_PARENT_PID", "")
    if named.isdigit() and int(named) > 1:
        threading.Thread(target=_watch, args=(os.getppid(),), name="hopx-parent", daemon=True).start()


def _watch(parent: int) -> None:
    # Whose parent has ended is a child of process 1, or of one that takes such children in.
    while parent != 1 and os.getppid() == parent:
        time.sleep(_INTERVAL_SECONDS)
    os._exit(1)
