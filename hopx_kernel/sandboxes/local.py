"""A sandbox on this computer: a bubblewrap sandbox with a launcher in it. Linux only; needs no account.

Imports anyio, the seam and the modules of the local kind beside this one; nothing of Jupyter.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import anyio

from ..errors import SandboxLostError, SandboxStartError
from ..protocol import RunnerOptions
from .base import BaseSandbox, SandboxProcess, SandboxState
from .bwrap import bundled_bwrap
from .control import Control, ProcessStatus
from .diagnosis import diagnose, is_unfit
from .init_process import InitProcess
from .layout import WRITABLE_DIRECTORIES, inode_limit, size_limit
from .options import START_TIMEOUT_NAMES, SandboxOptions
from .pipes import ProcessPipes, enlarge_pipe
from .spawn import RUNNER_PATH, Spawned, spawn
from .streams import PipeReceiveStream, PipeSendStream, ProcessStream

__all__ = ["LocalSandbox"]

#: What a sandbox that does not start may say about it.
_MAX_STDERR_BYTES = 8192

#: How long the kernel may take to end every process of a sandbox, in seconds, before that is said.
_END_SECONDS = 10.0

_log = logging.getLogger(__name__)

#: How long a copy of a file may make no progress, in seconds.
STALL_SECONDS = 60.0

#: What one call reads into this program's memory at most, where the sandbox may hold less.
_MAX_READ_BYTES = 1 << 30


#: Controllers of control groups, and the options whose limits they hold.
_LIMIT_NAMES = {"memory": "memory_bytes", "pids": "processes"}


class LocalProcess(SandboxProcess):
    """A process in a local sandbox."""

    def __init__(self, control: Control, init: InitProcess, spawned: ProcessPipes, status: ProcessStatus) -> None:
        self._control = control
        self._init = init
        self._number = spawned.number
        self._status = status
        self._text = spawned.text
        stdout = PipeReceiveStream(spawned.stdout, self._is_lost)
        self.stream = ProcessStream(PipeSendStream(spawned.stdin), stdout)
        self.stderr = PipeReceiveStream(spawned.stderr, self._is_lost)

    @property
    def returncode(self) -> int | None:
        self._control.drain()
        return self._status.returncode

    async def wait(self) -> int:
        await self._control.wait(lambda: self._status.returncode is not None)
        assert self._status.returncode is not None
        return self._status.returncode

    async def send_signal(self, signum: int) -> None:
        if self.returncode is None:
            await self._control.signal(self._number, signum)

    def count_written(self) -> tuple[int, int] | None:
        return None if self._text is None else self._text.count()

    async def started(self) -> None:
        """Wait until its program runs. Raises the `OSError` of a program that cannot be started."""
        await self._control.wait_answer(self._status)

    async def aclose(self) -> None:
        await super().aclose()
        if self._text is not None:
            self._text.close()

    def _is_lost(self) -> bool:
        self._control.drain()
        return self._control.lost is not None or self._init.is_ending()


class LocalSandbox(BaseSandbox):
    """A bubblewrap sandbox.

    Parameters
    ----------
    options : SandboxOptions, optional
        Interpreter, network, environment variables and limits.
    """

    kind = "local"

    def __init__(self, options: SandboxOptions | None = None) -> None:
        self.options = options or SandboxOptions()
        self._spawned: Spawned | None = None
        self._control: Control | None = None
        self._state = SandboxState.NEW

    @classmethod
    def adopt(cls, spawned: Spawned) -> LocalSandbox:
        """Take over a sandbox that `spawn` has started. It still has to be started here, which waits for it."""
        sandbox = cls(spawned.options)
        sandbox._spawned = spawned
        return sandbox

    @property
    def state(self) -> SandboxState:
        if self._state is SandboxState.RUNNING and self._control is not None:
            self._control.drain()
            if self._control.lost is not None:
                return SandboxState.LOST
        return self._state

    @property
    def is_guarded(self) -> bool:
        """Whether a namespace around the sandbox's own makes sure of its end."""
        return self._spawned is not None and self._spawned.guarded

    @property
    def hard_limits(self) -> dict[str, int]:
        cgroup = self._spawned.cgroup if self._spawned is not None else None
        return {} if cgroup is None else {_LIMIT_NAMES[name]: value for name, value in cgroup.limits.items()}

    async def start(self) -> None:
        if not self._state.is_to_start():
            return
        self._spawned = self._spawned or spawn(self.options)
        try:
            with anyio.fail_after(self.options.start_timeout_seconds):
                await self._wait_ready()
        except TimeoutError as exc:
            await self.kill()
            seconds = self.options.start_timeout_seconds
            raise SandboxStartError(
                f"The sandbox did not start within {seconds:g} s.",
                f"Raise it if this computer is busy ({START_TIMEOUT_NAMES}).",
            ) from exc
        except BaseException:
            await self.kill()
            raise

    async def start_process(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        has_text: bool = False,
    ) -> SandboxProcess:
        control, sandbox = self._running()
        spawned, status = await control.start(argv, cwd or "/workspace", env or {}, has_text=has_text)
        process = LocalProcess(control, sandbox.init, spawned, status)
        try:
            await process.started()
            if status.error is not None:
                number, step = status.error
                raise OSError(number, os.strerror(number), cwd if step == "cwd" else argv[0])
        except BaseException:
            with anyio.CancelScope(shield=True):
                await process.kill()
                await process.aclose()
            raise
        return process

    async def start_runner(self, options: RunnerOptions) -> SandboxProcess:
        control, spawned = self._running()
        if spawned.runner is not None:
            runner, spawned.runner = spawned.runner, None
            process = LocalProcess(control, spawned.init, runner, control.expect(runner.number))
            if spawned.runner_options == options:
                return process
            # It was started for other options than those it is wanted with.
            await process.kill()
            await process.aclose()
        return await self.start_process([self.python, RUNNER_PATH, options.to_json()], has_text=True)

    async def read_file(self, path: str, *, max_bytes: int | None = None) -> bytes:
        read, write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read, False)
        enlarge_pipe(read)
        limit = max(self.options.disk_bytes or 0, _MAX_READ_BYTES) if max_bytes is None else max_bytes
        data = bytearray()
        async with PipeReceiveStream(read, stall_seconds=STALL_SECONDS) as stream, self._work("read", path, write):
            async for chunk in stream:
                data += chunk
                if len(data) > limit:
                    raise OSError(errno.EFBIG, f"the file is larger than {limit} bytes", path)
        return bytes(data)

    async def write_file(self, path: str, data: bytes) -> None:
        read, write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(write, False)
        enlarge_pipe(write)
        async with PipeSendStream(write, STALL_SECONDS) as stream, self._work("write", path, read):
            # A writer that gives up breaks the pipe; its exit code says why.
            with suppress(anyio.BrokenResourceError):
                await stream.send(data)
            await stream.aclose()

    async def kill(self) -> None:
        if self._state is SandboxState.KILLED:
            return
        self._state = SandboxState.KILLED
        if self._control is not None:
            self._control.close("the sandbox was killed")
        if self._spawned is not None:
            with anyio.CancelScope(shield=True):
                await self._end(self._spawned)

    async def _wait_ready(self) -> None:
        """Wait for the launcher. Raises `SandboxStartError` with what bubblewrap said instead of it."""
        assert self._spawned is not None
        spawned = self._spawned
        if (words := await self._connect(spawned)) is None:
            return
        if spawned.guarded:  # which is not allowed everywhere, and says the less of what is wrong
            spawned = self._respawn(spawned, spawned.bwrap)
            if (words := await self._connect(spawned)) is None:
                return
        other = bundled_bwrap()
        if other is None or other == spawned.bwrap or not is_unfit(words):
            raise diagnose(words, spawned.bwrap)
        if (words := await self._connect(self._respawn(spawned, other))) is not None:
            raise diagnose(words, other)

    def _respawn(self, spawned: Spawned, bwrap: str) -> Spawned:
        """Start another in the place of one that did not come up, in no namespace but its own."""
        spawned.abandon()
        self._spawned = None  # should there be no other
        self._spawned = spawn(spawned.options, spawned.runner_options, bwrap=bwrap, guarded=False)
        return self._spawned

    async def _connect(self, spawned: Spawned) -> str | None:
        """Wait for a launcher; gives bubblewrap's last words when there will be none."""
        self.python = spawned.interpreter.path
        self._control = control = Control(
            spawned.control, spawned.options.start_timeout_seconds, lambda: _explain_end(spawned)
        )
        if spawned.runner is not None:
            control.expect(spawned.runner.number)
        self._state = SandboxState.RUNNING
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_clear_after, spawned)
            with suppress(SandboxLostError):
                await control.wait(lambda: control.ready)
            tasks.cancel_scope.cancel()
        if spawned.has_ended():
            spawned.kill_group()
        if not control.ready or spawned.has_ended():
            return await self._read_stderr(spawned)
        # While bubblewrap is there to tell by that it is the right one, and before any code of others runs.
        spawned.init.locate()
        spawned.settle()
        if spawned.watch is not None:
            spawned.watch.release()
        return None

    def _running(self) -> tuple[Control, Spawned]:
        if self._control is None or self._spawned is None or self._state is not SandboxState.RUNNING:
            raise SandboxLostError(f"the sandbox is not running: it is {self._state.value}")
        return self._control, self._spawned

    @asynccontextmanager
    async def _work(self, verb: str, path: str, fd: int) -> AsyncIterator[None]:
        """Have the launcher read or write a file on the other end of a pipe. Raises the `OSError` that fits."""
        control, _ = self._running()
        if "\0" in path:
            raise ValueError("a path cannot hold NUL")
        try:
            number, status = await control.work(verb, path, fd)
        finally:
            os.close(fd)
        try:
            await control.wait_answer(status)
            yield
            with anyio.fail_after(STALL_SECONDS):
                await control.wait(lambda: status.returncode is not None or status.error is not None)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await control.signal(number, signal.SIGKILL)
            raise
        code = status.error[0] if status.error else status.returncode
        if code:
            raise self._file_error(code, path)

    def _file_error(self, code: int, path: str) -> OSError:
        if code < 0:
            return OSError(errno.EIO, f"the copy was ended by signal {-code}", path)
        if code == errno.ENOSPC and (words := _explain_full(self.options, path)):
            return OSError(code, f"No space left: {words}", path)
        if code in (errno.EINVAL, errno.ENXIO):
            return OSError(code, "it is a device, a pipe or a socket, not an ordinary file", path)
        return OSError(code, os.strerror(code), path)

    async def _end(self, spawned: Spawned) -> None:
        """End the sandbox and wait until nothing of it is left."""
        # From outside: whatever state the processes inside are in, the kernel ends them.
        spawned.init.kill()
        if spawned.init.pidfd is None:
            spawned.kill_group()
        # Should anybody have stopped it, so that it buries what was its child.
        spawned.signal_group(signal.SIGCONT)
        # Not closed alone: a forked child of this program may hold it too.
        with suppress(OSError):
            spawned.control.shutdown(socket.SHUT_RDWR)
        if self._control is None:  # which closes it, once nobody waits for it
            spawned.control.close()
        with anyio.move_on_after(_END_SECONDS):
            if spawned.init.pidfd is not None:
                await anyio.wait_readable(spawned.init.pidfd)
            # bubblewrap has buried it when it ends itself.
            await self._read_stderr(spawned)
        if not spawned.init.is_gone():
            _log.error("process %s and others of a sandbox are still there after %g s", spawned.init.pid, _END_SECONDS)
        spawned.abandon()

    async def _read_stderr(self, spawned: Spawned) -> str:
        """What bubblewrap writes until it ends."""
        words = b""
        assert spawned.process.stderr is not None
        fd = spawned.process.stderr.fileno()
        while True:
            await anyio.wait_readable(fd)
            data = os.read(fd, _MAX_STDERR_BYTES)
            if not data:
                return words.decode("utf-8", "replace").strip()
            words = (words + data)[-_MAX_STDERR_BYTES:]


