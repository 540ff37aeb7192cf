"""A bare process on this computer: no isolation at all. For platforms without bubblewrap and for code of one's own.

It is used only where it is named, and says "not isolated" wherever its kind shows. Imports anyio and the seam.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import ByteReceiveStream, ByteStream, Process
from anyio.streams.stapled import StapledByteStream

from ..errors import SandboxLostError
from ..protocol import RunnerOptions
from ..runner.bundle import build_bundle
from ..scratch import ScratchDirectory
from .base import BaseSandbox, SandboxProcess, SandboxState
from .interpreter import find_interpreter
from .options import SandboxOptions
from .text_file import TextFile

__all__ = ["ProcessSandbox"]

_WORKSPACE = "/workspace"


class BareProcess(SandboxProcess):
    """A process that leads a session of its own."""

    def __init__(self, process: Process, text: TextFile | None = None) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process = process
        self._text = text
        self.stream: ByteStream = StapledByteStream(process.stdin, process.stdout)
        self.stderr: ByteReceiveStream | None = process.stderr

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    async def wait(self) -> int:
        return await self._process.wait()

    async def send_signal(self, signum: int) -> None:
        if self._process.returncode is None:
            self.signal_group(signum)

    def signal_group(self, signum: int) -> None:
        """Signal whatever is left of its process group, its leader or not."""
        with suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                self._process.send_signal(signal.Signals(signum))
            else:
                os.killpg(self._process.pid, signum)

    def count_written(self) -> tuple[int, int] | None:
        return None if self._text is None else self._text.count()

    async def aclose(self) -> None:
        await super().aclose()
        if self._text is not None:
            self._text.close()

    async def end(self) -> None:
        """End it with its group, and close this side's ends of its pipes."""
        self.signal_group(9)
        await self._process.aclose()
        await self.aclose()


class ProcessSandbox(BaseSandbox):
    """Processes in a fresh temporary directory, which stands for ``/workspace`` and goes when this is killed.

    Parameters
    ----------
    options : SandboxOptions, optional
        Interpreter and environment variables. What a process may use is limited by its runner alone, and the network
        is the host's.
    """

    kind = "process"
    isolated = False

    def __init__(self, options: SandboxOptions | None = None) -> None:
        self.options = options or SandboxOptions()
        self._state = SandboxState.NEW
        self._directory: ScratchDirectory | None = None
        self._processes: list[BareProcess] = []

    @property
    def state(self) -> SandboxState:
        return self._state

    async def start(self) -> None:
        if not self._state.is_to_start():
            return
        self.python = find_interpreter(self.options).path
        self._directory = ScratchDirectory("hopx-")
        (self._directory.path / "workspace").mkdir()
        self._state = SandboxState.RUNNING

    async def start_process(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        text: TextFile | None = None,
    ) -> SandboxProcess:
        directory = self._place(cwd or _WORKSPACE)
        if not argv or not argv[0] or any("\0" in part for part in argv):
            raise ValueError("a process needs a program, and its arguments cannot hold NUL")
        if not directory.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), cwd)
        environment = {**self._environment(), **self.options.env, **(env or {})}
        program = shutil.which(argv[0], path=environment["PATH"]) or argv[0]
        fds = [] if text is None else [text.fileno()]
        argv = [program, *argv[1:], *map(str, fds)]
        started = await anyio.open_process(argv, cwd=directory, env=environment, start_new_session=True, pass_fds=fds)
        process = BareProcess(started, text)
        self._processes.append(process)
        return process

    async def start_runner(self, options: RunnerOptions) -> SandboxProcess:
        bundle = self._root() / "runner.pyz"
        bundle.write_bytes(build_bundle())
        options = replace(options, cwd=str(self._place(options.cwd)))
        text = None
        with suppress(AttributeError, OSError):  # where there is none, less is known of an end
            text = TextFile()
        return await self.start_process([self.python, str(bundle), options.to_json()], text=text)

    async def read_file(self, path: str, *, max_bytes: int | None = None) -> bytes:
        place = self._place(path)
        await anyio.to_thread.run_sync(_check_ordinary, place)
        async with await anyio.open_file(place, "rb") as file:
            data = await file.read(-1 if max_bytes is None else max_bytes + 1)
        if max_bytes is not None and len(data) > max_bytes:
            raise OSError(errno.EFBIG, f"the file is larger than {max_bytes} bytes", path)
        return data

    async def write_file(self, path: str, data: bytes) -> None:
        target = anyio.Path(self._place(path))
        await anyio.to_thread.run_sync(_check_ordinary, Path(target))
        await target.parent.mkdir(parents=True, exist_ok=True)
        await target.write_bytes(data)

    async def kill(self) -> None:
        if self._state is SandboxState.KILLED:
            return
        self._state = SandboxState.KILLED
        with anyio.CancelScope(shield=True):
            for process in self._processes:
                await process.end()
            if self._directory is not None:
                await anyio.to_thread.run_sync(self._directory.close)

    def _root(self) -> Path:
        if self._directory is None or self._state is not SandboxState.RUNNING:
            raise SandboxLostError(f"the sandbox is not running: it is {self._state.value}")
        return self._directory.path

    def _place(self, path: str) -> Path:
        """Where a sandbox's path is on this computer: what is relative, or in ``/workspace``, is in the directory."""
        if "\0" in path:
            raise ValueError("a path cannot hold NUL")
        workspace = self._root() / "workspace"
        if path == _WORKSPACE or path.startswith(_WORKSPACE + "/"):
            path = path[len(_WORKSPACE) :].lstrip("/")
        return workspace / path

    def _environment(self) -> dict[str, str]:
        directories = [str(Path(self.python).parent), *os.defpath.split(os.pathsep), "/usr/local/bin"]
        environment = {
            "PATH": os.pathsep.join(dict.fromkeys(directories)),
            "HOME": str(self._root() / "workspace"),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
        }
        if sys.platform == "win32":  # without it Python does not start there
            environment["SYSTEMROOT"] = os.environ.get("SYSTEMROOT", "")
        return environment


def _check_ordinary(path: Path) -> None:
    """Raise `OSError` for what has no end or waits for somebody."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "it is a device, a pipe or a socket, not an ordinary file", str(path))
