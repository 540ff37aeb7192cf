"""The one event loop of this package's library, in a thread of its own, and the ways into it.

Everything asynchronous is written once and runs here. Blocking callers wait for it, asynchronous ones await it from
whatever loop they have. Sandboxes are therefore independent of the caller's loop and thread, and the thread that
forks their processes lives as long as this process does: the kernel ends a sandbox when that thread ends.

The thread starts on first use, ends with the interpreter, and is not carried over a fork.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import ExitStack
from typing import Any, TypeVar

import anyio
from anyio.abc import TaskGroup, TaskStatus
from anyio.from_thread import BlockingPortal, start_blocking_portal

from ..loops import call_soon_threadsafe
from .pending import Pending

__all__ = ["Bridge", "call", "call_async", "finalize", "get_bridge", "start", "submit"]

T = TypeVar("T")

#: What the clean-up at the interpreter's end may take, in seconds; what is left then dies with the process.
EXIT_TIMEOUT_SECONDS = 5.0


class Bridge:
    """The loop's thread, the task group in it that owns what outlives a call, and what must be closed at the end."""

    def __init__(self) -> None:
        self._exit_stack = ExitStack()
        self._is_over = False
        self.portal: BlockingPortal = self._exit_stack.enter_context(start_blocking_portal(name="hopx_kernel"))
        self.thread_id: int = self.portal.call(threading.get_ident)
        self.loop: asyncio.AbstractEventLoop = self.portal.call(asyncio.get_running_loop)
        _, self.tasks = self.portal.start_task(self._own_tasks)
        #: Called, in the loop, when the interpreter ends: what must not outlive it.
        self.closers: set[Callable[[], Coroutine[Any, Any, None]]] = set()

    tasks: TaskGroup

    def spawn(self, func: Callable[..., Coroutine[Any, Any, None]], args: tuple[Any, ...]) -> None:
        """In the loop: start a task that nobody waits for. Does nothing once everything has been closed."""
        if not self._is_over:
            self.tasks.start_soon(func, *args)

    def spawn_call(self, pending: Pending[Any]) -> None:
        """In the loop: start a call that somebody waits for."""
        if self._is_over:
            pending.fail(CancelledError())
        else:
            self.tasks.start_soon(pending.run)

    async def _own_tasks(self, *, task_status: TaskStatus[TaskGroup]) -> None:
        async with anyio.create_task_group() as group:
            task_status.started(group)
            try:
                await anyio.sleep_forever()
            finally:
                self._is_over = True

    async def _close(self) -> None:
        with anyio.move_on_after(EXIT_TIMEOUT_SECONDS):
            async with anyio.create_task_group() as group:
                for closer in list(self.closers):
                    group.start_soon(closer)
        self.tasks.cancel_scope.cancel()

    def close(self) -> None:
        """Close everything that is open and end the thread."""
        self.portal.call(self._close)
        self._exit_stack.close()


_bridge: Bridge | None = None
_lock = threading.Lock()
_exiting = False


def get_bridge() -> Bridge:
    """This process's bridge, started when there is none yet."""
    global _bridge
    with _lock:
        if _exiting:
            raise RuntimeError("the interpreter is shutting down, and every sandbox with it")
        if _bridge is None:
            _bridge = Bridge()
        return _bridge


def call(func: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run a coroutine function in the loop and wait for its result; an interrupted wait cancels it.

    Works where the calling thread runs a loop of its own (an IPython kernel does), which then waits too.
    """
    pending = submit(func, *args)
    try:
        return pending.result()
    except CancelledError:
        raise RuntimeError("the interpreter is shutting down") from None
    except BaseException:
        pending.cancel()
        raise


def submit(func: Callable[..., Awaitable[T]], *args: Any) -> Pending[T]:
    """Run a coroutine function in the loop, for a blocking caller to wait for."""
    bridge = get_bridge()
    if threading.get_ident() == bridge.thread_id:
        raise RuntimeError("a blocking call from the library's own thread would wait for itself")
    pending = Pending(bridge.loop, func, args)
    call_soon_threadsafe(bridge.loop, bridge.spawn_call, pending)
    return pending


async def call_async(func: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run a coroutine function in the loop and await its result; cancelling the caller cancels it."""
    return await get_bridge().portal.call_async(func, *args)


def start(func: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
    """Start a coroutine function that never raises, without waiting for anything, not even for the loop.

    For finalizers: the garbage collector calls them in any thread, also in one that the loop is just waiting for.
    """
    bridge = _bridge
    if bridge is None:
        return
    try:
        call_soon_threadsafe(bridge.loop, bridge.spawn, func, args)
    except RuntimeError:
        # The loop has ended, and with it whatever this was to close.
        return


def finalize(thread_id: int, func: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
    """Run a coroutine function that never raises, and wait for it in the thread `thread_id`; elsewhere as `start`."""
    if _bridge is not None and threading.get_ident() == thread_id:
        call(func, *args)
    else:
        start(func, *args)


def _close_at_exit() -> None:
    global _bridge, _exiting
    with _lock:
        bridge, _bridge = _bridge, None
        _exiting = True
    if bridge is not None:
        bridge.close()


def _forget_after_fork() -> None:
    global _bridge, _lock
    # The thread exists in the parent only, and so do the sandboxes that it owns.
    _bridge, _lock = None, threading.Lock()


atexit.register(_close_at_exit)
os.register_at_fork(after_in_child=_forget_after_fork)
