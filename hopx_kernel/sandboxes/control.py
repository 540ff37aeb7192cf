"""The host's end of a launcher's socket: requests out, events in.

Everything that comes from a sandbox is bounded and checked; descriptors that it sends are never taken. Imports anyio
and `pipes`.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import anyio

from ..errors import SandboxLostError
from .pipes import ProcessPipes, request_start, send_packet

__all__ = ["Control", "ProcessStatus"]

_T = TypeVar("_T")

_MAX_EVENT_BYTES = 256

#: Packets taken at one time before others get their turn.
_MAX_EVENTS_AT_ONCE = 256


class ProcessStatus:
    """What the launcher has said of one process."""

    def __init__(self) -> None:
        self.pid: int | None = None
        self.error: tuple[int, str] | None = None
        self.returncode: int | None = None


class Control:
    """Requests to a launcher, and what it tells.

    There is no task that reads: whoever waits for something reads for everybody, one at a time. So it works in whatever
    task calls it, and costs nothing while nobody waits.

    Parameters
    ----------
    sock : socket.socket
        To the launcher.
    answer_seconds : float
        How long it may take for what it does at once: to take a request, and to start a process.
    explain_end : callable
        What can be said of why the launcher is gone, to be put after that it is; empty where nothing is known.
    """

    def __init__(self, sock: socket.socket, answer_seconds: float, explain_end: Callable[[], str] = str) -> None:
        self.ready = False
        #: Why the launcher can be asked no more; None while it can.
        self.lost: str | None = None
        self._sock = sock
        self._answer_seconds = answer_seconds
        self._explain_end = explain_end
        self._statuses: dict[int, ProcessStatus] = {}
        self._next_number = 1
        self._reading: anyio.CancelScope | None = None
        self._waiting = 0
        self._is_closed = False
        self._news = anyio.Event()

    def expect(self, number: int) -> ProcessStatus:
        """The status of a process that was asked for already."""
        return self._statuses.setdefault(number, ProcessStatus())

    async def start(
        self, argv: Sequence[str], cwd: str, env: Mapping[str, str], *, has_text: bool = False
    ) -> tuple[ProcessPipes, ProcessStatus]:
        """Ask for a process, without waiting for the answer. Takes and raises what `pipes.request_start` does."""
        number = self._number()
        status = self.expect(number)
        try:
            spawned = await self._send(lambda: request_start(self._sock, number, argv, cwd, env, has_text=has_text))
        except BaseException:
            self._statuses.pop(number, None)
            raise
        return spawned, status

    async def work(self, verb: str, path: str, fd: int) -> tuple[int, ProcessStatus]:
        """Ask for ``read`` or ``write`` of a file; `fd` is the pipe's end for the sandbox. Gives the number to signal."""
        number = self._number()
        status = self.expect(number)
        try:
            await self._send(lambda: send_packet(self._sock, [verb, str(number), path], [fd]))
        except BaseException:
            self._statuses.pop(number, None)
            raise
        return number, status

    async def signal(self, number: int, signum: int) -> None:
        """Signal a process and its group; does nothing when it, or everything, is over."""
        with suppress(SandboxLostError):
            await self._send(lambda: send_packet(self._sock, ["signal", str(number), str(int(signum))]))

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until events have made `condition` true. Raises `SandboxLostError` when no more can come."""
        while True:
            self.drain()
            if condition():
                return
            if self.lost is not None:
                raise SandboxLostError(self.lost)
            if self._reading is not None:
                await self._news.wait()
                continue
            try:
                # Cancelled when somebody else has taken events: the socket may then stay silent.
                with anyio.CancelScope() as self._reading:
                    await self._wait_socket(anyio.wait_readable)
            except anyio.ClosedResourceError:
                self.close("the sandbox was killed")
            finally:
                self._reading = None
                self._tell()

    async def wait_answer(self, status: ProcessStatus) -> None:
        """Wait until it has said whether there is a process. Raises `SandboxLostError`, also when it says nothing."""
        with anyio.move_on_after(self._answer_seconds) as scope:
            await self.wait(lambda: (status.pid, status.error, status.returncode) != (None, None, None))
        if scope.cancelled_caught:
            self._give_up()

    def _give_up(self) -> None:
        self._lose(f"its launcher has not answered for {self._answer_seconds:g} s")
        self._tell()
        raise SandboxLostError(self.lost or "")

    def drain(self) -> None:
        """Take the events that are there, without waiting."""
        for _ in range(_MAX_EVENTS_AT_ONCE):
            if self.lost is not None:
                return
            try:
                packet = self._sock.recv(_MAX_EVENT_BYTES + 1)
            except BlockingIOError:
                return
            except OSError as exc:
                self._lose(f"its launcher cannot be reached: {os.strerror(exc.errno or errno.EIO)}")
            else:
                if not packet:
                    self._lose("the sandbox ended")
                elif not self._take(packet):
                    self._lose("its launcher said something that it cannot have said")
            self._tell()

    def close(self, reason: str) -> None:
        """Take and send nothing more."""
        self.lost = self.lost or reason
        if not self._is_closed:
            self._is_closed = True
            anyio.notify_closing(self._sock)
            # A forked child of this program may hold it too: the launcher is to see its end all the same.
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
            self._close_socket()
        self._tell()

    async def _wait_socket(self, wait: Callable[[socket.socket], Awaitable[None]]) -> None:
        self._waiting += 1
        try:
            await wait(self._sock)
        finally:
            self._waiting -= 1
            self._close_socket()

    def _close_socket(self) -> None:
        # Not before everybody has left who waits for it: on the way out they forget its number, which may be that of
        # another sandbox's socket by then, and nobody would hear of that one.
        if self._is_closed and not self._waiting:
            self._sock.close()

    def _lose(self, reason: str) -> None:
        self.lost = self.lost or f"{reason}{self._explain_end()}"

    def _tell(self) -> None:
        """Let everybody look at what there is."""
        if self._reading is not None:
            self._reading.cancel()
        news, self._news = self._news, anyio.Event()
        news.set()

    def _number(self) -> int:
        self._next_number += 1
        return self._next_number - 1

    async def _send(self, send: Callable[[], _T]) -> _T:
        while True:
            self.drain()
            if self.lost is not None:
                raise SandboxLostError(self.lost)
            try:
                return send()
            except BlockingIOError:
                with anyio.move_on_after(self._answer_seconds) as scope:
                    await self._wait_socket(anyio.wait_writable)
                if scope.cancelled_caught:
                    self._give_up()
            except (BrokenPipeError, ConnectionResetError) as exc:
                self._lose("the sandbox ended")
                self._tell()
                raise SandboxLostError("the sandbox ended") from exc

    def _take(self, packet: bytes) -> bool:
        """Note one event; False when it is none."""
        if packet == b"ready":
            self.ready = True
            return True
        event, *fields = packet.split(b"\0")
        if len(packet) > _MAX_EVENT_BYTES or not 2 <= len(fields) <= 3:
            return False
        number, value = (_integer(field) for field in fields[:2])
        status = self._statuses.get(-1 if number is None else number)
        if status is None or value is None:
            return False
        if event == b"started" and status.pid is None:
            status.pid = value
        elif event == b"failed" and status.pid is None and value in errno.errorcode and len(fields) == 3:
            status.error = (value, "cwd" if fields[2] == b"cwd" else "program")
            del self._statuses[number or 0]
        elif event == b"exited" and status.pid is not None:
            status.returncode = value
            del self._statuses[number or 0]
        else:
            return False
        return True


def _integer(field: bytes) -> int | None:
    digits = field[1:] if field[:1] == b"-" else field
    return int(field) if digits.isdigit() and len(digits) <= 9 else None
