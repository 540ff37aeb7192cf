"""Tracebacks without the runner's own frames: a person's traceback ends where the person's code does."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Optional, Set

__all__ = ["hide_own_frames"]


def hide_own_frames(exc: Optional[BaseException]) -> None:
    """Cut the tracebacks of an exception and of those it came from where they enter the runner's code."""
    seen: Set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        _cut(exc.__traceback__, isinstance(exc, KeyboardInterrupt))
        exc = exc.__cause__ or exc.__context__


def _cut(trace: Optional[TracebackType], at_once: bool) -> None:
    while trace is not None and trace.tb_next is not None:
        if trace.tb_next.tb_frame.f_code.co_filename.startswith(_OWN) and (at_once or not _calls_others(trace.tb_next)):
            trace.tb_next = None
            return
        trace = trace.tb_next


def _calls_others(trace: TracebackType) -> bool:
    """Whether the runner's code goes on into somebody else's: a hook, an object's repr."""
    while trace.tb_next is not None:
        trace = trace.tb_next
        if not trace.tb_frame.f_code.co_filename.startswith(_OWN):
            return True
    return False


_OWN = os.path.dirname(_cut.__code__.co_filename)
