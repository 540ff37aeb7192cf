"""Interpreters that keep their variables, and the runs in them, for programs: `Sandbox.session`.

What happens is written once, for the bridge's loop (`_Host`, `_Execution`); `SandboxSession` and `SandboxRun` are its
blocking and asynchronous face.
"""

from __future__ import annotations

import uuid
import weakref
from collections import deque
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import wait as wait_futures
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import TaskStatus

from . import bridge
from .errors import (
    HopxKernelError,
    RemoteExecutionError,
    SandboxLostError,
    SandboxTimeoutError,
)
from .lines import BatchQueue
from .owner import SandboxOwner
from .protocol import Message, RunnerOptions
from .protocol.markers import MarkerParser
from .session import EventHandler, Run, Session

if TYPE_CHECKING:
    from .sandbox import Sandbox

__all__ = ["EventHandler", "SandboxRun", "SandboxSession"]

#: Events that wait for a slow reader before the code in the sandbox waits too. The session beneath holds as many.
QUEUE_EVENTS = 64

#: How much of a run's output it keeps for `SandboxRun.output`, in characters.
OUTPUT_CHARACTERS = 4 * 1024 * 1024


#: How long text that may be the beginning of a marker waits for the rest of it.
HOLD_SECONDS = 0.2


@dataclass(frozen=True)
class _Queued:
    event: Message
    size: int = 1


class _Output:
    """The last part of a run's output."""

    def __init__(self) -> None:
        self._texts: deque[str] = deque()
        self._size = 0
        self.omitted = 0

    def add(self, text: str) -> None:
        self._texts.append(text)
        self._size += len(text)
        while self._size > OUTPUT_CHARACTERS and len(self._texts) > 1:
            size = len(self._texts.popleft())
            self._size -= size
            self.omitted += size

    def text(self) -> str:
        text = "".join(self._texts)
        return f"[{self.omitted} characters before this are omitted]\n{text}" if self.omitted else text


class _Execution:
    """One run, in the bridge's loop."""

    _queue: BatchQueue[_Queued]
    _finished: anyio.Event
    _waiting: anyio.CancelScope
    _taking: anyio.Lock

    def __init__(self, host: _Host, code: str, options: dict[str, Any]) -> None:
        self.output = _Output()
        self.result: Any = None
        self.reply: dict[str, Any] | None = None
        self.error: HopxKernelError | None = None
        self.msg_id = uuid.uuid4().hex
        self._host = host
        self._code = code
        self._options = {**options, "msg_id": self.msg_id}
        self._run: Run | None = None
        self._dropped = 0
        self._markers = MarkerParser(self.msg_id)
        self._texts_taken = 0

    async def start(self) -> None:
        self._queue = BatchQueue(QUEUE_EVENTS)
        self._finished = anyio.Event()
        self._waiting = anyio.CancelScope()
        self._taking = anyio.Lock()
        self._host.owner.check_alive()
        self._host.owner.tasks.start_soon(self._live)

    async def _live(self) -> None:
        try:
            with self._waiting:
                await self._host.turn.acquire()
            if self._waiting.cancelled_caught:
                await self._end_with("KeyboardInterrupt", "interrupted before it started")
                return
            try:
                await self._execute()
            finally:
                self._host.turn.release()
        finally:
            if self.reply is None:
                self.error = self.error or SandboxLostError("the sandbox was killed while the code ran")
                self.reply = _error_reply(type(self.error).__name__, str(self.error))
            self._queue.end()
            self._finished.set()

    async def _execute(self) -> None:
        try:
            session = await self._host.open()
            async with session.execute(self._code, **self._options) as run:
                self._run = run
                async for event in run:
                    await self._take(event)
        except HopxKernelError as exc:
            self.error = exc
            await self._end_with(type(exc).__name__, str(exc))

    async def _end_with(self, ename: str, evalue: str) -> None:
        reply = _error_reply(ename, evalue)
        await self._take(Message("error", {key: reply[key] for key in ("ename", "evalue", "traceback")}))
        await self._take(Message("execute_reply", reply))

    async def _take(self, event: Message) -> None:
        """Take an event of the run; markers in its text become the events that they stand for."""
        async with self._taking:
            if event.msg_type == "stream" and event.content["name"] == "stdout":
                await self._keep_parts(self._markers.feed(event.content["text"]))
                self._texts_taken += 1
                if self._markers.is_holding:
                    self._host.owner.tasks.start_soon(self._release_held, self._texts_taken)
                return
            if event.msg_type != "heartbeat":
                await self._keep_parts(self._markers.flush())
            await self._keep(event)

    async def _release_held(self, texts_taken: int) -> None:
        """Show what began like a marker when nothing comes that goes on with it: a prompt may end like that."""
        await anyio.sleep(HOLD_SECONDS)
        async with self._taking:
            if self._texts_taken == texts_taken:
                await self._keep_parts(self._markers.flush())

    async def _keep_parts(self, parts: list[str | Message]) -> None:
        for part in parts:
            if isinstance(part, str):
                part = Message("stream", {"name": "stdout", "text": part}, parent_id=self.msg_id)
            await self._keep(part)

    async def _keep(self, event: Message) -> None:
        content = event.content
        if event.msg_type == "stream":
            self.output.add(content["text"])
        elif event.msg_type == "result":
            self.result = content.get("data")
        elif event.msg_type == "execute_result" and self.result is None:
            self.result = content["data"].get("text/plain")
        elif event.is_terminal:
            self.reply = content
        self._dropped += len(await self._queue.put(_Queued(event)))

    async def receive(self) -> list[Message]:
        """What there is, waiting for something; empty at the end."""
        events = [item.event for item in await self._queue.get_all()]
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            events.insert(0, Message("dropped", {"events": dropped}))
        return events

    async def unattended(self) -> None:
        """Nobody reads: go on without, keeping the newest events, their count, and the output."""
        self._queue.set_drop_oldest()

    async def wait(self) -> None:
        await self._finished.wait()

    async def interrupt(self) -> dict[str, Any]:
        if self._run is not None:
            return await self._run.interrupt()
        self._waiting.cancel()
        return {"status": "ok", "stopped": True, "kept": True}

    async def send_input(self, value: str) -> None:
        if self._run is not None:
            await self._run.send_input(value)