async def _clear_after(spawned: Spawned) -> None:
    """Kill what bubblewrap leaves if it ends: its child may wait for it for ever, and hold what others wait for."""
    try:
        bwrap = os.pidfd_open(spawned.process.pid)
    except (AttributeError, OSError):  # before Linux 5.3
        return
    try:
        await anyio.wait_readable(bwrap)
        spawned.kill_group()
    finally:
        os.close(bwrap)


def _explain_full(options: SandboxOptions, path: str) -> str:
    """How much the directory of a path may hold, and by which limit; nothing of a path that is in none."""
    at = os.path.normpath(os.path.join("/workspace", path))
    for directory in WRITABLE_DIRECTORIES:
        size = size_limit(options, directory)
        if size is not None and f"{at}/".startswith(f"{directory}/"):
            by = "disk_bytes" if size in (options.disk_bytes, (options.disk_bytes or 0) // 4) else "memory_bytes"
            return f"{by} allows {size} bytes in {directory}, and {inode_limit(options)} files"
    return ""


def _explain_end(spawned: Spawned) -> str:
    """What the sandbox's control group tells of its end."""
    if spawned.cgroup is None or not spawned.cgroup.oom_kills():
        return ""
    limit = spawned.options.memory_bytes
    return f", after its memory limit of {limit} bytes was reached (option memory_limit; in the library memory_bytes)"
