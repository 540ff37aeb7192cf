"""What `inside.files` is asked in a sandbox, and what it answers: a line, then bytes. Every answer is checked."""

from __future__ import annotations

import errno
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio

from ..errors import SandboxError, SandboxTimeoutError
from ..sandboxes.base import SandboxProcess
from .carry import COPY_BYTES, Sink, Source
from .checks import checked_path, harmless
from .owner import SandboxOwner, end_process

__all__ = ["ProgressHandler", "Received", "converse", "parse_answer", "receive_bytes", "send_bytes"]

T = TypeVar("T")

#: Called while a file is copied, with the bytes so far and all of them; in the library's thread, so that it must not
#: wait for anything of a sandbox.
ProgressHandler = Callable[[int, int], None]

#: A directory's listing has some hundred bytes an entry: room for some hundred thousand.
_MAX_ANSWER_BYTES = 64 * 1024 * 1024

#: How long what was asked for may make no progress, in seconds: code in the sandbox may stop the process that answers. To
#: remove as many files as a directory may hold takes seconds, on a machine that is slow tens of them.
STALL_SECONDS = 120.0

_SCRIPT = Path(__file__).with_name("inside") / "files.py"


class Received:
    """What a process writes: a line, then bytes; and what it reads.

    Raises `SandboxTimeoutError` where nothing goes on for `STALL_SECONDS`.
    """

    def __init__(self, process: SandboxProcess) -> None:
        self.stream = process.stream
        self._rest = bytearray()

    async def send(self, data: bytes) -> None:
        """Have it read something. Raises `anyio.BrokenResourceError`."""
        with _progress():
            await self.stream.send(data)

    async def line(self) -> bytes:
        """Up to the first line's end. Raises `SandboxError` when that does not come."""
        searched = 0
        while (end := self._rest.find(b"\n", searched)) < 0:
            searched = len(self._rest)
            if searched > _MAX_ANSWER_BYTES:
                raise SandboxError("the sandbox's answer is too long")
            with _progress():
                self._rest += await self.stream.receive()
        line = bytes(self._rest[:end])
        del self._rest[: end + 1]
        return line

    async def some(self, max_bytes: int) -> bytes:
        """The next bytes. Raises `anyio.EndOfStream`."""
        if not self._rest:
            with _progress():
                return await self.stream.receive(min(COPY_BYTES, max_bytes))
        data = bytes(self._rest[:max_bytes])
        del self._rest[:max_bytes]
        return data


@contextmanager
def _progress() -> Iterator[None]:
    with anyio.move_on_after(STALL_SECONDS) as scope:
        yield
    if scope.cancelled_caught:
        raise SandboxTimeoutError(f"nothing has come from the sandbox for {STALL_SECONDS:g} s")


async def converse(
    owner: SandboxOwner, talk: Callable[[Received], Awaitable[T]], verb: str, path: str, *more: str
) -> T:
    """Ask for one thing. Raises what `talk` raises, `SandboxError` for no answer and `SandboxLostError`."""
    script = _SCRIPT.read_text(encoding="utf-8")
    process = await owner.sandbox.start_process(
        [owner.sandbox.python, "-I", "-S", "-c", script, verb, checked_path(path), *more]
    )
    try:
        return await talk(Received(process))
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        owner.check_alive()
        raise SandboxError(f"the sandbox gave no answer about {path!r}") from None
    finally:
        await end_process(process)


def parse_answer(path: str, line: bytes) -> Any:
    """What a line answers. Raises the `OSError` that it tells of, and `SandboxError` when it makes no sense."""
    try:
        content = json.loads(line)
        if "ok" in content:
            return content["ok"]
        code, reason = int(content["errno"]), harmless(str(content["reason"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as exc:
        raise SandboxError(f"the sandbox's answer about {path!r} makes no sense") from exc
    raise OSError(code, reason, path)


async def send_bytes(received: Received, source: Source, target: str, on_progress: ProgressHandler | None) -> str:
    """Copy bytes into the sandbox; gives the path there."""
    done, size = 0, source.size
    while done < size and (data := await source.read(min(COPY_BYTES, size - done))):
        try:
            await received.send(data)
        except anyio.BrokenResourceError:
            break  # it was refused, and the answer says why
        done += len(data)
        if on_progress is not None:
            on_progress(done, size)
    await received.stream.send_eof()
    path = parse_answer(target, await received.line())
    if type(path) is not str:
        raise SandboxError(f"the sandbox gave no path for {target!r}")
    return path


async def receive_bytes(
    received: Received,
    source: str,
    open_sink: Callable[[int], Awaitable[Sink]],
    on_progress: ProgressHandler | None,
) -> Any:
    """Copy a file's bytes out of the sandbox, to where `open_sink` says for their number; gives what became of it."""
    size = parse_answer(source, await received.line())
    if type(size) is not int or size < 0:
        raise SandboxError(f"the sandbox gave no size for {source!r}")
    sink, done = await open_sink(size), 0
    try:
        while done < size:
            try:
                data = await received.some(size - done)
            except anyio.EndOfStream:
                raise OSError(errno.EIO, f"it ended after {done} of {size} bytes", source) from None
            await sink.write(data)
            done += len(data)
            if on_progress is not None:
                on_progress(done, size)
        return await sink.keep()
    finally:
        await sink.aclose()
