"""One command in a sandbox, as the bridge's loop sees it: its output, its end, its deadline, its heartbeats."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import ByteReceiveStream, TaskStatus

from ..errors import SandboxError, SandboxLostError, SandboxTimeoutError
from ..sandboxes.base import SandboxProcess
from .lines import BatchQueue, Block, LineSplitter
from .owner import SandboxOwner, end_process

__all__ = ["Batch", "Command", "CommandOptions", "Ending", "Pulse"]

#: After the command's own end its output may be held open by a process that it left in the background. This long
#: without a byte, and the output is over too; that it was not closed is told.
QUIET_SECONDS = 0.1

#: More than a command's pipes hold: what comes beyond it was written after the command's end.
PIPE_BYTES = 2 * 1024 * 1024

#: What is read after a deadline, of what was written before it.
DRAIN_SECONDS = 1.0

#: Taken from the command at one time at most, however large the buffer is.
MAX_READ_BYTES = 262144

#: How much of the last output a stream keeps for `SandboxTimeoutError`; `run` keeps all.
TAIL_BYTES = 1024 * 1024

#: How long a process may take to end that was killed, in seconds, before its sandbox is ended.
KILL_SECONDS = 10.0


@dataclass(frozen=True)
class CommandOptions:
    """How a command runs; `Commands.stream` documents each."""

    command: str | Sequence[str]
    cwd: str | None = None
    env: Mapping[str, str] | None = None
    timeout: float | None = None
    buffer_size: int = 65536
    drop_oldest: bool = False
    heartbeat_seconds: float | None = None


@dataclass
class Pulse:
    """A heartbeat that waits to be taken; a newer one replaces it."""

    content: dict[str, Any]
    size: int = 0


@dataclass(frozen=True)
class Ending:
    """How a command ended: ``completed``, ``timeout``, ``stopped`` (by us) or ``lost`` (with its sandbox).

    `output_closed` is False where a process that it left in the background may go on writing.
    """

    reason: str
    exit_code: int | None
    duration_seconds: float
    error: SandboxError | None = None
    output_closed: bool = True


@dataclass(frozen=True)
class Batch:
    """What a reader gets at once. With `ending` it is the last."""

    items: list[Block | Pulse]
    dropped_lines: int = 0
    dropped_bytes: int = 0
    ending: Ending | None = None


@dataclass
class _Tail:
    """The last output, for a deadline's error."""

    max_bytes: int | None
    blocks: deque[Block] = field(default_factory=deque)
    size: int = 0
    omitted: int = 0

    def add(self, block: Block) -> None:
        self.blocks.append(block)
        self.size += block.size
        while self.max_bytes is not None and self.size > self.max_bytes and len(self.blocks) > 1:
            oldest = self.blocks.popleft().size
            self.size -= oldest
            self.omitted += oldest

    def text(self) -> str:
        return "".join(block.text() for block in self.blocks)


