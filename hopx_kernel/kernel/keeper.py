"""Keeps a session: the one task that starts sandboxes, owns their sessions and ends them.

A session's task group must be left by the task that entered it, and requests, interrupts and shutdown come from
others. So they ask the keeper, which runs for the life of its owner. Imports anyio and the layers below.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import anyio

from ..errors import HopxKernelError, SandboxError, SandboxStartError
from ..protocol import RunnerOptions
from ..sandboxes.base import BaseSandbox
from ..session import EventHandler, Session

__all__ = ["SessionKeeper"]

#: How long the end of a sandbox may take before the next one starts regardless, in seconds.
KILL_TIMEOUT_SECONDS = 10.0

_log = logging.getLogger(__name__)


class SessionKeeper:
    """Gives a session to whoever asks, a fresh one when the last was lost.

    Parameters
    ----------
    make_sandbox : callable
        Makes a sandbox that is not started; called once for every session.
    options : RunnerOptions
        For every session's runner.
    on_event : async callable
        Gets every event of every session, as `Session`'s.
    on_end : callable, optional
        Called when a session has ended, before the next one starts.
    """

    def __init__(
        self,
        make_sandbox: Callable[[], BaseSandbox],
        options: RunnerOptions,
        on_event: EventHandler,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._make_sandbox = make_sandbox
        self._options = options
        self._on_event = on_event
        self._on_end = on_end
        self._pending: _Pending | None = None
        self._wanted = anyio.Event()
        self._discard = anyio.Event()
        self._closed = False
        #: How many sessions have started.
        self.generation = 0

    @property
    def current(self) -> Session | None:
        """The session that is ready, if there is one."""
        session = self._pending.session if self._pending is not None else None
        return None if session is None or session.is_lost else session

    async def session(self) -> Session:
        """The session, started if there is none. Raises `SandboxStartError` with cause and remedy."""
        if self._pending is not None and self._pending.is_over:
            await self._pending.gone.wait()
        if self._pending is None:
            self.start()
        assert self._pending is not None
        return await self._pending.wait()

    def start(self) -> None:
        """Ask for a session that nobody needs yet."""
        if self._pending is None and not self._closed:
            self._pending = _Pending()
            self._wanted.set()

    async def discard(self) -> None:
        """End the session and its sandbox, if there is one, and wait until they are gone."""
        pending = self._pending
        if pending is not None:
            self._discard.set()
            await pending.gone.wait()

    async def close(self) -> None:
        """End the session and its sandbox for good; `run` returns."""
        self._closed = True
        await self.discard()
        self._wanted.set()

    async def run(self) -> None:
        """Keep sessions until `close`. To be run once, as a task of the owner's."""
        while True:
            await self._wanted.wait()
            if self._pending is None:
                return
            self._wanted = anyio.Event()
            self._discard = anyio.Event()
            pending = self._pending
            try:
                await self._keep(pending)
            finally:
                self._pending = None
                pending.gone.set()
                self._on_end()
            if self._closed:
                return

    async def _keep(self, pending: _Pending) -> None:
        sandbox: BaseSandbox | None = None
        try:
            sandbox = self._make_sandbox()
            async with anyio.create_task_group() as group:
                group.start_soon(self._cancel_on_discard, group.cancel_scope)
                async with Session(sandbox, options=self._options, on_event=self._on_event) as session:
                    self.generation += 1
                    pending.set(session)
                    await session.wait_lost()
                group.cancel_scope.cancel()
        except Exception as exc:  # noqa: BLE001 - whatever a sandbox or its library raises is the next cell's answer
            pending.fail(_as_start_error(exc))
        finally:
            if sandbox is not None:
                with anyio.CancelScope(shield=True), anyio.move_on_after(KILL_TIMEOUT_SECONDS):
                    await sandbox.kill()
            pending.fail(SandboxStartError("The sandbox was shut down before it had started."))

    async def _cancel_on_discard(self, scope: anyio.CancelScope) -> None:
        await self._discard.wait()
        scope.cancel()


class _Pending:
    """A session that was asked for: ready, failed, or on its way."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.gone = anyio.Event()
        self._error: SandboxStartError | None = None
        self._decided = anyio.Event()

    @property
    def is_over(self) -> bool:
        return self._error is not None or (self.session is not None and self.session.is_lost)

    def set(self, session: Session) -> None:
        self.session = session
        self._decided.set()

    def fail(self, error: SandboxStartError) -> None:
        if not self._decided.is_set():
            self._error = error
            self._decided.set()

    async def wait(self) -> Session:
        await self._decided.wait()
        if self._error is not None:
            raise self._error
        assert self.session is not None
        return self.session


def _as_start_error(exc: BaseException) -> SandboxStartError:
    while isinstance(inner := getattr(exc, "exceptions", None), tuple) and len(inner) == 1:
        exc = inner[0]  # an exception group of one
    if isinstance(exc, SandboxStartError):
        return exc
    if not isinstance(exc, HopxKernelError):
        _log.error("The sandbox did not start", exc_info=exc)
    cause = str(exc) if isinstance(exc, SandboxError) else f"{type(exc).__name__}: {exc}"
    return SandboxStartError(f"The sandbox did not start: {cause}")
