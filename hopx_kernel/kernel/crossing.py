"""The way into the main loop from other threads and their loops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any, TypeVar

from anyio.abc import TaskGroup

from ..loops import call_soon_threadsafe

__all__ = ["Crossing"]

T = TypeVar("T")


class Crossing:
    """Runs coroutine functions in the loop that it is made in.

    Parameters
    ----------
    group : TaskGroup
        Owns them; what it is cancelled with ends with `RuntimeError`.
    """

    def __init__(self, group: TaskGroup) -> None:
        self._loop = asyncio.get_running_loop()
        self._group = group

    def submit(self, function: Callable[..., Awaitable[T]], *args: Any) -> Future[T]:
        """Run one, in the order of these calls; gives its future, which a thread waits for."""
        future: Future[T] = Future()

        async def call() -> None:
            try:
                _set(future.set_result, await function(*args))
            except Exception as exc:  # noqa: BLE001 - it is the other thread's
                _set(future.set_exception, exc)
            except BaseException:
                _set(future.set_exception, _shutting_down())
                raise

        def start() -> None:
            try:
                self._group.start_soon(call)
            except RuntimeError:
                _set(future.set_exception, _shutting_down())

        try:
            call_soon_threadsafe(self._loop, start)
        except RuntimeError:
            _set(future.set_exception, _shutting_down())
        return future

    async def call(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Run one and await it, in the loop of another thread."""
        return await asyncio.wrap_future(self.submit(function, *args))


def _set(setter: Callable[[Any], None], value: Any) -> None:
    try:
        setter(value)
    except InvalidStateError:
        pass  # who waited for it has been cancelled


def _shutting_down() -> RuntimeError:
    return RuntimeError("the kernel is shutting down")
