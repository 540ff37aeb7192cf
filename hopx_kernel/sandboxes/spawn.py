"""Starts a local sandbox and its runner, without waiting for either.

A kernel calls `spawn` as its first act and imports the rest of itself while the sandbox comes up. So this module, and
what it imports, is the standard library only, and of that the smaller parts.
"""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass

from ..errors import SandboxStartError
from ..protocol.options import RunnerOptions
from ..runner.bundle import build_bundle
from .bwrap import bwrap_directories, find_bwrap
from .interpreter import Interpreter, find_interpreter
from .layout import SYNTHETIC_FILES, layout_arguments
from .options import SandboxOptions
from .pipes import ProcessPipes, request_start
from .privileges import is_root, staged_command
from .starter import start_lasting

__all__ = ["RUNNER_PATH", "Spawned", "spawn"]

LAUNCHER_PATH = "/run/hopx/launcher.py"
RUNNER_PATH = "/run/hopx/runner.pyz"


@dataclass
class Spawned:
    """A sandbox that is coming up, with nothing waiting for it yet. `LocalSandbox.adopt` takes it over.

    Attributes
    ----------
    process : subprocess.Popen
        bubblewrap, outside of the sandbox.
    control : socket.socket
        To the launcher in the sandbox; not blocking.
    runner : ProcessPipes or None
        The runner, when it was asked for and nobody has taken it over.
    """

    options: SandboxOptions
    interpreter: Interpreter
    bwrap: str
    process: subprocess.Popen[bytes]
    control: socket.socket
    runner: ProcessPipes | None = None
    runner_options: RunnerOptions | None = None

    def abandon(self) -> None:
        """End it with everything in it, without an event loop. May be called twice."""
        self.process.kill()
        self.process.wait()
        self.control.close()
        if self.process.stderr is not None:
            self.process.stderr.close()
        if self.runner is not None:
            self.runner.close()
            self.runner = None


def spawn(
    options: SandboxOptions | None = None, runner_options: RunnerOptions | None = None, bwrap: str | None = None
) -> Spawned:
    """Start a local sandbox, and the runner in it when `runner_options` are given.

    Returns at once; what goes wrong later shows when it is taken over. `bwrap` is bubblewrap's path, where it is not
    to be looked for.

    Raises
    ------
    SandboxStartError
        There is no bubblewrap, or no interpreter that can be shown to the sandbox.
    """
    options = options or SandboxOptions()
    bwrap = bwrap or find_bwrap()
    interpreter = find_interpreter(options)
    with _Descriptors() as given:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        launcher = _launcher_command(options, interpreter, given.add(theirs.detach()))
        arguments = "".join(argument + "\0" for argument in _arguments(options, interpreter, given))
        arguments_fd = given.add_content(arguments.encode("utf-8", "surrogateescape"))
        command = [bwrap, "--args", str(arguments_fd), "--", *launcher]
        try:
            if is_root():
                command = staged_command(command, [*interpreter.trees, *bwrap_directories(bwrap)])
            process = start_lasting(command, given.fds)
        except OSError as exc:
            ours.close()
            raise SandboxStartError(f"{command[0]} cannot be run: {exc.strerror}") from exc
        except SandboxStartError:
            ours.close()
            raise
    ours.setblocking(False)
    spawned = Spawned(options, interpreter, bwrap, process, ours)
    if runner_options is not None:
        argv = [interpreter.path, RUNNER_PATH, runner_options.to_json()]
        spawned.runner = request_start(ours, 0, argv, "/workspace", {})
        spawned.runner_options = runner_options
    return spawned


def _arguments(options: SandboxOptions, interpreter: Interpreter, given: _Descriptors) -> list[str]:
    """bubblewrap's arguments: in a file, so that nobody reads the environment off the list of processes."""
    arguments = [
        *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"),
        *([] if options.network else ["--unshare-net"]),
        *("--disable-userns", "--uid", "1000", "--gid", "1000", "--hostname", "sandbox", "--cap-drop", "ALL"),
        # The launcher is process 1: the code in the sandbox cannot kill it, and its end is the end of everything.
        *("--new-session", "--die-with-parent", "--as-pid-1"),
        *layout_arguments(options, interpreter),
    ]
    files = {path: text.encode() for path, text in SYNTHETIC_FILES.items()}
    with open(os.path.join(os.path.dirname(__file__), "launcher.py"), "rb") as launcher:
        files[LAUNCHER_PATH] = launcher.read()
    files[RUNNER_PATH] = build_bundle()
    for path, content in files.items():
        arguments += ["--perms", "0444", "--file", str(given.add_content(content)), path]
    # Last, since nothing can be made outside of the writable directories afterwards.
    arguments += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/workspace", "--clearenv"]
    for name, value in {**_environment(interpreter), **options.env}.items():
        arguments += ["--setenv", name, value]
    return arguments


def _launcher_command(options: SandboxOptions, interpreter: Interpreter, control: int) -> list[str]:
    limits = (options.memory_bytes, options.open_files, options.processes if _counts_processes() else None)
    return [interpreter.path, "-I", "-S", LAUNCHER_PATH, str(control), *(str(limit or 0) for limit in limits)]


def _environment(interpreter: Interpreter) -> dict[str, str]:
    """The environment of every process in a sandbox, which takes nothing from the host's."""
    directories = [os.path.dirname(interpreter.path), "/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin"]
    environment = {
        "PATH": ":".join(dict.fromkeys([*directories, "/usr/sbin", "/sbin"])),
        "HOME": "/workspace",
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "SHELL": "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
    }
    if interpreter.packages:
        environment["PYTHONPATH"] = ":".join(interpreter.packages)
    return environment


def _counts_processes() -> bool:
    """Whether the kernel counts a user's processes per user namespace, and for this user at all.

    Before Linux 5.14 the count is that of the host's user, desktop and all. Root's is never held against it.
    """
    release = os.uname().release.split("-")[0].split(".")
    numbers = tuple(int(part) for part in release[:2] if part.isdigit())
    return numbers >= (5, 14) and (os.getuid() != 0 or is_root())


class _Descriptors:
    """File descriptors that bubblewrap inherits, closed on this side afterwards."""

    def __init__(self) -> None:
        self.fds: list[int] = []

    def __enter__(self) -> _Descriptors:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self.fds:
            os.close(fd)

    def add(self, fd: int) -> int:
        self.fds.append(fd)
        return fd

    def add_content(self, content: bytes) -> int:
        """A file in memory that holds `content`, at its start."""
        fd = self.add(os.memfd_create("hopx", os.MFD_CLOEXEC))
        with open(fd, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(fd, 0, os.SEEK_SET)
        return fd
