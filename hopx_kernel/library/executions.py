"""Sessions and runs as the bridge's loop sees them: what `runs` shows to blocking and asynchronous callers."""

from __future__ import annotations

import logging
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import anyio
from anyio.abc import TaskStatus

from ..errors import HopxKernelError, SandboxLostError
from ..protocol import Message, RunnerOptions
from ..protocol.markers import MarkerParser, Merge
from ..session import EventHandler, Run, Session
from .lines import BatchQueue
from .owner import SandboxOwner

__all__ = ["Execution", "SessionHost"]

_logger = logging.getLogger(__name__)

#: Events that wait for a slow reader before the code in the sandbox waits too. The session beneath holds as many.
QUEUE_EVENTS = 64

#: How much of a run's output it keeps for `SandboxRun.output`, in characters.
OUTPUT_CHARACTERS = 4 * 1024 * 1024

#: How soon after a restart the runs before it have ended, else they are interrupted.
RESTART_SECONDS = 1.0

#: Markers that a program prints come by thousands in one text: so many are to that queue as one event.
MARKERS_IN_ONE = 64

#: Events that stand beside the text: a marker goes on behind them.
BESIDE_TEXT = frozenset({"heartbeat", "progress"})


@dataclass(frozen=True)
class _Queued:
    events: list[Message]

    @property
    def size(self) -> int:
        return -(-len(self.events) // MARKERS_IN_ONE)


class RunOutputTail:
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


class Execution:
    """One run, in the bridge's loop."""

    _queue: BatchQueue[_Queued]
    _finished: anyio.Event
    _settled: anyio.Event
    _waiting: anyio.CancelScope
    _taking: anyio.Lock
    _giving: anyio.Lock

    def __init__(self, host: SessionHost, code: str, options: dict[str, Any]) -> None:
        self.output = RunOutputTail()
        self.timeout: float = options.get("timeout_seconds") or 0.0
        self.result: Any = None
        self.reply: dict[str, Any] | None = None
        self.error: HopxKernelError | None = None
        self.msg_id = uuid.uuid4().hex
        self._host = host
        self._code = code
        self._options = {**options, "msg_id": self.msg_id}
        self._run: Run | None = None
        self._has_turn = False
        self._interrupts = 0
        self._dropped = 0
        self._told: set[str] = set()
        self._batch: list[Message] | None = None
        self._given = 0
        self._markers = MarkerParser(self.msg_id)
        self._texts_taken = 0

    def merge_reports(self, merge: Merge | None) -> None:
        """Have printed reports that come too fast to be seen made one, from here on."""
        self._markers.merge = merge

    async def start(self) -> None:
        self._queue = BatchQueue(QUEUE_EVENTS)
        self._finished, self._settled = anyio.Event(), anyio.Event()
        self._waiting = anyio.CancelScope()
        self._taking, self._giving = anyio.Lock(), anyio.Lock()
        self._host.owner.check_alive()
        # The variables that it counts on: those of the interpreter that is there now, whoever ends it before its turn.
        self._options["generation"] = self._host.generation
        self._host.executions.add(self)
        self._host.owner.tasks.start_soon(self._live)

    async def _live(self) -> None:
        try:
            with self._waiting:
                await self._host.turn.acquire()
            if self._waiting.cancelled_caught:
                await self._end_with("KeyboardInterrupt", "interrupted before it started")
                return
            self._has_turn = True
            try:
                await self._execute()
            finally:
                self._host.turn.release()
        finally:
            if self.reply is None:
                self.error = self.error or SandboxLostError("the sandbox was killed while the code ran")
                self.reply = _error_reply(type(self.error).__name__, str(self.error))
            self._host.executions.discard(self)
            self._queue.end(_Queued(list(self._untold(self.reply))))
            self._settled.set()
            self._finished.set()

    async def _execute(self) -> None:
        try:
            session = await self._host.open()
            if self._was_interrupted():
                await self._end_with("KeyboardInterrupt", "interrupted before it started")
                return
            async with session.execute(self._code, **self._options) as run:
                self._run = run
                self._settled.set()
                self._host.owner.tasks.start_soon(self._release_at_end, run)
                if self._was_interrupted():  # while it was being sent
                    self._host.owner.tasks.start_soon(run.interrupt)
                async for event in run:
                    await self._take(event)
        except HopxKernelError as exc:
            self.error = exc
            await self._end_with(type(exc).__name__, str(exc))

    async def _release_at_end(self, run: Run) -> None:
        """Have the end of a run wait for no reader, who then finds everything there."""
        await run.wait()
        self._queue.set_unbounded()

    def _was_interrupted(self) -> bool:
        return self._interrupts > 0

    async def _end_with(self, ename: str, evalue: str) -> None:
        for event in self._untold(_error_reply(ename, evalue)):
            await self._take(event)

    def _untold(self, reply: dict[str, Any]) -> Iterator[Message]:
        """The events of an end that have not been told: a kill of the sandbox may come between any two."""
        if "execute_reply" in self._told:
            return
        if reply["status"] == "error" and "error" not in self._told:
            error = {key: reply[key] for key in ("ename", "evalue", "traceback")}
            yield Message("error", error, parent_id=self.msg_id)
        yield Message("execute_reply", reply, parent_id=self.msg_id)

    async def _take(self, event: Message) -> None:
        """Take an event of the run; markers in its text become the events that they stand for."""
        async with self._taking:
            if event.msg_type == "stream" and event.content["name"] == "stdout":
                await self._keep_parts(self._markers.feed(event.content["text"]))
                self._texts_taken += 1
                if self._markers.is_holding:
                    self._host.owner.tasks.start_soon(self._release_held, self._texts_taken, self._markers.hold_seconds)
                return
            if event.msg_type not in BESIDE_TEXT:
                await self._keep_parts(self._markers.flush())
            await self._keep(event)

    async def _release_held(self, texts_taken: int, seconds: float) -> None:
        """Show what began like a marker when nothing comes that goes on with it: a prompt may end like that."""
        await anyio.sleep(seconds)
        async with self._taking:
            if self._texts_taken == texts_taken:
                await self._keep_parts(self._markers.flush())

    async def _keep_parts(self, parts: list[str | Message]) -> None:
        events = [
            Message("stream", {"name": "stdout", "text": part}, parent_id=self.msg_id)
            if isinstance(part, str)
            else part
            for part in parts
        ]
        if events:
            await self._keep(*events)

    async def _keep(self, *events: Message) -> None:
        for event in events:
            content = event.content
            if event.msg_type == "progress":
                continue
            if event.msg_type == "stream":
                self.output.add(content["text"])
            elif event.msg_type == "result" and "omitted" not in content:
                self.result = content.get("data")
            elif event.msg_type == "execute_result" and self.result is None:
                self.result = content["data"].get("text/plain")
            elif event.is_terminal:
                self.reply = content
        for dropped in await self._queue.put(_Queued(list(events))):
            self._dropped += len(dropped.events)
        self._told.update(event.msg_type for event in events if event.msg_type in ("error", "execute_reply"))

    async def receive(self, taken: int) -> list[Message]:
        """What there is, waiting for something; empty at the end.

        `taken` is how often the reader has got something. What did not reach it, since its wait was broken off, is
        given again.
        """
        async with self._giving:
            if self._batch is None or taken == self._given:
                self._batch = await self._next()
                self._given += 1
            return self._batch

    async def _next(self) -> list[Message]:
        events = [event for item in await self._queue.get_all() for event in item.events]
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            events.insert(0, Message("dropped", {"events": dropped}))
        return events

    async def unattended(self) -> None:
        """Nobody reads: go on without, keeping the newest events, their count, and the output."""
        self._queue.set_drop_oldest()

    async def wait(self) -> None:
        await self._finished.wait()

    async def settle(self) -> None:
        """Give up a run that has not got its turn; otherwise wait until the sandbox has it, or it has ended."""
        if self._run is None and not self._has_turn:
            self._waiting.cancel()
        await self._settled.wait()

    async def interrupt(self) -> dict[str, Any]:
        if self._run is not None:
            return await self._run.interrupt()
        self._interrupts += 1
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


class SessionHost:
    """One session, in the bridge's loop: opened when first needed, and anew by `restart` when it was lost."""

    _lock: anyio.Lock
    turn: anyio.Lock

    def __init__(self, owner: SandboxOwner, options: RunnerOptions, on_late_event: EventHandler | None) -> None:
        self.owner = owner
        self._options = options
        self._on_late_event = on_late_event
        #: The runs that have not ended.
        self.executions: set[Execution] = set()
        self._session: Session | None = None
        self._closing: anyio.Event | None = None
        self._closed = False
        self._prepared = False

    @property
    def generation(self) -> int | None:
        """The interpreter that those count on who ask now; None where any will do."""
        return None if self._session is None else self._session.generation

    @property
    def silent_seconds(self) -> float:
        """As `Session.silent_seconds`."""
        return 0.0 if self._session is None else self._session.silent_seconds

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
            async with Session(self.owner.sandbox, options=self._options, on_event=self._take_late) as session:
                task_status.started(session)
                await closing.wait()
        finally:
            self._session = None

    async def _take_late(self, event: Message) -> None:
        if self._on_late_event is not None:
            try:
                await self._on_late_event(event)
            except Exception:  # the session goes on without who wanted to see it
                _logger.exception("A handler of late events failed.")

    async def restart(self) -> dict[str, Any]:
        """A fresh interpreter. Every run that was asked for before ends with an error."""
        before = list(self.executions)
        for execution in before:
            await execution.settle()
        session = await self.open()
        if session.is_lost:
            await self._close_session()
            await self.open()
            return {"status": "ok"}
        reply = await session.restart()
        for execution in before:
            # A runner whose interpreter was still starting has nothing to replace, and runs what it was given.
            with anyio.move_on_after(RESTART_SECONDS) as scope:
                await execution.wait()
            if scope.cancelled_caught:
                await session.interrupt(execution.msg_id)
        return reply

    async def set_environment(self, env: dict[str, str]) -> None:
        """Set variables of the interpreter and of every one that takes its place. Raises `SandboxLostError`."""
        session = await self.open()
        self._options = replace(self._options, env={**self._options.env, **env})
        await session.request("environment_request", {"env": env})

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
