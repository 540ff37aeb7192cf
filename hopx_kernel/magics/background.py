"""A run that goes on while other cells run: ``%%sandbox --background``."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Generator
from typing import Any

import anyio

from ..errors import HopxKernelError
from ..library.runs import SandboxRun

__all__ = ["BackgroundRun"]


class BackgroundRun:
    """A run in a sandbox. ``await run``, or `wait`, for its end; its output goes to the cell that started it.

    Attributes
    ----------
    name : str
        The sandbox.
    number : int
        The run's number, as ``%sandbox NAME replay`` takes it.
    """

    def __init__(self, name: str, number: int, run: SandboxRun, follow: Callable[[], None]) -> None:
        self.name = name
        self.number = number
        self._run = run
        self._follow = follow
        self._error: BaseException | None = None
        self._done = threading.Event()
        # The context tells ipykernel which cell the output belongs to.
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(self._show,), name=f"hopx-run-{number}", daemon=True)
        thread.start()

    def _show(self) -> None:
        try:
            self._follow()
        except HopxKernelError as exc:
            self._error = exc
        finally:
            self._done.set()

    @property
    def is_done(self) -> bool:
        """Whether it has ended."""
        return self._done.is_set()

    @property
    def result(self) -> Any:
        """What the code gave to ``result(data)``, else its last expression as text; waits for the end."""
        self._done.wait()
        return self._run.result

    @property
    def output(self) -> str:
        """What the code has written so far."""
        return self._run.output

    def wait(self, timeout: float | None = None) -> Any:
        """Wait for the end; gives `result`.

        Raises `TimeoutError` when it has not ended after `timeout` seconds (it goes on then), and what the run raised.
        """
        if not self._done.wait(timeout):
            raise TimeoutError(f"the run has not ended after {timeout:g} s; it goes on")
        if self._error is not None:
            raise self._error
        return self._run.result

    async def _wait_async(self) -> Any:
        await anyio.to_thread.run_sync(self._done.wait, abandon_on_cancel=True)
        return self.wait()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._wait_async().__await__()

    def interrupt(self) -> dict[str, Any]:
        """Interrupt the code; gives ``stopped`` (whether it has) and ``kept`` (whether variables were kept)."""
        return self._run.interrupt()

    def __repr__(self) -> str:
        state = "running" if not self.is_done else "failed" if self._error is not None else "done"
        return f"<run {self.number} in sandbox {self.name!r}: {state}>"
