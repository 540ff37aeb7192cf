"""anyio byte streams over the ends of pipes. Imports anyio only."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio
import anyio.lowlevel
from anyio.abc import ByteReceiveStream, ByteSendStream, ByteStream

__all__ = ["PipeReceiveStream", "PipeSendStream", "ProcessStream"]

#: One read takes what a flood has put into a pipe since the last; larger ones cost more in copies than they save.
CHUNK_BYTES = 1 << 18


@contextmanager
def _deadline(seconds: float | None) -> Iterator[None]:
    """Raise `TimeoutError` for a wait that takes longer."""
    with anyio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise TimeoutError(errno.ETIMEDOUT, f"nothing has gone through a pipe for {seconds:g} s")


class _Pipe:
    """One end of a pipe, which is closed at the latest when nobody holds it any more."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __del__(self) -> None:
        self._close()

    async def aclose(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            anyio.notify_closing(fd)
            try:
                # Who waits for it leaves first: on its way out it forgets the number, which may be another's by then.
                await anyio.lowlevel.cancel_shielded_checkpoint()
            finally:
                os.close(fd)
        await anyio.lowlevel.checkpoint()

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class PipeReceiveStream(_Pipe, ByteReceiveStream):
    """Reads a pipe.

    Parameters
    ----------
    fd : int
        The reading end, not blocking; closed with the stream, and at the pipe's end.
    is_lost : callable, optional
        Asked at the end of the pipe whether it ended because its sandbox went.
    stall_seconds : float, optional
        How long there may be nothing to read before that is a `TimeoutError`.
    """

    def __init__(
        self, fd: int, is_lost: Callable[[], bool] = lambda: False, stall_seconds: float | None = None
    ) -> None:
        super().__init__(fd)
        self._stall_seconds = stall_seconds
        self._is_lost = is_lost
        self._end: type[Exception] = anyio.ClosedResourceError

    async def receive(self, max_bytes: int = CHUNK_BYTES) -> bytes:
        await anyio.lowlevel.checkpoint()
        while self._fd >= 0:
            try:
                data = os.read(self._fd, max_bytes)
            except BlockingIOError:
                with _deadline(self._stall_seconds):
                    await anyio.wait_readable(self._fd)
                continue
            if data:
                return data
            self._end = anyio.BrokenResourceError if self._is_lost() else anyio.EndOfStream
            self._close()
        raise self._end

    async def aclose(self) -> None:
        self._end = anyio.ClosedResourceError
        await super().aclose()


class PipeSendStream(_Pipe, ByteSendStream):
    """Writes a pipe.

    Parameters
    ----------
    fd : int
        The writing end, not blocking; closed with the stream.
    stall_seconds : float, optional
        How long nothing may be taken before that is a `TimeoutError`.
    """

    def __init__(self, fd: int, stall_seconds: float | None = None) -> None:
        super().__init__(fd)
        self._stall_seconds = stall_seconds

    async def send(self, item: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        rest = memoryview(item)
        while rest:
            if self._fd < 0:
                raise anyio.ClosedResourceError
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                with _deadline(self._stall_seconds):
                    await anyio.wait_writable(self._fd)
            except BrokenPipeError as exc:
                raise anyio.BrokenResourceError from exc


class ProcessStream(ByteStream):
    """A process's stdin and stdout as one stream."""

    def __init__(self, stdin: PipeSendStream, stdout: PipeReceiveStream) -> None:
        self._stdin = stdin
        self._stdout = stdout

    async def receive(self, max_bytes: int = CHUNK_BYTES) -> bytes:
        return await self._stdout.receive(max_bytes)

    async def send(self, item: bytes) -> None:
        await self._stdin.send(item)

    async def send_eof(self) -> None:
        await self._stdin.aclose()

    async def aclose(self) -> None:
        await self._stdin.aclose()
        await self._stdout.aclose()
