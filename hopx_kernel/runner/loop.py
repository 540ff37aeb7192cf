"""The interpreter's one asyncio loop, and how a cell runs in it.

The loop runs for the interpreter's whole life, so that tasks which a cell leaves behind go on between cells.
"""

from __future__ import annotations

import asyncio
import contextvars
import selectors
import types
from typing import Any, Callable, Coroutine, Dict, Generator, Optional

from . import limits
from .forked import leave
from .interrupts import Interrupts

__all__ = ["drive", "make_loop"]


class _Selector(selectors.DefaultSelector):
    """Notes when the loop does nothing but wait: a SIGINT then has no code to stop."""

    interrupts: Interrupts

    def select(self, timeout: Optional[float] = None) -> Any:
        if self.interrupts.is_forked:
            leave()  # the loop is the parent's
        self.interrupts.waits = True
        try:
            return super().select(timeout)
        except MemoryError:  # to wait with raised limits would be to wait in vain
            return limits.with_room(super().select, 0)
        finally:
            self.interrupts.waits = False


class _Loop(asyncio.SelectorEventLoop):
    """Loses no step of a task, and nothing that was to be called, where there is no memory for it."""

    def _read_from_self(self) -> None:
        try:
            limits.with_room(super()._read_from_self)  # type: ignore[misc]
        except MemoryError:
            pass  # the loop is told again what it has not read

    def call_exception_handler(self, context: Dict[str, Any]) -> None:
        """Report what a callback has raised; where one could not even be called the process ends: it would wait for ever."""
        handle, exc = context.get("handle"), context.get("exception")
        if isinstance(exc, MemoryError) and handle is not None and exc.__traceback__ is not None:
            owner = getattr(handle._callback, "__self__", None)
            # The traceback ends in the loop: a task's step, being C code, has no frames.
            is_ours = isinstance(owner, asyncio.Task) or type(owner).__module__.startswith(f"{__package__}.")
            if exc.__traceback__.tb_next is None and is_ours:
                limits.give_up()
        super().call_exception_handler(context)


def make_loop(interrupts: Interrupts) -> asyncio.AbstractEventLoop:
    """A new loop, set as the thread's own."""
    selector = _Selector()
    selector.interrupts = interrupts
    loop = _Loop(selector)
    asyncio.set_event_loop(loop)
    return loop


@types.coroutine
def drive(
    coroutine: Coroutine[Any, Any, Any], context: contextvars.Context, interrupts: Interrupts
) -> Generator[Any, Any, Any]:
    """Await a coroutine, each step of it in `context` and marked as user code.

    One context for all cells keeps what a cell sets in a context variable for the next one.
    """
    step: Callable[..., Any] = coroutine.send
    value: Any = None
    while True:
        try:
            interrupts.code_runs = True
            if interrupts.early:
                interrupts.early = False
                if step == coroutine.send:
                    step, value = coroutine.throw, interrupts.make_exception()
            yielded = context.run(step, value)
        except StopIteration as stop:
            return stop.value
        finally:
            interrupts.code_runs = False
        try:
            value = yield yielded
            step = coroutine.send
        except BaseException as exc:
            value, step = exc, coroutine.throw
