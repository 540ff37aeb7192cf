"""Fakes for tests of this package and of what is built on it: a runner that follows a script, in memory.

Nothing here starts a process. The bytes are the real protocol's.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping, Sequence

import anyio
import anyio.lowlevel
from anyio.abc import ByteStream

from .protocol import Message, RunnerConnection, RunnerOptions
from .sandboxes.base import BaseSandbox, SandboxProcess, SandboxState

__all__ = ["ScriptedRunner", "ScriptedSandbox", "echo_script"]

Script = Callable[[Message], Iterable[Message]]


def echo_script(request: Message) -> Iterable[Message]:
    """A script that prints an ``execute_request``'s code and answers everything else with ``status: ok``."""
    if request.msg_type == "execute_request":
        yield Message("stream", {"name": "stdout", "text": request.content["code"]}, parent_id=request.msg_id)
        yield Message("execute_reply", {"status": "ok", "reason": "completed"}, parent_id=request.msg_id)
    elif request.msg_type.endswith("_request"):
        reply = request.msg_type.replace("_request", "_reply")
        yield Message(reply, {"status": "ok"}, parent_id=request.msg_id)


class ScriptedRunner(ByteStream):
    """The host's end of a byte stream whose other end is a script.

    Parameters
    ----------
    script : callable
        Called with each request but ``hello``; the messages it gives are sent back.

    Attributes
    ----------
    requests : list of Message
        What the host has sent.
    connection : RunnerConnection
        The runner's end, for tests that look at its log.
    """

    def __init__(self, script: Script = echo_script) -> None:
        self.connection = RunnerConnection()
        self.requests: list[Message] = []
        self._script = script
        self._output = bytearray()
        self._changed = anyio.Event()
        self._eof = False
        self._broken = False
        self._is_stopped = False
        self._is_stalled = False

    def emit(self, message: Message) -> None:
        """Send an event that no request asked for."""
        self.emit_bytes(b"".join(self.connection.send(message)))

    def emit_bytes(self, data: bytes) -> None:
        """Send bytes, of the protocol or not."""
        self._output += data
        self._wake()

    def end(self, *, broken: bool = False) -> None:
        """End the stream: as a process that exits, or as a connection that breaks."""
        self._eof, self._broken = True, broken
        self._wake()

    def stop(self) -> None:
        """Take and say nothing more, as a process does that was stopped by a signal."""
        self._is_stopped = True

    def stall(self) -> None:
        """Take nothing more: whoever sends waits."""
        self._is_stalled = True

    def go_on(self) -> None:
        """Take and say what has waited since `stop`."""
        self._is_stopped = False
        self._take()
        self._wake()

    async def wait_ended(self) -> None:
        """Wait until the stream has ended."""
        while not self._eof:
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Bytes from the script; waits for some."""
        while not self._output or self._is_stopped:
            if self._broken:
                raise anyio.BrokenResourceError
            if self._eof:
                raise anyio.EndOfStream
            await self._changed.wait()
        data = bytes(self._output[:max_bytes])
        del self._output[:max_bytes]
        await anyio.lowlevel.checkpoint()
        return data

    async def send(self, item: bytes) -> None:
        """Bytes to the script, which answers before this returns."""
        await anyio.lowlevel.checkpoint()
        while self._is_stalled and not self._eof:
            await self._changed.wait()
        if self._eof:
            raise anyio.BrokenResourceError
        self.connection.receive_data(item)
        self._take()

    def _take(self) -> None:
        if self._is_stopped:
            return
        while (request := self.connection.next_message()) is not None:
            self.requests.append(request)
            if request.msg_type == "hello":
                self.emit_bytes(b"".join(self.connection.answer_hello(request, {"pid": 1, "python_version": "3.9.0"})))
                continue
            if request.msg_type == "heartbeat":
                self.emit(Message("heartbeat", {"state": "idle"}))
                continue
            for event in self._script(request):
                self.emit(event)
            if request.msg_type == "shutdown_request":
                self.end()

    async def send_eof(self) -> None:
        """End both directions, as a runner does when its stdin ends."""
        self.end()

    async def aclose(self) -> None:
        """End both directions."""
        self.end()


class _ScriptedProcess(SandboxProcess):
    stream: ScriptedRunner

    def __init__(self, sandbox: ScriptedSandbox) -> None:
        self.stream = sandbox.runner
        self.stderr = None
        self._sandbox = sandbox
        self._returncode: int | None = None

    @property
    def returncode(self) -> int | None:
        return self._returncode

    async def wait(self) -> int:
        """Wait for `send_signal`, or for the script's stream to end, which is exit code 0."""
        await self.stream.wait_ended()
        if self._returncode is None:
            self._returncode = 0
        return self._returncode

    async def send_signal(self, signum: int) -> None:
        if self._returncode is None:
            self._returncode = -signum
            await self.stream.aclose()

    def count_written(self) -> tuple[int, int] | None:
        return self._sandbox.written


class ScriptedSandbox(BaseSandbox):
    """A sandbox that is nothing but a `ScriptedRunner` (`runner`) and a dict of files (`files`).

    `written` is what it says of the lines and characters that its code has written; None for a kind that cannot tell.
    """

    kind = "scripted"
    isolated = False

    def __init__(self, script: Script = echo_script) -> None:
        self.runner = ScriptedRunner(script)
        self.files: dict[str, bytes] = {}
        self.written: tuple[int, int] | None = None
        self._state = SandboxState.NEW

    @property
    def state(self) -> SandboxState:
        """See the base class."""
        return self._state

    async def start(self) -> None:
        """See the base class."""
        self._state = SandboxState.RUNNING

    async def start_process(
        self, argv: Sequence[str], *, cwd: str | None = None, env: Mapping[str, str] | None = None
    ) -> SandboxProcess:
        """Raises `FileNotFoundError`: there are no programs here."""
        raise FileNotFoundError(argv[0])

    async def start_runner(self, options: RunnerOptions) -> SandboxProcess:
        """See the base class."""
        return _ScriptedProcess(self)

    async def read_file(self, path: str, *, max_bytes: int | None = None) -> bytes:
        """See the base class."""
        try:
            data = self.files[path]
        except KeyError:
            raise FileNotFoundError(path) from None
        if max_bytes is not None and len(data) > max_bytes:
            raise OSError(errno.EFBIG, f"the file is larger than {max_bytes} bytes", path)
        return data

    async def write_file(self, path: str, data: bytes) -> None:
        """See the base class."""
        self.files[path] = data

    async def kill(self) -> None:
        """See the base class."""
        self._state = SandboxState.KILLED
        await self.runner.aclose()
