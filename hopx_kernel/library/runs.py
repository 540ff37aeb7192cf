"""Interpreters that keep their variables, and the runs in them, for programs: `Sandbox.session`.

What happens is written once, for the bridge's loop (`executions`); this is its blocking and asynchronous face.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import RemoteExecutionError, SandboxLostError, SandboxTimeoutError
from ..protocol import Message, RunnerOptions
from ..protocol.markers import Merge
from ..session import EventHandler
from . import bridge
from .blocks import BothBlocks
from .checks import checked_code, checked_environment, checked_timeout
from .executions import Execution, SessionHost
from .pending import Pending

if TYPE_CHECKING:
    from .sandbox import Sandbox

__all__ = ["EventHandler", "SandboxRun", "SandboxSession"]

#: Of a sandbox's limits, those that its runner holds too: it says which one was reached.
_LIMITS = ("memory_bytes", "disk_bytes", "processes", "open_files", "start_timeout_seconds")


class SandboxRun:
    """One execution in a session. It goes on by itself; iterate over it to see what happens as it happens.

    Iterating (``for`` or ``async for``, one reader at a time) gives `Message` objects, each once, the last an
    ``execute_reply``; an iteration that was broken off can be taken up by another. While a reader is slow, the code
    waits. When nobody iterates, the code runs freely: the newest events and the output are kept, and what of the events
    was dropped is counted by an event ``dropped``.
    """

    def __init__(self, session: SandboxSession, execution: Execution) -> None:
        self._session = session
        self._execution = execution
        self._readers = 0
        self._receiving: Pending[list[Message]] | None = None
        self._taken = 0
        self._events: deque[Message] = deque()
        self._abandon = weakref.finalize(self, bridge.start, execution.unattended)
        self._abandon.atexit = False

    # ------------------------------------------------------------------ reading

    def __iter__(self) -> Iterator[Message]:
        with self._attended():
            while self._events or self._keep(self._receive()):
                yield self._events.popleft()

    def _receive(self, timeout: float | None = None) -> list[Message] | None:
        """The next events; none at the end, and None when there are none within `timeout` seconds.

        An interrupted wait loses nothing: what it would have given comes with the next call.
        """
        pending = self._receiving = self._receiving or bridge.submit(self._execution.receive, self._taken)
        if not pending.wait(timeout):
            return None
        self._receiving = None
        self._taken += 1
        events = pending.result()
        if not events:  # Python lets no interrupt out of a finalizer: one that comes then would be lost
            self._abandon.detach()
        return events

    def _keep(self, events: list[Message] | None) -> bool:
        """Have events wait for their reader; False at the end."""
        self._events.extend(events or ())
        return bool(events)

    async def _receive_async(self) -> list[Message]:
        events = await bridge.call_async(self._execution.receive, self._taken)
        self._taken += 1
        return events

    async def __aiter__(self) -> AsyncIterator[Message]:
        with self._attended():
            while self._events or self._keep(await self._receive_async()):
                yield self._events.popleft()

    @contextmanager
    def _attended(self) -> Iterator[None]:
        """Somebody reads: the code waits for that reader, and nothing is dropped."""
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1

    @property
    def msg_id(self) -> str:
        """Its id; events that come after its end have it as their ``parent_id``."""
        return self._execution.msg_id

    @property
    def reply(self) -> dict[str, Any] | None:
        """Content of the ``execute_reply``; None while the run goes on."""
        return self._execution.reply

    @property
    def output(self) -> str:
        """What the code wrote, stdout and stderr in order; waits for the end unless somebody iterates.

        Of more than four million characters the last are kept, with a first line that says how many are not.
        """
        self._settle()
        return self._execution.output.text()

    def _merge_reports(self, merge: Merge | None) -> None:
        """Have printed reports that come too fast to be seen made one, for a reader that draws them."""
        self._execution.merge_reports(merge)

    def _written(self) -> str:
        """As `output`, so far: does not wait."""
        return self._execution.output.text()

    @property
    def result(self) -> Any:
        """What the code gave to ``result(data)``, else its last expression as text; waits as `output` does."""
        self._settle()
        return self._execution.result

    def _settle(self) -> None:
        if self.reply is None and not self._readers:
            bridge.call(self._wait)

    # ------------------------------------------------------------------ the end

    def wait(self) -> Any:
        """Wait for the end; gives `result`.

        Raises
        ------
        RemoteExecutionError
            The code raised, was interrupted, or its interpreter died.
        SandboxTimeoutError
            Its deadline passed; with the output so far and whether the sandbox lives.
        SandboxLostError
            The sandbox went away.
        """
        bridge.call(self._wait)
        self.raise_for_error()
        return self._execution.result

    async def wait_async(self) -> Any:
        """As `wait`; so is ``await run``."""
        await bridge.call_async(self._wait)
        self.raise_for_error()
        return self._execution.result

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.wait_async().__await__()

    async def _wait(self) -> None:
        if not self._readers:
            await self._execution.unattended()
        await self._execution.wait()

    def raise_for_error(self) -> None:
        """Raise what `wait` would raise, of a run that has ended."""
        execution = self._execution
        reply = execution.reply
        if reply is None or reply.get("status") == "ok":
            return
        if execution.error is not None:
            raise execution.error
        if reply.get("reason") == "lost":
            raise SandboxLostError(reply.get("lost", ""))
        if reply.get("reason") == "timeout":
            alive = self._session.sandbox.is_alive
            message = f"the code took longer than {execution.timeout:g} s and was stopped; the sandbox "
            raise SandboxTimeoutError(message + ("lives" if alive else "is gone"), execution.output.text(), alive)
        raise RemoteExecutionError.from_content(reply)

    def interrupt(self) -> dict[str, Any]:
        """Interrupt the code; gives ``stopped`` (whether it has) and ``kept`` (whether variables were kept)."""
        return bridge.call(self._execution.interrupt)

    async def interrupt_async(self) -> dict[str, Any]:
        """As `interrupt`."""
        return await bridge.call_async(self._execution.interrupt)

    def send_input(self, value: str) -> None:
        """Answer an ``input_request`` of the run."""
        bridge.call(self._execution.send_input, value)

    async def send_input_async(self, value: str) -> None:
        """As `send_input`."""
        await bridge.call_async(self._execution.send_input, value)


class SandboxSession(BothBlocks):
    """An interpreter in a sandbox; see `Sandbox.session`. Its runs go one after another."""

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        env: Mapping[str, str] | None = None,
        on_late_event: EventHandler | None = None,
        options: RunnerOptions | None = None,
    ) -> None:
        self._sandbox = sandbox
        limits = {name: getattr(sandbox._owner.options, name) for name in _LIMITS if sandbox._owner.options is not None}
        options = replace(options or RunnerOptions(), env=checked_environment(env), **limits)
        self._host = SessionHost(sandbox._owner, options, on_late_event)
        self._runs: weakref.WeakSet[SandboxRun] = weakref.WeakSet()
        weakref.finalize(self, bridge.start, self._host.aclose).atexit = False

    def execute(
        self,
        code: str,
        *,
        timeout: float | None = None,
        silent: bool = False,
        store_history: bool = True,
        allow_stdin: bool = False,
        execution_count: int | None = None,
    ) -> SandboxRun:
        """Run code; does not wait for it, and needs no ``await``.

        Parameters
        ----------
        timeout : float, optional
            Seconds after which it is interrupted.
        allow_stdin : bool
            Whether ``input()`` may ask: by an ``input_request`` event, to be answered by `SandboxRun.send_input`.
        execution_count : int, optional
            The number that the run has in ``In[...]``; else the interpreter counts.

        The others are those of the Jupyter ``execute_request``. Raises `SandboxLostError` when the sandbox is gone.
        """
        options = {
            "timeout_seconds": checked_timeout(timeout),
            "silent": silent,
            "store_history": store_history,
            "allow_stdin": allow_stdin,
            "execution_count": execution_count,
        }
        execution = Execution(self._host, checked_code(code), options)
        bridge.call(self._start, execution)
        run = SandboxRun(self, execution)
        self._runs.add(run)
        return run

    @property
    def sandbox(self) -> Sandbox:
        """Where it is."""
        return self._sandbox

    @property
    def silent_seconds(self) -> float:
        """How long the sandbox has said nothing while a run or a request waits for it; 0 until three heartbeats are missing.

        A run gets an event ``silence`` when that begins and when it is over; when it is not over within as many seconds as the
        event says, the run ends with `SandboxLostError`.
        """
        return self._host.silent_seconds

    async def _run_silently(self, code: str) -> None:
        """In the bridge's loop: run code that no history and no reader sees. Raises as `SandboxRun.wait`."""
        execution = Execution(self._host, code, {"silent": True, "store_history": False})
        await self._start(execution)
        await execution.unattended()
        await execution.wait()
        SandboxRun(self, execution).raise_for_error()

    async def _start(self, execution: Execution) -> None:
        await self._host.prepare()
        for run in list(self._runs):
            # Else a run that nobody reads would keep this one waiting for ever.
            if not run._readers and run.reply is None:
                await run._execution.unattended()
        await execution.start()

    def restart(self) -> dict[str, Any]:
        """A fresh interpreter: variables go, files stay. Runs that were asked for before end with an error.

        Gives the content of the reply, with ``status``. Raises `SandboxLostError`.
        """
        return bridge.call(self._host.restart)

    async def restart_async(self) -> dict[str, Any]:
        """As `restart`."""
        return await bridge.call_async(self._host.restart)

    async def _set_environment(self, env: Mapping[str, str]) -> None:
        """In the bridge's loop: set variables of the interpreter and of every one that takes its place."""
        await self._host.set_environment(checked_environment(env))

    def complete(self, code: str, cursor_pos: int) -> dict[str, Any]:
        """Content of a ``complete_reply``; `cursor_pos` in characters. Answered while code runs, too."""
        return bridge.call(self._host.request, "complete", code, cursor_pos)

    async def complete_async(self, code: str, cursor_pos: int) -> dict[str, Any]:
        """As `complete`."""
        return await bridge.call_async(self._host.request, "complete", code, cursor_pos)

    def close(self) -> None:
        """End the interpreter; the sandbox stays."""
        bridge.call(self._host.aclose)

    async def aclose(self) -> None:
        """As `close`."""
        await bridge.call_async(self._host.aclose)
