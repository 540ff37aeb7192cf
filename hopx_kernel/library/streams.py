"""A command's output as it comes, for ``for`` and ``async for`` alike; what happens is written in `command`."""

from __future__ import annotations

import itertools
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..protocol import Message
from . import bridge
from .blocks import BothBlocks
from .command import Batch, Command, CommandOptions, Ending, Pulse
from .lines import Block, Line

if TYPE_CHECKING:
    from .sandbox import Sandbox

__all__ = ["CommandStream", "StreamEvents"]


class CommandStream(BothBlocks):
    """A command's output as it comes. ``for line in stream`` and ``async for line in stream`` give `Line` objects.

    The command starts with the iteration. It is stopped when the iteration ends early (``break``, an error, the
    iterator thrown away), by leaving ``with stream`` or ``async with stream``, and by `close`.

    Attributes
    ----------
    exit_code : int or None
        Once the command has ended; ``-N`` when signal N ended it.
    duration_seconds : float or None
        Once the command has ended.
    output_closed : bool or None
        Once the command has ended: as `CommandResult.output_closed`.
    dropped_lines, dropped_bytes : int
        What ``on_overflow="drop_oldest"`` has dropped so far.

    Raises
    ------
    SandboxTimeoutError
        While iterating, after the last line: the deadline passed.
    SandboxLostError
        While iterating: the sandbox went away.
    FileNotFoundError, PermissionError
        At the first line: the program cannot be started.
    RuntimeError
        It is iterated for a second time.
    """

    def __init__(self, sandbox: Sandbox, options: CommandOptions) -> None:
        self.exit_code: int | None = None
        self.duration_seconds: float | None = None
        self.output_closed: bool | None = None
        self.dropped_lines = 0
        self.dropped_bytes = 0
        self._sandbox = sandbox  # a sandbox lives at least as long as what runs in it
        self._options = options
        self._command: Command | None = None
        self._ending: Ending | None = None

    def __iter__(self) -> Iterator[Line]:
        return self._lines()

    def __aiter__(self) -> AsyncIterator[Line]:
        return _AsyncLines(self)

    def events(self) -> StreamEvents:
        """Everything that happens, as `Message` objects, for ``for`` and ``async for`` alike.

        ``stream`` (``name``, ``text``), ``heartbeat`` (``elapsed_seconds``, ``quiet_seconds``, ``memory_bytes``,
        ``cpu_seconds``), ``dropped`` (``lines``, ``bytes``) and, at the end and once, ``execute_reply`` (``status``,
        ``reason``, ``exit_code``, ``duration_seconds``, ``output_closed``). A deadline is not raised here but told: the
        reply's reason is ``timeout``, and it has ``output`` and ``alive``, as `SandboxTimeoutError` has them.
        """
        return StreamEvents(self)

    def close(self) -> None:
        """Stop the command if it still runs. What has not been read is lost."""
        if self._command is not None:
            self._note_ending(bridge.call(self._command.aclose))

    async def aclose(self) -> None:
        """As `close`."""
        if self._command is not None:
            self._note_ending(await bridge.call_async(self._command.aclose))

    # ------------------------------------------------------------------ inside

    def _open(self, options: CommandOptions) -> Command:
        if self._command is not None:
            raise RuntimeError("a command's output can be iterated once; run the command again for a second time")
        self._command = Command(self._sandbox._owner, options)
        return self._command

    def _lines(self) -> Iterator[Line]:
        thread_id = threading.get_ident()
        command = self._open(replace(self._options, heartbeat_seconds=None))
        try:
            bridge.call(command.start)
            taken = itertools.count()
            while (batch := self._take(bridge.call(command.receive, next(taken)))) is not None:
                for item in batch.items:
                    if isinstance(item, Block):
                        yield from item.lines()
        finally:
            if self._ending is None:
                bridge.finalize(thread_id, self._stop, command)

    async def _stop(self, command: Command) -> None:
        self._note_ending(await command.aclose())

    def _take(self, batch: Batch) -> Batch | None:
        """Count what was dropped; None, or the error, at the end."""
        self.dropped_lines += batch.dropped_lines
        self.dropped_bytes += batch.dropped_bytes
        if batch.items:
            return batch
        self._note_ending(batch.ending)
        if batch.ending is not None and batch.ending.error is not None:
            raise batch.ending.error
        return None

    def _note_ending(self, ending: Ending | None) -> None:
        if ending is not None:
            self._ending = ending
            self.exit_code, self.duration_seconds = ending.exit_code, ending.duration_seconds
            self.output_closed = ending.output_closed


