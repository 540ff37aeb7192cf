"""anyio byte streams over the ends of pipes. Imports anyio only."""

from __future__ import annotations

import os
from collections.abc import Callable

import anyio
import anyio.lowlevel
from anyio.abc import ByteReceiveStream, ByteSendStream, ByteStream

__all__ = ["PipeReceiveStream", "PipeSendStream", "ProcessStream"]

#: One read takes what a flood has put into a pipe since the last; larger ones cost more in copies than they save.
CHUNK_BYTES = 1 << 18


class PipeReceiveStream(ByteReceiveStream):
    """Reads a pipe.

    Parameters
    ----------
    fd : int
        The reading end, not blocking; closed with the stream.
    is_lost : callable, optional
        Asked at the end of the pipe whether it ended because its sandbox went.
    """

    def __init__(self, fd: int, is_lost: Callable[[], bool] = lambda: False) -> None:
        self._fd = fd
        self._is_lost = is_lost

    async def receive(self, max_bytes: int = CHUNK_BYTES) -> bytes:
        await anyio.lowlevel.checkpoint()
        while True:
            if self._fd < 0:
                raise anyio.ClosedResourceError
            try:
                data = os.read(self._fd, max_bytes)
            except BlockingIOError:
                await anyio.wait_readable(self._fd)
                continue
            if data:
                return data
            if self._is_lost():
                raise anyio.BrokenResourceError
            raise anyio.EndOfStream

    async def aclose(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            anyio.notify_closing(fd)
            os.close(fd)
        await anyio.lowlevel.checkpoint()


class PipeSendStream(ByteSendStream):
    """Writes a pipe.

    Parameters
    ----------
    fd : int
        The writing end, not blocking; closed with the stream.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    async def send(self, item: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        rest = memoryview(item)
        while rest:
            if self._fd < 0:
                raise anyio.ClosedResourceError
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                await anyio.wait_writable(self._fd)
            except BrokenPipeError as exc:
                raise anyio.BrokenResourceError from exc

    async def aclose(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            anyio.notify_closing(fd)
            os.close(fd)
        await anyio.lowlevel.checkpoint()


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
