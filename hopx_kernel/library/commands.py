"""Commands in a sandbox: run one to its end, or stream its output as it comes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import SandboxError, SandboxLostError
from . import bridge
from .checks import checked_command, checked_environment, checked_path, checked_size, checked_timeout
from .command import Command, CommandOptions, Ending
from .lines import Block
from .streams import CommandStream

if TYPE_CHECKING:
    from .sandbox import Sandbox

__all__ = ["CommandResult", "Commands"]

HEARTBEAT_SECONDS = 5.0
BUFFER_BYTES = 262144

#: What one command may make this program hold, unless its caller allows more.
MAX_OUTPUT_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class CommandResult:
    """What a command gave.

    Attributes
    ----------
    stdout, stderr : str
        What it wrote; bytes that are not UTF-8 are replaced.
    exit_code : int
        0 for success, ``-N`` when signal N ended it.
    duration_seconds : float
        From its start until its output was closed, or had been silent for a moment after the command's end.
    output_closed : bool
        False where a process that the command left in the background held its output open and was silent: what that
        writes later is not here. Have the command wait for it (``wait`` in a shell), or write to a file.
    """

    stdout: str
    stderr: str
    exit_code: int
    duration_seconds: float
    output_closed: bool = True


class Commands:
    """Commands in one sandbox; `Sandbox.commands`.

    A command is a shell line (a str, for bash where the sandbox has it, else sh) or an argument list, which passes no
    shell: put values into lists, never into lines.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def run(
        self,
        command: str | Sequence[str],
        *,
        timeout: float | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
    ) -> CommandResult:
        """Run a command to its end. An exit code other than 0 is no error here.

        Parameters
        ----------
        timeout : float, optional
            Seconds after which the command is killed.
        cwd : str, optional
            Its working directory; else the sandbox's.
        env : mapping of str, optional
            Environment variables beside the sandbox's own.
        max_output_bytes : int
            Bound on stdout and stderr together, which are held here; a command that writes more is killed.

        Raises
        ------
        SandboxTimeoutError
            With the output so far and whether the sandbox lives.
        SandboxError
            It wrote more than `max_output_bytes`.
        SandboxLostError
            The sandbox went away.
        FileNotFoundError, PermissionError
            The program cannot be started.
        """
        return bridge.call(self._run, _options(command, timeout=timeout, cwd=cwd, env=env), max_output_bytes)

    async def run_async(
        self,
        command: str | Sequence[str],
        *,
        timeout: float | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
    ) -> CommandResult:
        """As `run`."""
        return await bridge.call_async(
            self._run, _options(command, timeout=timeout, cwd=cwd, env=env), max_output_bytes
        )

    def stream(
        self,
        command: str | Sequence[str],
        *,
        buffer_size: int = BUFFER_BYTES,
        on_overflow: str = "wait",
        timeout: float | None = None,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> CommandStream:
        """Stream a command's output line by line.

        Parameters
        ----------
        buffer_size : int
            Bytes that are taken from the command at a time, and that wait here for a slow reader. Lines never wait
            for a buffer to fill; a small one costs more hand-overs.
        on_overflow : {"wait", "drop_oldest"}
            When the buffer is full the command waits, or the oldest lines are dropped and counted.
        heartbeat_seconds : float
            Time between two ``heartbeat`` events.

        The others are those of `run`.
        """
        if on_overflow not in ("wait", "drop_oldest"):
            raise ValueError(f"on_overflow is 'wait' or 'drop_oldest', not {on_overflow!r}")
        if not heartbeat_seconds > 0:
            raise ValueError(f"heartbeat_seconds is positive, not {heartbeat_seconds}")
        options = _options(
            command,
            timeout=timeout,
            cwd=cwd,
            env=env,
            buffer_size=checked_size("buffer_size", buffer_size),
            drop_oldest=on_overflow == "drop_oldest",
            heartbeat_seconds=heartbeat_seconds,
        )
        return CommandStream(self._sandbox, options)

    #: The same, by the name that asynchronous code looks for: the stream serves ``for`` and ``async for``.
    stream_async = stream

    async def _run(self, options: CommandOptions, max_output_bytes: int) -> CommandResult:
        command = Command(self._sandbox._owner, options, tail_bytes=None)
        try:
            await command.start()
            blocks, ending = await _collect(command, max_output_bytes)
        finally:
            await command.aclose()
        if ending.error is not None:
            raise ending.error
        if ending.exit_code is None:
            raise SandboxLostError("the sandbox went away before it told how the command ended")
        stdout, stderr = (
            b"".join(block.data for block in blocks if block.name == name).decode("utf-8", "replace")
            for name in ("stdout", "stderr")
        )
        return CommandResult(stdout, stderr, ending.exit_code, ending.duration_seconds, ending.output_closed)


async def _collect(command: Command, max_bytes: int) -> tuple[list[Block], Ending]:
    """All the output of a command, and how it ended. Raises `SandboxError` when there is more than `max_bytes`."""
    blocks: list[Block] = []
    size = 0
    for taken in itertools.count():
        batch = await command.receive(taken)
        if batch.ending is not None:
            return blocks, batch.ending
        blocks.extend(item for item in batch.items if isinstance(item, Block))
        size += sum(item.size for item in batch.items)
        if size > max_bytes:
            break
    raise SandboxError(
        f"the command wrote more than {max_bytes} bytes and was stopped; read its output as it comes, by `stream`, or "
        "raise `max_output_bytes`"
    )


def _options(
    command: str | Sequence[str],
    *,
    timeout: float | None,
    cwd: str | None,
    env: Mapping[str, str] | None,
    **options: Any,
) -> CommandOptions:
    return CommandOptions(
        checked_command(command),
        timeout=checked_timeout(timeout),
        cwd=None if cwd is None else checked_path(cwd),
        env=checked_environment(env),
        **options,
    )
