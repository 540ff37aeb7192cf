"""Tracebacks as a person reads them: they end where the person's code does, and have an end."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Optional, Set

__all__ = ["hide_own_frames", "note_of_calls"]

#: Tracebacks of more calls lose those in the middle: to format millions would take an hour that no interrupt shortens.
LONG_TRACEBACK, KEPT_CALLS = 5000, 500


def hide_own_frames(exc: Optional[BaseException]) -> int:
    """Take the runner's code out of the tracebacks of an exception and of those it came from.

    Gives how many calls of the code were left out.
    """
    seen: Set[int] = set()
    omitted = 0
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        omitted += _shorten(exc.__traceback__)
        _cut(exc.__traceback__, isinstance(exc, KeyboardInterrupt))
        exc = exc.__cause__ or exc.__context__
    return omitted


def note_of_calls(omitted: int) -> str:
    """What to say of calls that a traceback does not show."""
    return f"({omitted:,} more calls in between are not shown.)" if omitted else ""


def _shorten(trace: Optional[TracebackType]) -> int:
    length = 0
    step = trace
    while step is not None:
        length, step = length + 1, step.tb_next
    if trace is None or length <= LONG_TRACEBACK:
        return 0
    omitted = length - 2 * KEPT_CALLS
    for _ in range(KEPT_CALLS - 1):
        assert trace is not None
        trace = trace.tb_next
    rest = trace
    for _ in range(omitted + 1):
        assert rest is not None
        rest = rest.tb_next
    assert trace is not None
    trace.tb_next = rest
    return omitted


def _cut(trace: Optional[TracebackType], at_once: bool) -> None:
    while trace is not None and trace.tb_next is not None:
        if _is_own(trace.tb_next):
            # The runner's code may go on into somebody else's: a hook, an object's repr, what it wraps.
            trace.tb_next = None if at_once else _first_of_others(trace.tb_next)
        trace = trace.tb_next


def _first_of_others(trace: Optional[TracebackType]) -> Optional[TracebackType]:
    while trace is not None and _is_own(trace):
        trace = trace.tb_next
    return trace


def _is_own(trace: TracebackType) -> bool:
    return trace.tb_frame.f_code.co_filename.startswith(_OWN)


_OWN = os.path.dirname(_cut.__code__.co_filename)