class Command:
    """A command that runs. One reader at a time. Made anywhere; everything else happens in the bridge's loop."""

    _queue: BatchQueue[Block | Pulse]
    _finished: anyio.Event
    _output_over: anyio.Event
    _scope: anyio.CancelScope

    def __init__(self, owner: SandboxOwner, options: CommandOptions, tail_bytes: int | None = TAIL_BYTES) -> None:
        self._owner = owner
        self._options = options
        self._tail = _Tail(tail_bytes) if options.timeout is not None else None
        self._dropped_lines = self._dropped_bytes = 0
        self._reason = "completed"
        self._error: SandboxError | None = None
        self._pulse: Pulse | None = None
        self._reading = self._receiving = self._taken_bytes = 0
        self._splitters: list[LineSplitter] = []
        self._ending: Ending | None = None
        self._lives = False
        self._batch: Batch | None = None
        self._given = 0

    async def start(self) -> None:
        """Start it. Raises `FileNotFoundError`, `PermissionError`, `SandboxLostError` or `SandboxTimeoutError`.

        A cancellation waits until it has started: who reads on later finds it running, and started once.
        """
        self._owner.check_alive()
        options = self._options
        self._queue = BatchQueue(options.buffer_size, drop_oldest=options.drop_oldest)
        self._finished, self._output_over = anyio.Event(), anyio.Event()
        self._scope = anyio.CancelScope()
        self._lives = True
        self._started_at = self._last_output_at = time.monotonic()
        with anyio.CancelScope(shield=True):
            await self._owner.tasks.start(self._live)

    async def receive(self, taken: int) -> Batch:
        """Take what there is, waiting for something.

        `taken` is how many batches the reader has had. One that did not reach it, since its wait was broken off, is
        given again.
        """
        if self._batch is None or taken == self._given:
            self._batch = await self._next()
            self._given += 1
        return self._batch

    async def _next(self) -> Batch:
        items = await self._queue.get_all()
        if not items:
            await self._finished.wait()
        if self._pulse is not None and self._pulse in items:
            self._pulse = None
        dropped_lines, self._dropped_lines = self._dropped_lines, 0
        dropped_bytes, self._dropped_bytes = self._dropped_bytes, 0
        return Batch(items, dropped_lines, dropped_bytes, None if items else self._ending)

    async def aclose(self) -> Ending | None:
        """Stop it if it still runs, throwing away what nobody has taken; gives how it ended. Never raises."""
        if self._lives:
            with anyio.CancelScope(shield=True):
                if not self._finished.is_set():
                    self._reason = "stopped"
                    self._queue.end()
                    self._queue.clear()
                    self._scope.cancel()
                await self._finished.wait()
        return self._ending

    # ------------------------------------------------------------------ its life

    async def _live(self, *, task_status: TaskStatus[None]) -> None:
        process: SandboxProcess | None = None
        followed = False
        try:
            options = self._options
            with anyio.move_on_after(options.timeout):
                process = await self._owner.start_command(options.command, options.cwd, options.env)
            if process is None:
                self._reason = "timeout"
                raise self._timeout_error()
            task_status.started()
            with self._scope:
                await self._follow(process)
                followed = True
        finally:
            if process is not None:
                await end_process(process)
            self._finish(process.returncode if process is not None else None, followed)

    async def _follow(self, process: SandboxProcess) -> None:
        options = self._options
        sources = [(process.stream, "stdout"), (process.stderr, "stderr")]
        async with anyio.create_task_group() as helpers:
            if options.timeout is not None:
                helpers.start_soon(self._enforce_deadline, process, options.timeout)
            if options.heartbeat_seconds is not None:
                helpers.start_soon(self._beat, options.heartbeat_seconds)
            async with anyio.create_task_group() as readers:
                for stream, name in sources:
                    if stream is not None:
                        self._splitters.append(LineSplitter(name))
                        self._reading += 1
                        readers.start_soon(self._read, stream, self._splitters[-1])
                try:
                    await process.wait()
                except SandboxLostError as exc:
                    if self._reason != "timeout":
                        self._reason, self._error = "lost", exc
                await self._drain()
                # What has been read is the reader's, however slow that one is.
                self._queue.set_unbounded()
                for _ in range(2):
                    await anyio.lowlevel.checkpoint()
                readers.cancel_scope.cancel()
            for splitter in self._splitters:
                await self._put(splitter.finish())
            helpers.cancel_scope.cancel()

    async def _read(self, stream: ByteReceiveStream, splitter: LineSplitter) -> None:
        read_bytes = min(self._options.buffer_size, MAX_READ_BYTES)
        try:
            while True:
                self._receiving += 1
                try:
                    data = await stream.receive(read_bytes)
                finally:
                    self._receiving -= 1
                self._last_output_at = time.monotonic()
                self._taken_bytes += len(data)
                await self._put(splitter.feed(data))
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            # Broken or ended makes no difference here: waiting for the process tells whether the sandbox is gone.
            self._reading -= 1
            if not self._reading:
                self._output_over.set()

    async def _put(self, block: Block | None) -> None:
        if block is None:
            return
        if self._tail is not None:
            self._tail.add(block)
        for item in await self._queue.put(block):
            if isinstance(item, Block):
                self._dropped_lines += item.line_count
                self._dropped_bytes += item.size

    async def _drain(self) -> None:
        """After the process's end: wait until its output is closed, or everyone reads and nothing comes."""
        ended_at, taken_before = time.monotonic(), self._taken_bytes
        deadline = math.inf if self._options.timeout is None else self._started_at + self._options.timeout
        was_empty = False
        while self._reading:
            seen = self._last_output_at
            with anyio.move_on_after(QUIET_SECONDS):
                await self._output_over.wait()
            if self._receiving == self._reading and seen == self._last_output_at:
                return
            now = time.monotonic()
            if self._reason == "timeout" and now - ended_at > DRAIN_SECONDS:
                return
            # What only a slow reader holds up was written in time; what is newer comes from the background.
            is_new = was_empty or self._taken_bytes - taken_before > PIPE_BYTES
            if is_new and now > deadline and self._reason == "completed":
                self._reason = "timeout"
                return
            was_empty = was_empty or await self._is_empty()

    async def _is_empty(self) -> bool:
        """Whether everyone waits for output that is not there yet."""
        seen = self._last_output_at
        for _ in range(3):  # more than a read of what is there takes
            await anyio.lowlevel.checkpoint()
        return self._receiving == self._reading and seen == self._last_output_at

    async def _enforce_deadline(self, process: SandboxProcess, timeout: float) -> None:
        await anyio.sleep(timeout)
        if process.returncode is None:
            self._reason = "timeout"
            with anyio.move_on_after(KILL_SECONDS) as scope:
                try:
                    await process.kill()
                    await process.wait()
                except SandboxLostError:
                    pass  # who waits for the process learns it too
            if scope.cancelled_caught:  # nobody in that sandbox does what is asked
                await self._owner.sandbox.kill()

    async def _beat(self, seconds: float) -> None:
        while True:
            await anyio.sleep(seconds)
            usage = await self._owner.usage()
            now = time.monotonic()
            content = {
                "state": "busy",
                "elapsed_seconds": now - self._started_at,
                "quiet_seconds": now - self._last_output_at,
                **usage,
            }
            if self._pulse is not None:
                self._pulse.content = content
            else:
                self._pulse = Pulse(content)
                await self._queue.put(self._pulse)

    def _finish(self, exit_code: int | None, followed: bool) -> None:
        if self._reason == "completed":
            # A kill of the sandbox may be seen as the process's own end by a signal.
            died_with_sandbox = not self._owner.is_alive and (exit_code is None or exit_code < 0)
            if not followed or died_with_sandbox:
                self._reason = "lost"
        if self._reason == "timeout":
            self._error = self._timeout_error()
        elif self._reason == "lost" and self._error is None:
            self._error = SandboxLostError("the sandbox was killed while the command ran")
        duration = time.monotonic() - self._started_at
        self._ending = Ending(self._reason, exit_code, duration, self._error, output_closed=not self._reading)
        self._queue.end()
        self._finished.set()

    def _timeout_error(self) -> SandboxTimeoutError:
        alive = self._owner.is_alive
        message = f"the command took longer than {self._options.timeout:g} s and was stopped; the sandbox "
        message += "lives" if alive else "is gone"
        tail = self._tail or _Tail(None)
        if tail.omitted:
            message += f"; of its output the last {tail.size} bytes are kept, {tail.omitted} before them are not"
        return SandboxTimeoutError(message, tail.text(), alive)