class _Reader:
    """Reads a stream in batches. A wait that is broken off loses nothing: the next one goes on where it was."""

    def __init__(self, stream: CommandStream, options: CommandOptions) -> None:
        self._stream = stream
        self._command = stream._open(options)
        self._started = False
        self._taken = 0

    def abandon(self) -> None:
        """Stop the command if it still runs, without waiting for its end."""
        if self._started and self._stream._ending is None:
            bridge.start(self._stream._stop, self._command)

    def read(self) -> Batch:
        batch = bridge.call(self._next_batch)
        self._taken += 1
        return batch

    async def read_async(self) -> Batch:
        batch = await bridge.call_async(self._next_batch)
        self._taken += 1
        return batch

    async def _next_batch(self) -> Batch:
        if not self._started:
            self._started = True
            await self._command.start()
        return await self._command.receive(self._taken)


class _LineReader(_Reader):
    def __init__(self, stream: CommandStream) -> None:
        super().__init__(stream, replace(stream._options, heartbeat_seconds=None))
        self._lines: Iterator[Line] = iter(())

    async def next_line(self) -> Line:
        for line in self._lines:
            return line
        while (batch := self._stream._take(await self.read_async())) is not None:
            self._lines = itertools.chain.from_iterable(item.lines() for item in batch.items if isinstance(item, Block))
            for line in self._lines:
                return line
        raise StopAsyncIteration


class _EventReader(_Reader):
    def __init__(self, stream: CommandStream) -> None:
        super().__init__(stream, stream._options)
        self._events: Iterator[Message] = iter(())
        self._over = False

    def next_event(self) -> Message:
        while (event := next(self._events, None)) is None:
            if self._over:
                raise StopIteration
            self._events = self._convert(self.read())
        return event

    async def next_event_async(self) -> Message:
        while (event := next(self._events, None)) is None:
            if self._over:
                raise StopAsyncIteration
            self._events = self._convert(await self.read_async())
        return event

    def _convert(self, batch: Batch) -> Iterator[Message]:
        stream = self._stream
        stream.dropped_lines += batch.dropped_lines
        stream.dropped_bytes += batch.dropped_bytes
        events = []
        if batch.dropped_lines:
            events.append(Message("dropped", {"lines": batch.dropped_lines, "bytes": batch.dropped_bytes}))
        for item in batch.items:
            if isinstance(item, Pulse):
                events.append(Message("heartbeat", item.content))
            else:
                events.append(Message("stream", {"name": item.name, "text": item.text()}))
        if batch.ending is not None:
            self._over = True
            stream._note_ending(batch.ending)
            events.append(Message("execute_reply", _reply(batch.ending)))
        return iter(events)


class _AsyncLines:
    """A stream's lines for ``async for``; thrown away before the end, it stops the command.

    Not a generator: one that is left early would stop the command late. Nor may the traceback of what ended a wait keep
    it alive, which Python's own context managers hold until the garbage is collected.
    """

    def __init__(self, stream: CommandStream) -> None:
        self._reader = _LineReader(stream)

    def __del__(self) -> None:
        if hasattr(self, "_reader"):
            self._reader.abandon()

    def __aiter__(self) -> _AsyncLines:
        return self

    async def __anext__(self) -> Line:
        reader = self._reader
        try:
            return await reader.next_line()
        except BaseException:
            del self
            raise


class StreamEvents:
    """A stream's events; see `CommandStream.events`."""

    def __init__(self, stream: CommandStream) -> None:
        self._reader = _EventReader(stream)

    def __del__(self) -> None:
        if hasattr(self, "_reader"):
            self._reader.abandon()

    def __iter__(self) -> StreamEvents:
        return self

    def __next__(self) -> Message:
        reader = self._reader
        try:
            return reader.next_event()
        except BaseException:
            del self  # as in `_AsyncLines`
            raise

    def __aiter__(self) -> StreamEvents:
        return self

    async def __anext__(self) -> Message:
        reader = self._reader
        try:
            return await reader.next_event_async()
        except BaseException:
            del self
            raise


def _reply(ending: Ending) -> dict[str, Any]:
    content: dict[str, Any] = {
        "status": "ok" if ending.error is None else "error",
        "reason": ending.reason,
        "exit_code": ending.exit_code,
        "duration_seconds": ending.duration_seconds,
        "output_closed": ending.output_closed,
    }
    if ending.error is not None:
        content |= {"ename": type(ending.error).__name__, "evalue": str(ending.error)}
        content["alive"] = getattr(ending.error, "alive", False)
        content["output"] = getattr(ending.error, "output", "")
    return content
