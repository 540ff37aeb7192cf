"""The host's client of one runner: one interpreter, one namespace.

Imports anyio and the layers below; knows nothing of Jupyter's sockets. Every request ends in exactly one reply: when
the byte stream ends first, the session makes the replies itself, and they say that the sandbox was lost.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any

import anyio
from anyio.abc import TaskGroup

from .errors import ProtocolError, RemoteProtocolError, SandboxLostError
from .protocol import HostConnection, Message, RunnerOptions
from .run import Reply, Run
from .sandboxes.base import BaseSandbox, SandboxProcess, SandboxState

__all__ = ["Run", "Session"]

#: How long a runner may take to say hello, in seconds: importing IPython from a cold disk takes a few.
HELLO_TIMEOUT_SECONDS = 60.0

#: How long leaving an `execute` block waits for the code to stop, in seconds.
INTERRUPT_TIMEOUT_SECONDS = 5.0

#: What a runner's own stderr may hold of its last words, in bytes.
_LAST_WORDS_BYTES = 8192

EventHandler = Callable[[Message], Awaitable[None]]


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
        self._connection = HostConnection()
        self._process: SandboxProcess | None = None
        self._send_lock = anyio.Lock()
        self._runs: dict[str, Run] = {}
        self._replies: dict[str, Reply] = {}
        self._lost: SandboxLostError | None = None
        self._ended = anyio.Event()
        self._last_words = b""
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
        return self._lost is not None

    async def wait_lost(self) -> SandboxLostError:
        """Wait until the runner's byte stream ends, by a crash or by `aclose`; gives what is known of the cause."""
        await self._ended.wait()
        return self._lost or SandboxLostError("the session was closed")

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
            if run.reply is None and run.msg_id in self._runs:
                with anyio.CancelScope(shield=True), anyio.move_on_after(INTERRUPT_TIMEOUT_SECONDS):
                    await self.interrupt()

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
    ) -> Run:
        """Run code whose events go to `on_event`; await `Run.wait` for its end.

        Parameters
        ----------
        timeout_seconds : float, optional
            After this long the code is interrupted, and some seconds later its interpreter ended.
        cell_id : str, optional
            The notebook's id of the cell, for tracebacks.
        execution_count : int, optional
            The number of this run, where the caller counts over the lives of several interpreters.

        The others are those of the Jupyter ``execute_request``. Raises as `execute` does.
        """
        run = Run(self, msg_id or uuid.uuid4().hex)
        options = {
            "silent": silent,
            "store_history": store_history,
            "user_expressions": user_expressions or {},
            "allow_stdin": allow_stdin,
            "timeout_seconds": timeout_seconds,
            "cell_id": cell_id,
            "execution_count": execution_count,
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

    async def interrupt(self) -> dict[str, Any]:
        """Interrupt what runs.

        Returns
        -------
        dict
            ``status``, ``stopped`` (whether the code has stopped), ``kept`` (whether variables were kept) and, where
            it did not stop, ``evalue``.
        """
        return await self.request("interrupt_request", {})

    async def restart(self) -> dict[str, Any]:
        """Replace the interpreter by a fresh one; files stay, variables go, a run that goes on ends with an error."""
        return await self.request("restart_request", {})

    async def request(self, msg_type: str, content: dict[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its reply's content.

        Raises `SandboxLostError` when the sandbox is, or gets, lost, and `LocalProtocolError` for what cannot be sent.
        """
        msg_id = uuid.uuid4().hex
        reply = self._replies[msg_id] = Reply()
        try:
            await self.send(Message(msg_type, content, msg_id=msg_id))
            return await reply.wait()
        finally:
            self._replies.pop(msg_id, None)

    async def send(self, message: Message) -> None:
        """Send a message that has no reply: comm messages, input.

        Raises `SandboxLostError` and `LocalProtocolError`.
        """
        await self._send_bytes(self._connection.send(message))

    async def aclose(self) -> None:
        """Shut the runner down, killing it when it does not go by itself. May be called twice."""
        if self._process is None or self._process.returncode is not None:
            return
        with anyio.CancelScope(shield=True):
            if self._lost is None:
                with anyio.move_on_after(1):
                    try:
                        await self.request("shutdown_request", {})
                        await self._process.wait()
                    except SandboxLostError:
                        pass
            with anyio.move_on_after(5):
                try:
                    await self._process.kill()
                except SandboxLostError:
                    pass

    # ------------------------------------------------------------------ inside

    async def _start(self) -> None:
        await self.sandbox.start()
        self._process = process = await self.sandbox.start_runner(self.options)
        self._exit_stack.push_async_callback(process.stream.aclose)
        group: TaskGroup = await self._exit_stack.enter_async_context(anyio.create_task_group())
        self._exit_stack.callback(group.cancel_scope.cancel)
        self._exit_stack.push_async_callback(self.aclose)
        hello = Reply()
        self._replies["hello"] = hello
        group.start_soon(self._read)
        if process.stderr is not None:
            group.start_soon(self._read_stderr)
        await self._send_bytes(self._connection.hello("hello"))
        with anyio.move_on_after(HELLO_TIMEOUT_SECONDS) as scope:
            self.runner_info = await hello.wait()
        if scope.cancelled_caught:
            raise SandboxLostError(f"the runner said nothing for {HELLO_TIMEOUT_SECONDS:.0f} s")

    async def _send_run(self, run: Run, code: str, options: dict[str, Any]) -> None:
        content = {"code": code, **{key: value for key, value in options.items() if value is not None}}
        data = self._connection.send(Message("execute_request", content, msg_id=run.msg_id))
        if self._lost is not None:
            raise self._lost
        self._runs[run.msg_id] = run
        try:
            await self._send_bytes(data)
        except SandboxLostError:
            # The reader sees the same end and ends the run with it: one terminal event, not an error beside it.
            return
        except BaseException:
            self._runs.pop(run.msg_id, None)
            raise

    async def _send_bytes(self, data: bytes) -> None:
        if self._lost is not None:
            raise self._lost
        if self._process is None:
            raise SandboxLostError("the session is not open")
        async with self._send_lock:
            # A frame that is cut by a cancellation would garble every later one.
            with anyio.CancelScope(shield=True):
                try:
                    await self._process.stream.send(data)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError) as exc:
                    raise SandboxLostError("the sandbox no longer takes requests") from exc

    async def _read(self) -> None:
        """Read the runner's events until they end, and then end everything that waits for one."""
        assert self._process is not None
        cause = "the runner's stream ended"
        try:
            while True:
                self._connection.receive_data(await self._process.stream.receive())
                await self._take_messages()
        except anyio.EndOfStream:
            try:
                self._connection.receive_eof()
            except RemoteProtocolError as exc:
                cause = str(exc)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            cause = "the sandbox broke the connection"
        except ProtocolError as exc:
            cause = str(exc)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(5):
                await self._lose(cause)

    async def _take_messages(self) -> None:
        while (event := self._connection.next_message()) is not None:
            reply = self._replies.get(event.parent_id)
            if reply is not None and event.msg_type.endswith("_reply"):
                reply.set(event.content)
            elif event.msg_type == "protocol_error":
                raise RemoteProtocolError(f"the runner refused a request: {event.content['evalue']}")
            else:
                await self._deliver(event)
            acknowledgement = self._connection.acknowledgement(force=event.is_terminal)
            if acknowledgement:
                await self._send_bytes(acknowledgement)

    async def _deliver(self, event: Message) -> None:
        run = self._runs.get(event.parent_id)
        if not (run is not None and await run.take(event)) and self._on_event is not None:
            await self._on_event(event)
        if run is not None and event.is_terminal:
            self._runs.pop(run.msg_id, None)
            run.finish(event.content)

    async def _read_stderr(self) -> None:
        assert self._process is not None and self._process.stderr is not None
        try:
            async for data in self._process.stderr:
                self._last_words = (self._last_words + data)[-_LAST_WORDS_BYTES:]
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass

    async def _lose(self, cause: str) -> None:
        if self.sandbox.state is SandboxState.KILLED:
            cause = "it was killed"  # by this program, whatever the stream said of it
        words = self._last_words.decode("utf-8", "replace").strip()
        self._lost = SandboxLostError(f"The sandbox was lost: {cause}." + (f"\n{words}" if words else ""))
        for reply in list(self._replies.values()):
            reply.fail(self._lost)
        content = {
            "status": "error",
            "ename": SandboxLostError.__name__,
            "evalue": str(self._lost),
            "traceback": [],
            "stopped": True,
            "kept": False,
        }
        for run in list(self._runs.values()):
            error = {key: content[key] for key in ("ename", "evalue", "traceback")}
            await self._deliver(Message("error", error, parent_id=run.msg_id))
            await self._deliver(Message("execute_reply", dict(content), parent_id=run.msg_id))
        self._ended.set()
