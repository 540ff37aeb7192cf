"""What keeps a sandbox alive and ends it: a task in the bridge's loop, which also owns the work in the sandbox."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence

import anyio
from anyio.abc import TaskGroup, TaskStatus

from ..errors import SandboxLostError
from ..sandboxes import SandboxOptions
from ..sandboxes.base import BaseSandbox, SandboxProcess, SandboxState
from .bridge import get_bridge

__all__ = ["SandboxOwner"]

#: Reads every process's line of numbers; a constant, so nothing is quoted into it.
_USAGE_ARGV = ("sh", "-c", "exec cat /proc/[0-9]*/stat 2>/dev/null")
_USAGE_TIMEOUT_SECONDS = 2.0
_USAGE_MAX_BYTES = 1 << 20

_logger = logging.getLogger(__name__)


class SandboxOwner:
    """One sandbox's life. All its coroutines run in the bridge's loop.

    Attributes
    ----------
    sandbox : BaseSandbox
        The sandbox itself.
    tasks : TaskGroup
        Owns what goes on in the sandbox; cancelled when it ends.
    """

    tasks: TaskGroup

    def __init__(self, sandbox: BaseSandbox) -> None:
        self.sandbox = sandbox
        self._pid = os.getpid()
        self._opened = False
        self._killed = False
        self._shell = "bash"

    async def open(self) -> None:
        """Start the sandbox. Raises `SandboxStartError`; nothing is left of a start that fails or is cancelled."""
        bridge = get_bridge()
        bridge.closers.add(self.kill)
        try:
            await bridge.tasks.start(self._live)
        except BaseException:
            bridge.closers.discard(self.kill)
            raise

    async def _live(self, *, task_status: TaskStatus[None]) -> None:
        self._closing, self._closed = anyio.Event(), anyio.Event()
        self._opened = True
        started = False
        try:
            await self.sandbox.start()
            async with anyio.create_task_group() as self.tasks:
                started = True
                task_status.started()
                await self._closing.wait()
                # First the sandbox, then those who wait for it: they see that it is gone and end by themselves.
                await self.sandbox.kill()
                self.tasks.cancel_scope.cancel()
        except Exception:  # every other sandbox of this process lives in the same loop
            if not started:
                raise
            _logger.exception("A task in a sandbox failed; the sandbox is killed.")
        finally:
            self._killed = True
            with anyio.CancelScope(shield=True):
                await self.sandbox.kill()
            self._closed.set()
            get_bridge().closers.discard(self.kill)

    async def kill(self) -> None:
        """End the sandbox and everything in it, and wait until it is gone. May be called at any time, also twice."""
        self._killed = True
        if not self._opened or os.getpid() != self._pid:
            return
        with anyio.CancelScope(shield=True):
            self._closing.set()
            await self._closed.wait()

    @property
    def is_alive(self) -> bool:
        """Whether the sandbox can still be used, as far as is known."""
        return self._opened and not self._killed and self.sandbox.state is SandboxState.RUNNING

    @property
    def options(self) -> SandboxOptions | None:
        """What the sandbox was made with, where its kind says so."""
        return getattr(self.sandbox, "options", None)

    def check_alive(self) -> None:
        """Raise `SandboxLostError` when the sandbox can no longer be used."""
        if os.getpid() != self._pid:
            raise SandboxLostError("the sandbox belongs to the process that made it, not to its forked child")
        if self._killed:
            raise SandboxLostError("the sandbox was killed")
        if self.sandbox.state is not SandboxState.RUNNING:
            raise SandboxLostError(f"the sandbox is {self.sandbox.state.value}")

    # ------------------------------------------------------------------ processes

    async def start_command(
        self, command: str | Sequence[str], cwd: str | None, env: Mapping[str, str] | None
    ) -> SandboxProcess:
        """Start a shell line (a str) or an argument list, with nothing to read on its stdin.

        Raises `FileNotFoundError`, `PermissionError`, `SandboxLostError`.
        """
        self.check_alive()
        process = await self._start_shell(command, cwd, env) if isinstance(command, str) else None
        if process is None:
            process = await self.sandbox.start_process(list(command), cwd=cwd, env=env)
        try:
            await process.stream.send_eof()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # it has ended already, or closed its stdin itself
        return process

    async def _start_shell(self, line: str, cwd: str | None, env: Mapping[str, str] | None) -> SandboxProcess:
        try:
            return await self.sandbox.start_process([self._shell, "-c", line], cwd=cwd, env=env)
        except FileNotFoundError as exc:
            if self._shell == "sh" or (cwd is not None and exc.filename == cwd):
                raise
            self._shell = "sh"
            return await self._start_shell(line, cwd, env)

    async def usage(self) -> dict[str, float]:
        """Memory and CPU time of the sandbox's processes together; empty where the sandbox cannot tell.

        Returns
        -------
        dict
            ``memory_bytes`` (resident) and ``cpu_seconds`` (of the processes that live).
        """
        data = b""
        with anyio.move_on_after(_USAGE_TIMEOUT_SECONDS):
            try:
                process = await self.start_command(_USAGE_ARGV, None, None)
                try:
                    while len(data) < _USAGE_MAX_BYTES:
                        data += await process.stream.receive()
                except anyio.EndOfStream:
                    pass
                finally:
                    await end_process(process)
            except (OSError, SandboxLostError, anyio.BrokenResourceError):
                return {}
        return _sum_usage(data)


async def end_process(process: SandboxProcess) -> None:
    """Kill a process that still runs and close its streams; never raises for a sandbox that is gone."""
    with anyio.CancelScope(shield=True), anyio.move_on_after(5):
        try:
            if process.returncode is None:
                await process.kill()
                await process.wait()
        except SandboxLostError:
            pass
        await process.aclose()


def _sum_usage(data: bytes) -> dict[str, float]:
    if not data or sys.platform == "win32":
        return {}
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    cpu_ticks = pages = 0
    for line in data.split(b"\n"):
        # The second field is the program's name in parentheses, and may itself hold anything.
        fields = line.rpartition(b") ")[2].split()
        if len(fields) > 21 and all(fields[index].isdigit() for index in (11, 12, 21)):
            cpu_ticks += int(fields[11]) + int(fields[12])
            pages += int(fields[21])
    return {"memory_bytes": pages * page, "cpu_seconds": cpu_ticks / ticks}
