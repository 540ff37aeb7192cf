"""A run that goes on while other cells run: ``%%sandbox --background``. Standard library only, Python 3.9."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any, Callable, Dict, Generator, List, Optional

__all__ = ["BackgroundRun"]

#: A wait without an end is many that have one: where a library has system calls go on after signals, as polars does,
#: only such a wait is interrupted.
SLICE_SECONDS = 3600.0


class BackgroundRun:
    """A run in a sandbox. ``await run``, or `wait`, for its end; its output goes to the cell that started it.

    Parameters
    ----------
    name : str
        The sandbox.
    number : int
        The run's number, as ``%sandbox NAME replay`` takes it.
    follow : callable
        Shows the run to its end, in a thread of its own; gives its result, or raises.
    interrupt : callable
        Interrupts the code.
    get_output : callable
        Gives what the code has written so far; does not wait for more.
    """

    def __init__(
        self,
        name: str,
        number: int,
        follow: Callable[[], Any],
        interrupt: Callable[[], Dict[str, Any]],
        get_output: Callable[[], str],
    ) -> None:
        self.name = name
        self.number = number
        self._follow = follow
        self._interrupt = interrupt
        self._get_output = get_output
        self._result: Any = None
        self._error: Optional[BaseException] = None
        self._done = threading.Event()
        self._wakers: List[Callable[[], None]] = []
        self._lock = threading.Lock()
        # The context tells IPython which cell the output belongs to.
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(self._show,), name=f"hopx-run-{number}", daemon=True)
        thread.start()

    def _show(self) -> None:
        try:
            self._result = self._follow()
        except BaseException as exc:  # noqa: BLE001 - it is raised to whoever waits
            self._error = exc
        with self._lock:
            self._done.set()
        for wake in self._wakers:
            wake()

    @property
    def is_done(self) -> bool:
        """Whether it has ended."""
        return self._done.is_set()

    @property
    def result(self) -> Any:
        """What the code gave to ``result(data)``, else its last expression as text; waits for the end."""
        self._wait()
        return self._result

    @property
    def output(self) -> str:
        """What the code has written so far, stdout and stderr in order; of very much the last part."""
        return self._get_output()

    def wait(self, timeout: Optional[float] = None) -> Any:
        """Wait for the end; gives `result`.

        Raises `TimeoutError` when it has not ended after `timeout` seconds (it goes on then), and what the run raised.
        """
        if not self._wait(timeout):
            raise TimeoutError(f"the run has not ended after {timeout:g} s; it goes on")
        if self._error is not None:
            raise self._error
        return self._result

    def _wait(self, timeout: Optional[float] = None) -> bool:
        if timeout is not None:
            return self._done.wait(timeout)
        while not self._done.wait(SLICE_SECONDS):
            pass
        return True

    async def _until_done(self) -> None:
        """In a loop of asyncio's: wait for the end."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def wake() -> None:
            try:
                loop.call_soon_threadsafe(ended.set)
            except RuntimeError:
                pass  # the loop has ended, and nobody waits in it any more

        with self._lock:
            if self._done.is_set():
                ended.set()
            self._wakers.append(wake)
        await ended.wait()

    async def _wait_async(self) -> Any:
        await self._until_done()
        return self.wait()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._wait_async().__await__()

    def interrupt(self) -> Dict[str, Any]:
        """Interrupt the code; gives ``stopped`` (whether it has) and ``kept`` (whether variables were kept)."""
        if self.is_done:
            return {"status": "ok", "stopped": True, "kept": True}
        return self._interrupt()

    def __repr__(self) -> str:
        state = "running" if not self.is_done else "failed" if self._error is not None else "done"
        return f"<run {self.number} in sandbox {self.name!r}: {state}>"
