"""`track`: an iterable that reports how far its loop is, and how the loop ended.

A loop that is left early closes its iterator at once. Whether that is because of an exception is told by the traceback
that the loop's frame then has, at the instruction that it is at. The loop itself only counts; the timer looks at the count.
"""

from __future__ import annotations

import dis
import gc
import inspect
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, AsyncIterator, Iterator, List, Optional

from . import parents
from .progress import parent_task, report, reporter
from .progress_values import label

__all__ = ["Track", "ended_by"]

#: What drops an iterator and raises nothing: `break` and `return` in most loops, which need no longer look.
_LEAVING = frozenset({"POP_TOP", "POP_ITER", "END_FOR", "POP_BLOCK", "RETURN_VALUE", "RETURN_CONST", "STORE_FAST"})
#: What raises again, without a new traceback, and what ends the handling of an exception: a comprehension's frame, and its
#: iterator with it, lives as long as the exception that ended it.
_RAISING = frozenset({"RAISE_VARARGS", "RERAISE", "CLEANUP_THROW", "POP_EXCEPT"})
#: More objects than come between an exception and the end of its loop.
_FEW = 50
#: Where a generator waits that is closed.
_YIELDING = frozenset({"YIELD_VALUE", "YIELD_FROM", "SEND", "RESUME"})


class Track:
    """An iterable and an async iterable, whichever the one it wraps is; each iteration is one pass of a task."""

    def __init__(self, iterable: Any, description: Any, total: Any, unit: Any, task: Any) -> None:
        self._iterable = iterable
        self._description = "" if description is None else label(description)
        self._total = _length(iterable) if total is None else total
        self._unit = unit
        self._task = task

    def __len__(self) -> int:
        return len(self._iterable)

    def __bool__(self) -> bool:
        return bool(self._iterable)

    def __iter__(self) -> Iterator[Any]:
        loop = self._begin()
        n = 0
        try:
            for item in self._iterable:
                yield item
                n += 1
                loop.count = n
        except GeneratorExit:
            loop.end(loop.ended_by(sys._getframe(1)))
            raise
        except BaseException as exc:
            loop.end("stopped" if isinstance(exc, KeyboardInterrupt) else "failed")
            raise
        loop.end("done")

    def __aiter__(self) -> AsyncIterator[Any]:
        if not hasattr(self._iterable, "__aiter__"):
            return _AsyncLoop(_as_async(self._iterable), self._begin())
        return _AsyncLoop(self._iterable.__aiter__(), self._begin())

    def _begin(self) -> _Loop:
        parent = parent_task.get()
        name = self._description if self._task is None else label(self._task)
        return _Loop(reporter.take_name(name, parent), parent, self._description, self._total, self._unit)


class _Loop:
    """One pass: its task, and the parent that it is for the loops inside of it."""

    def __init__(self, task: str, parent: Optional[str], message: str, total: Any, unit: Any) -> None:
        self.count = 0
        self._task, self._parent = task, parent
        self._message, self._total, self._unit = message, total, unit
        self._run_id = parents.get_parent_id()
        self._interrupts = reporter.count_interrupts()
        self._reported = -1
        parent_task.set(task)
        self._look()
        reporter.slots.watch(self._look)

    def _look(self) -> None:
        if self.count != self._reported:
            self._report("running")

    def _report(self, state: str) -> None:
        self._reported = self.count
        fields = (self._message, None, None, self.count, self._total, self._unit)
        report(self._task, self._parent, fields, state, self._run_id)

    def end(self, state: str) -> None:
        """Report the end. The name of a loop that did not fail may be used again, and shows as the same bar."""
        reporter.slots.unwatch(self._look)
        if parent_task.get() == self._task:
            parent_task.set(self._parent)
        if state != "failed":
            reporter.free_name(self._run_id, self._task)
        self._report(state)

    def ended_by(self, frame: FrameType) -> str:
        """How the loop ended whose iterator was dropped while `frame` ran."""
        return ended_by(frame, self._interrupts)


class _AsyncLoop:
    """Not an async generator: those are closed by the loop some time later, when nothing tells why any more."""

    def __init__(self, iterator: Any, loop: _Loop) -> None:
        self._iterator = iterator
        self._loop: Optional[_Loop] = loop
        self._is_first = True

    def __aiter__(self) -> _AsyncLoop:
        return self

    async def __anext__(self) -> Any:
        loop = self._loop
        if loop is None:
            raise StopAsyncIteration
        if not self._is_first:
            loop.count += 1
        self._is_first = False
        try:
            return await self._iterator.__anext__()
        except StopAsyncIteration:
            self._end("done")
            raise
        except BaseException as exc:
            self._end("failed" if isinstance(exc, Exception) else "stopped")
            raise

    def __del__(self) -> None:
        if self._loop is not None:
            self._end(self._loop.ended_by(sys._getframe(1)))

    def _end(self, state: str) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.end(state)


async def _as_async(iterable: Any) -> AsyncIterator[Any]:
    for item in iterable:
        yield item


def ended_by(frame: FrameType, interrupts: int) -> str:
    """How a loop ended whose iterator was dropped while `frame` ran, with `interrupts` counted when it began."""
    if not _raises(frame):
        return "stopped"
    is_main = threading.current_thread() is threading.main_thread()
    return "stopped" if is_main and reporter.count_interrupts() != interrupts else "failed"


def _raises(frame: FrameType) -> bool:
    """Whether an exception is on its way through a frame, or through the one that closes it.

    Python tells nobody of an exception that nothing handles yet. But its traceback is there: on the frame, at the very
    instruction, or on one that was called from there and has ended by the exception.
    """
    if _opname(frame) in _LEAVING:
        return False
    # Among the youngest objects; where these were collected a moment ago, it may be one of the next generation.
    young = gc.get_objects(0) if gc.get_count()[0] > _FEW else gc.get_objects(0) + gc.get_objects(1)
    tracebacks = [one for one in young if type(one) is TracebackType]
    closed: List[FrameType] = []
    running: Optional[FrameType] = frame
    while running is not None and _is_closed(running, tracebacks):
        closed.append(running)  # whoever drops it knows why
        running = running.f_back
    if running is None or _opname(running) in _RAISING:
        return running is not None
    ended = [one for one in tracebacks if one.tb_lasti == one.tb_frame.f_lasti]
    inner = {id(one.tb_next) for one in tracebacks}
    called = [one.tb_frame for one in ended if id(one) not in inner and one.tb_frame not in closed]
    return any(one.tb_frame is running for one in ended) or any(one.f_back is running for one in called)


def _is_closed(frame: FrameType, tracebacks: List[TracebackType]) -> bool:
    """Whether a generator is being closed: what has come to it where it waits is no exception of its own."""
    if not frame.f_code.co_flags & inspect.CO_GENERATOR:
        return False
    if _opname(frame) == "RERAISE":  # after a `with` or a `finally` around the `yield`
        return any(one.tb_frame is frame and _opname(frame, one.tb_lasti) in _YIELDING for one in tracebacks)
    return _opname(frame) in _YIELDING


def _opname(frame: FrameType, lasti: Optional[int] = None) -> str:
    """The instruction that a frame is at; a `RETURN_VALUE` where it has not begun."""
    at = frame.f_lasti if lasti is None else lasti
    return dis.opname[frame.f_code.co_code[at]] if at >= 0 else "RETURN_VALUE"


def _length(iterable: Any) -> Optional[int]:
    try:
        return len(iterable)
    except Exception:  # no length, or one that raises: then it is unknown
        return None
