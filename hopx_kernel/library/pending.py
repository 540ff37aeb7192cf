"""A coroutine function's call that a thread waits for, in a wait that may be interrupted at any moment.

`concurrent.futures` is not made for that: an interrupt that hits a program's main thread between two steps of Python
code in there leaves a lock behind, and the thread that would set the result waits for it for ever. Here, the thread
that waits touches one lock of the interpreter's own, and the other releases it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from typing import Any, Generic, TypeVar

import anyio

from ..loops import call_soon_threadsafe

__all__ = ["Pending"]

T = TypeVar("T")

#: A wait without an end is many that have one, of so many seconds. Libraries such as polars have the system calls of a
#: program go on after a signal, and then only a wait that has an end is interrupted.
SLICE_SECONDS = 3600.0


class Pending(Generic[T]):
    """One call. `run` and `fail` are for the loop, the rest for other threads.

    Parameters
    ----------
    loop : AbstractEventLoop
        Where it runs.
    func, args
        What is called.

    Attributes
    ----------
    error : BaseException or None
        What it raised, once it is over.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, func: Callable[..., Awaitable[T]], args: tuple[Any, ...]
    ) -> None:
        self.error: BaseException | None = None
        self._loop = loop
        self._func = func
        self._args = args
        self._value: Any = None
        self._scope: anyio.CancelScope | None = None
        self._is_cancelled = False
        self._is_over = False
        self._end = threading.Lock()
        self._end.acquire()

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it is over, after `timeout` seconds at the latest."""
        while not self._is_over:
            if self._end.acquire(timeout=SLICE_SECONDS if timeout is None else max(0.0, timeout)):
                self._end.release()  # for another thread that waits
            if timeout is not None:
                break
        return self._is_over

    def result(self) -> T:
        """Wait for its end; gives what it gave, or raises what it raised."""
        self.wait()
        if self.error is not None:
            raise self.error
        value: T = self._value
        return value

    def cancel(self) -> None:
        """Cancel it, without waiting for its end."""
        try:
            call_soon_threadsafe(self._loop, self._cancel)
        except RuntimeError:
            pass  # the loop has ended, and everything in it

    def _cancel(self) -> None:
        self._is_cancelled = True
        if self._scope is not None:
            self._scope.cancel()

    async def run(self) -> None:
        """Do it, as a task."""
        self.error = CancelledError()
        try:
            with anyio.CancelScope() as self._scope:
                if self._is_cancelled:
                    self._scope.cancel()
                self._value = await self._func(*self._args)
                self.error = None
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as exc:  # noqa: BLE001 - it is raised to whoever waits
            self.error = exc
        finally:
            self._settle()

    def fail(self, error: BaseException) -> None:
        """End it before it has begun."""
        self.error = error
        self._settle()

    def _settle(self) -> None:
        self._is_over = True
        self._end.release()