def _error_reply(ename: str, evalue: str) -> dict[str, Any]:
    reason = "interrupted" if ename == "KeyboardInterrupt" else "died"
    kept = ename == "KeyboardInterrupt"
    return {
        "status": "error",
        "ename": ename,
        "evalue": evalue,
        "traceback": [],
        "reason": reason,
        "stopped": True,
        "kept": kept,
    }


class _Host:
    """One session, in the bridge's loop: opened when first needed, and anew by `restart` when it was lost."""

    _lock: anyio.Lock
    turn: anyio.Lock

    def __init__(self, owner: SandboxOwner, options: RunnerOptions, on_late_event: EventHandler | None) -> None:
        self.owner = owner
        self._options = options
        self._on_late_event = on_late_event
        self._session: Session | None = None
        self._closing: anyio.Event | None = None
        self._closed = False
        self._prepared = False

    async def prepare(self) -> None:
        if not self._prepared:
            self._prepared = True
            self._lock, self.turn = anyio.Lock(), anyio.Lock()

    async def open(self) -> Session:
        await self.prepare()
        async with self._lock:
            if self._closed:
                raise SandboxLostError("the session was closed")
            if self._session is None:
                self.owner.check_alive()
                self._session = await self.owner.tasks.start(self._live)
            return self._session

    async def _live(self, *, task_status: TaskStatus[Session]) -> None:
        closing = self._closing = anyio.Event()
        try:
            async with Session(self.owner.sandbox, options=self._options, on_event=self._on_late_event) as session:
                task_status.started(session)
                await closing.wait()
        finally:
            self._session = None

    async def restart(self) -> dict[str, Any]:
        session = await self.open()
        if session.is_lost:
            await self._close_session()
            await self.open()
            return {"status": "ok"}
        return await session.restart()

    async def request(self, verb: str, *args: Any) -> dict[str, Any]:
        reply: dict[str, Any] = await getattr(await self.open(), verb)(*args)
        return reply

    async def aclose(self) -> None:
        self._closed = True
        if self._prepared:
            await self._close_session()

    async def _close_session(self) -> None:
        async with self._lock:
            if self._closing is not None:
                self._closing.set()
            self._session = None


