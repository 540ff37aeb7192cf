"""The host's client of one runner: one interpreter, one namespace.

Imports anyio and the layers below; knows nothing of Jupyter's sockets. Every request ends in exactly one reply, within a
stated time: when the byte stream ends first, or nothing comes any more, the session makes the replies itself, and they
say that the sandbox was lost.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any

import anyio
from anyio.abc import TaskGroup

from .errors import SandboxLostError, SandboxTimeoutError
from .exchange import EventHandler, Exchange
from .protocol import Message, RunnerOptions
from .run import Reply, Run
from .sandboxes.base import BaseSandbox, SandboxProcess

__all__ = ["EventHandler", "Run", "Session"]

#: How long a runner may take to say hello, in times of `start_timeout_seconds`: one that says nothing at all is given up
#: after one.
HELLO_TIMEOUTS = 2

#: How long leaving an `execute` block waits for the code to stop, in seconds.
INTERRUPT_TIMEOUT_SECONDS = 5.0

#: How long a request may take that the runner answers by itself or asks its interpreter, which has ten, in seconds.
REQUEST_TIMEOUT_SECONDS = 20.0

#: How long a fresh interpreter may take, in seconds.
RESTART_TIMEOUT_SECONDS = 60.0

#: How much later than the runner should have answered an interrupt the host does so, in seconds.
INTERRUPT_LATE_SECONDS = 3.0


class Session:
    """A client of one runner in a sandbox. Use as ``async with``, entered and left by the same task.

    Parameters
    ----------
    sandbox : BaseSandbox
        Where the runner runs; started here if nobody has, and never killed here.
    options : RunnerOptions
        What the runner is told when it starts.
    on_event : async callable, optional
        Called with every event that no `execute` block takes, one at a time and in order. While it has not
        returned, nothing more is read. It must not raise.
    """

    def __init__(
        self, sandbox: BaseSandbox, *, options: RunnerOptions | None = None, on_event: EventHandler | None = None
    ) -> None:
        self.sandbox = sandbox
        self.options = options or RunnerOptions()
        #: What the runner said of itself: its ``hello_reply``'s content.
        self.runner_info: dict[str, Any] = {}
        self._on_event = on_event
        self._process: SandboxProcess | None = None
        self._exchange: Exchange | None = None
        self._exit_stack = AsyncExitStack()

    async def __aenter__(self) -> Session:
        try:
            await self._start()
        except BaseException:
            await self._exit_stack.aclose()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        # The caller's exception is not shown to the task group, which would wrap it.
        await self._exit_stack.aclose()

    @property
    def is_lost(self) -> bool:
        """Whether the runner's byte stream has ended; nothing can be run any more."""
        return self._exchange is not None and self._exchange.lost is not None

    @property
    def silent_seconds(self) -> float:
        """How long the runner has said nothing while something waited for it; 0 until three heartbeats are missing."""
        watchdog = None if self._exchange is None else self._exchange.watchdog
        return watchdog.silent_seconds if watchdog is not None and watchdog.is_silent else 0.0

    @property
    def generation(self) -> int | None:
        """The interpreter whose variables those count on who run code now; None where any will do."""
        return None if self._exchange is None else self._exchange.generation

    async def wait_lost(self) -> SandboxLostError:
        """Wait until the runner's byte stream ends, by a crash or by `aclose`; gives what is known of the cause."""
        exchange = self._open()
        await exchange.ended.wait()
        return exchange.lost or SandboxLostError("the session was closed")

    def refresh(self) -> None:
        """Count on the variables of the present interpreter: whoever runs code knows that those of another are gone.

        Else a run that follows the death of an interpreter is refused, with an error that says so.
        """
        self._open().refresh()

    # ------------------------------------------------------------------ requests

    @asynccontextmanager
    async def execute(self, code: str, **options: Any) -> AsyncIterator[Run]:
        """Run code and iterate over what happens: ``async with session.execute(code) as run: async for event in run``.

        Takes what `start_run` takes. Leaving the block early interrupts the code and waits for its end.

        Raises
        ------
        SandboxLostError
            The session had lost its sandbox before. A loss during the run is the run's last event.
        LocalProtocolError
            The code or an option is too large or cannot be sent.
        """
        run = Run(self, options.pop("msg_id", None) or uuid.uuid4().hex)
        run.open_queue()
        try:
            await self._send_run(run, code, options)
            yield run
        finally:
            run.close_queue()
            if run.reply is None and self._exchange is not None and run.msg_id in self._exchange.runs:
                with anyio.CancelScope(shield=True), anyio.move_on_after(INTERRUPT_TIMEOUT_SECONDS):
                    await run.interrupt()

    async def start_run(
        self,
        code: str,
        *,
        msg_id: str | None = None,
        silent: bool = False,
        store_history: bool = True,
        user_expressions: dict[str, str] | None = None,
        allow_stdin: bool = False,
        timeout_seconds: float | None = None,
        cell_id: str | None = None,
        execution_count: int | None = None,
        generation: int | None = None,
    ) -> Run:
        """Run code whose events go to `on_event`; await `Run.wait` for its end.

        Parameters
        ----------
        timeout_seconds : float, optional
            After this long the code is interrupted, and some seconds later its interpreter ended; should the runner do
            neither, the sandbox is given up.
        cell_id : str, optional
            The notebook's id of the cell, for tracebacks.
        execution_count : int, optional
            The number of this run, where the caller counts over the lives of several interpreters.
        generation : int, optional
            The interpreter whose variables it counts on, a `generation` of before; else the one that is known.

        The others are those of the Jupyter ``execute_request``. Raises as `execute` does.
        """
        run = Run(self, msg_id or uuid.uuid4().hex)
        options: dict[str, Any] = {
            "silent": silent,
            "store_history": store_history,
            "user_expressions": user_expressions or {},
            "allow_stdin": allow_stdin,
            "timeout_seconds": timeout_seconds,
            "cell_id": cell_id,
            "execution_count": execution_count,
            "generation": generation,
        }
        await self._send_run(run, code, options)
        return run

    async def complete(self, code: str, cursor_pos: int) -> dict[str, Any]:
        """Content of a ``complete_reply``. Answered while a run is going, too. `cursor_pos` in code points."""
        return await self.request("complete_request", {"code": code, "cursor_pos": cursor_pos})

    async def inspect(
        self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """Content of an ``inspect_reply``. Answered while a run is going, too. `cursor_pos` in code points."""
        content = {
            "code": code,
            "cursor_pos": cursor_pos,
            "detail_level": detail_level,
            "omit_sections": list(omit_sections),
        }
        return await self.request("inspect_request", content)

    async def is_complete(self, code: str) -> dict[str, Any]:
        """Content of an ``is_complete_reply``."""
        return await self.request("is_complete_request", {"code": code})

    async def interrupt(self, run_id: str | None = None) -> dict[str, Any]:
        """Interrupt a run, and no other that has taken its place.

        Parameters
        ----------
        run_id : str, optional
            The run's id; ``""`` for code that belongs to no run, as callbacks of comms do; None for whatever runs.

        Returns
        -------
        dict
            ``status``, ``stopped`` (whether the code has stopped), ``kept`` (whether variables were kept), where it did
            not stop ``evalue``, and ``too_late`` where the run had ended before.
        """
        content = {} if run_id is None else {"run_id": run_id}
        try:
            late = self.options.interrupt_grace_seconds + INTERRUPT_LATE_SECONDS
            return await self.request("interrupt_request", content, timeout_seconds=late)
        except SandboxTimeoutError as exc:
            return {"status": "ok", "stopped": False, "kept": True, "evalue": str(exc)}

    async def restart(self) -> dict[str, Any]:
        """Replace the interpreter by a fresh one; files stay, variables go, a run that goes on ends with an error."""
        return await self.request("restart_request", {}, timeout_seconds=RESTART_TIMEOUT_SECONDS)

    async def request(
        self, msg_type: str, content: dict[str, Any], *, timeout_seconds: float | None = None
    ) -> dict[str, Any]:
        """Send a request and wait for its reply's content.

        Raises `SandboxLostError` when the sandbox is, or gets, lost, `SandboxTimeoutError` when nothing comes in time,
        and `LocalProtocolError` for what cannot be sent.
        """
        exchange = self._open()
        timeout_seconds = REQUEST_TIMEOUT_SECONDS if timeout_seconds is None else timeout_seconds
        msg_id = uuid.uuid4().hex
        data = exchange.connection.send(Message(msg_type, content, msg_id=msg_id))
        reply = exchange.replies[msg_id] = Reply()
        exchange.want()
        try:
            with anyio.move_on_after(timeout_seconds):
                await exchange.send(data)
                return await reply.wait()
        finally:
            exchange.replies.pop(msg_id, None)
        raise SandboxTimeoutError(f"the sandbox has not answered the {msg_type} within {timeout_seconds:g} s")

    async def send(self, message: Message) -> None:
        """Send a message that has no reply: comm messages, input.

        Raises `SandboxLostError` and `LocalProtocolError`.
        """
        exchange = self._open()
        await exchange.send(exchange.connection.send(message))

    async def aclose(self) -> None:
        """Shut the runner down, killing it when it does not go by itself. May be called twice."""
        if self._process is None or self._process.returncode is not None:
            return
        with anyio.CancelScope(shield=True):
            if not self.is_lost:
                self._open().is_closing = True
                with anyio.move_on_after(1):
                    try:
                        await self.request("shutdown_request", {})
                        await self._process.wait()
                    except SandboxLostError:
                        pass
            with anyio.move_on_after(2):
                try:
                    await self._process.kill()
                except SandboxLostError:
                    pass

    # ------------------------------------------------------------------ inside

    def _open(self) -> Exchange:
        if self._exchange is None:
            raise SandboxLostError("the session is not open")
        return self._exchange

    async def _start(self) -> None:
        await self.sandbox.start()
        self._process = process = await self.sandbox.start_runner(self.options)
        self._exit_stack.push_async_callback(process.aclose)
        group: TaskGroup = await self._exit_stack.enter_async_context(anyio.create_task_group())
        exchange = self._exchange = Exchange(self.sandbox, process, self.options, self._on_event)
        self._exit_stack.push_async_callback(exchange.stop)
        self._exit_stack.push_async_callback(self.aclose)
        hello = exchange.replies["hello"] = Reply()
        exchange.start(group)
        await exchange.send(exchange.connection.hello("hello"))
        seconds = HELLO_TIMEOUTS * self.options.start_timeout_seconds
        with anyio.move_on_after(seconds) as scope:
            self.runner_info = await hello.wait()
        exchange.replies.pop("hello", None)
        if scope.cancelled_caught:
            raise SandboxLostError(f"the runner said no hello within {seconds:g} s")

    async def _send_run(self, run: Run, code: str, options: dict[str, Any]) -> None:
        exchange = self._open()
        content = {"code": code, **{key: value for key, value in options.items() if value is not None}}
        if exchange.generation is not None:
            content.setdefault("generation", exchange.generation)
        data = exchange.connection.send(Message("execute_request", content, msg_id=run.msg_id))
        if exchange.lost is not None:
            raise exchange.lost
        run.timeout_seconds = options.get("timeout_seconds")
        exchange.runs[run.msg_id] = run
        exchange.want()
        try:
            await exchange.send(data)
        except SandboxLostError:
            # The exchange sees the same end and ends the run with it: one terminal event, not an error beside it.
            return
        except BaseException:
            # It may be on its way all the same, and is none of anybody's any more.
            if run.msg_id in exchange.runs:
                exchange.sender.post(
                    exchange.connection.send(Message("interrupt_request", {"run_id": run.msg_id}, msg_id="abandoned"))
                )
            raise
