"""The seam: what every kind of sandbox must offer. Few verbs, so that every kind stays small.

Commands, files and sessions are built once, on top of this; a new kind is a new module beside this one and a line in
`sandboxes/__init__.py`. Imports anyio, the errors and the runner's bundle; nothing of Jupyter.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import ClassVar, TypeVar

import anyio
from anyio.abc import ByteReceiveStream, ByteStream

from ..errors import SandboxStartError
from ..protocol import RunnerOptions
from ..runner.bundle import build_bundle

__all__ = ["BaseSandbox", "SandboxProcess", "SandboxState"]

_Sandbox = TypeVar("_Sandbox", bound="BaseSandbox")

#: Where the runner's one file lies in a sandbox, unless the kind puts it elsewhere.
RUNNER_PATH = "/tmp/.hopx/runner.pyz"


class SandboxState(enum.Enum):
    """A sandbox's life: it goes down this list and never up."""

    NEW = "new"
    RUNNING = "running"
    KILLED = "killed"
    LOST = "lost"

    def is_to_start(self) -> bool:
        """Whether `start` has anything to do; raises `SandboxStartError` where it never can again."""
        if self not in (SandboxState.NEW, SandboxState.RUNNING):
            raise SandboxStartError("This sandbox is over.", "Make another.")
        return self is SandboxState.NEW


class SandboxProcess(ABC):
    """A process in a sandbox.

    Attributes
    ----------
    stream : ByteStream
        ``send`` writes to its stdin, ``receive`` reads its stdout; ``send_eof`` closes stdin. A closed stdout is
        `anyio.EndOfStream`, a vanished sandbox `anyio.BrokenResourceError`.
    stderr : ByteReceiveStream or None
        Its stderr; None where the kind has no third channel and stderr comes with stdout.
    """

    stream: ByteStream
    stderr: ByteReceiveStream | None

    @property
    @abstractmethod
    def returncode(self) -> int | None:
        """The exit code, ``-N`` when signal N ended it, None while it runs."""

    @abstractmethod
    async def wait(self) -> int:
        """Wait for the end; gives `returncode`. Raises `SandboxLostError` when the sandbox went with it."""

    @abstractmethod
    async def send_signal(self, signum: int) -> None:
        """Send a signal to the process and its children in its group; does nothing after its end."""

    async def kill(self) -> None:
        """End the process and its group at once."""
        await self.send_signal(9)

    async def aclose(self) -> None:
        """Close this side's ends of its pipes, also when the caller is being cancelled. May be called twice."""
        with anyio.CancelScope(shield=True):
            await self.stream.aclose()
            if self.stderr is not None:
                await self.stderr.aclose()

    def count_written(self) -> tuple[int, int] | None:
        """Of a runner, how many lines and characters its code has written by now, as far as that can be told.

        It is what that code claims, and can be asked when the sandbox is gone. None where the kind cannot tell.
        """
        return None


class BaseSandbox(ABC):
    """An isolated place that can start processes and hold files.

    Used as ``async with``: entering starts it, leaving kills it.

    Attributes
    ----------
    kind : str
        The kind's name, as configuration spells it.
    isolated : bool
        Whether code in it is kept from the host. Where it is false, every place that shows the kind says so.
    python : str
        Path of the Python interpreter in the sandbox (3.9 or newer).
    """

    kind: ClassVar[str]
    isolated: ClassVar[bool] = True
    python: str = "python3"

    @property
    def hard_limits(self) -> dict[str, int]:
        """The limits, by their option's name, that hold for all that the sandbox's code can make the computer keep.

        As the system has told them after they were set. A limit that is not here is each process's own, and the sum of
        all is watched by the runner: it can be exceeded for a moment.
        """
        return {}

    @property
    @abstractmethod
    def state(self) -> SandboxState:
        """Where it is in its life, as far as is known without asking it."""

    @abstractmethod
    async def start(self) -> None:
        """Start it, once. Raises `SandboxStartError` with cause and remedy."""

    @abstractmethod
    async def start_process(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> SandboxProcess:
        """Start a process, as an argument list and never through a shell.

        `env` is added to the sandbox's own environment. Raises `FileNotFoundError` or `PermissionError` when the
        program cannot be started, `SandboxLostError` when the sandbox is gone.
        """

    @abstractmethod
    async def read_file(self, path: str, *, max_bytes: int | None = None) -> bytes:
        """A file's bytes. Raises the `OSError` that fits, ``EFBIG`` for more than `max_bytes`."""

    @abstractmethod
    async def write_file(self, path: str, data: bytes) -> None:
        """Write a file, making its directories. Raises the `OSError` that fits."""

    @abstractmethod
    async def kill(self) -> None:
        """End it with everything in it. Does nothing when it is over already; never raises for that."""

    async def start_runner(self, options: RunnerOptions) -> SandboxProcess:
        """Start the runner, whose protocol is on the process's stream."""
        await self.write_file(RUNNER_PATH, build_bundle())
        return await self.start_process([self.python, RUNNER_PATH, options.to_json()])

    async def __aenter__(self: _Sandbox) -> _Sandbox:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.kill()