class SandboxRun:
    """One execution in a session. It goes on by itself; iterate over it to see what happens as it happens.

    Iterating (``for`` or ``async for``, once) gives `Message` objects, the last an ``execute_reply``; while a reader
    is slow, the code waits. When nobody iterates, the code runs freely: the newest events and the output are kept, and
    what of the events was dropped is counted by an event ``dropped``.
    """

    def __init__(self, session: SandboxSession, execution: _Execution) -> None:
        self._session = session
        self._execution = execution
        self._readers = 0
        self._receiving: Future[list[Message]] | None = None
        weakref.finalize(self, bridge.start, execution.unattended).atexit = False

    # ------------------------------------------------------------------ reading

    def __iter__(self) -> Iterator[Message]:
        with self._attended():
            while events := self._receive():
                yield from events

    def _receive(self, timeout: float | None = None) -> list[Message] | None:
        """The next events; none at the end, and None when there are none within `timeout` seconds.

        An interrupted wait loses nothing: what it would have given comes with the next call.
        """
        future = self._receiving = self._receiving or bridge.submit(self._execution.receive)
        if not wait_futures([future], timeout).done:
            return None
        self._receiving = None
        return future.result()

    async def __aiter__(self) -> AsyncIterator[Message]:
        with self._attended():
            while events := await bridge.call_async(self._execution.receive):
                for event in events:
                    yield event

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
        if reply.get("ename") == SandboxLostError.__name__:
            raise SandboxLostError(reply.get("evalue", ""))
        if reply.get("reason") == "timeout":
            alive = self._session._sandbox.is_alive
            raise SandboxTimeoutError(str(reply.get("evalue", "the deadline passed")), execution.output.text(), alive)
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


class SandboxSession:
    """An interpreter in a sandbox; see `Sandbox.session`. Its runs go one after another."""

    def __init__(
        self, sandbox: Sandbox, *, env: Mapping[str, str] | None = None, on_late_event: EventHandler | None = None
    ) -> None:
        self._sandbox = sandbox
        self._host = _Host(sandbox._owner, RunnerOptions(env=dict(env or {})), on_late_event)
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
    ) -> SandboxRun:
        """Run code; does not wait for it, and needs no ``await``.

        Parameters
        ----------
        timeout : float, optional
            Seconds after which it is interrupted.
        allow_stdin : bool
            Whether ``input()`` may ask: by an ``input_request`` event, to be answered by `SandboxRun.send_input`.

        The others are those of the Jupyter ``execute_request``. Raises `SandboxLostError` when the sandbox is gone.
        """
        options = {
            "timeout_seconds": timeout,
            "silent": silent,
            "store_history": store_history,
            "allow_stdin": allow_stdin,
        }
        execution = _Execution(self._host, code, options)
        bridge.call(self._start, execution)
        run = SandboxRun(self, execution)
        self._runs.add(run)
        return run

    @property
    def sandbox(self) -> Sandbox:
        """Where it is."""
        return self._sandbox

    async def _run_silently(self, code: str) -> None:
        """In the bridge's loop: run code that no history and no reader sees. Raises as `SandboxRun.wait`."""
        execution = _Execution(self._host, code, {"silent": True, "store_history": False})
        await self._start(execution)
        await execution.unattended()
        await execution.wait()
        SandboxRun(self, execution).raise_for_error()

    async def _start(self, execution: _Execution) -> None:
        await self._host.prepare()
        for run in list(self._runs):
            # Else a run that nobody reads would keep this one waiting for ever.
            if not run._readers and run.reply is None:
                await run._execution.unattended()
        await execution.start()

    def restart(self) -> dict[str, Any]:
        """A fresh interpreter: variables go, files stay."""
        return bridge.call(self._host.restart)

    async def restart_async(self) -> dict[str, Any]:
        """As `restart`."""
        return await bridge.call_async(self._host.restart)

    def complete(self, code: str, cursor_pos: int) -> dict[str, Any]:
        """Content of a ``complete_reply``."""
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

    def __enter__(self) -> SandboxSession:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> SandboxSession:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()
