"""Starts a local sandbox and its runner, without waiting for either.

A kernel calls `spawn` as its first act and imports the rest of itself while the sandbox comes up. So this module imports
the standard library only, nothing of anyio or traitlets.
"""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from ..protocol.options import RunnerOptions
from ..runner.bundle import build_bundle
from .bwrap import bwrap_directories, find_bwrap
from .layout import SYNTHETIC_FILES, Interpreter, find_interpreter, layout_arguments
from .options import SandboxOptions
from .privileges import is_root, staged_command

__all__ = ["Spawned", "spawn"]

LAUNCHER_PATH = "/run/hopx/launcher.py"
RUNNER_PATH = "/run/hopx/runner.pyz"

#: Packets are bounded by the socket's buffer; two of these fit into what Linux gives every socket.
MAX_PACKET_BYTES = 96 * 1024

#: What the kernel lets an unprivileged process ask for. A full pipe makes its writer wait for a switch of processes, so
#: a large one is what 10^6 lines need.
_PIPE_BYTES = 1 << 20

_F_SETPIPE_SZ = 1031  # fcntl.F_SETPIPE_SZ, which Python has from 3.10 on some builds only


@dataclass
class SpawnedProcess:
    """A process that was asked for: this side's ends of its pipes."""

    number: int
    stdin: int
    stdout: int
    stderr: int


@dataclass
class Spawned:
    """A sandbox that is coming up, with nothing waiting for it yet. `LocalSandbox.adopt` takes it over.

    Attributes
    ----------
    process : subprocess.Popen
        bubblewrap, outside of the sandbox.
    control : socket.socket
        To the launcher in the sandbox; not blocking.
    runner : SpawnedProcess or None
        The runner, when it was asked for.
    """

    options: SandboxOptions
    interpreter: Interpreter
    bwrap: str
    process: subprocess.Popen[bytes]
    control: socket.socket
    runner: SpawnedProcess | None = None
    runner_options: RunnerOptions | None = None

    def abandon(self) -> None:
        """End it with everything in it, without an event loop."""
        self.process.kill()
        self.process.wait()
        self.control.close()
        if self.process.stderr is not None:
            self.process.stderr.close()
        if self.runner is not None:
            for fd in (self.runner.stdin, self.runner.stdout, self.runner.stderr):
                os.close(fd)


def spawn(options: SandboxOptions, runner_options: RunnerOptions | None = None) -> Spawned:
    """Start a local sandbox, and the runner in it when `runner_options` are given.

    Returns at once; what goes wrong later shows when it is taken over.

    Raises
    ------
    SandboxStartError
        There is no bubblewrap, or no interpreter to show to the sandbox.
    """
    bwrap = find_bwrap()
    interpreter = find_interpreter(options)
    with _Descriptors() as given:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        given.add(theirs.detach())
        control_fd = given.fds[0]
        arguments = _arguments(options, interpreter, given)
        args_fd = given.add_content("".join(argument + "\0" for argument in arguments).encode("utf-8", "surrogateescape"))
        command = [bwrap, "--args", str(args_fd), "--", *_launcher_command(options, interpreter, control_fd)]
        if is_root():
            command = staged_command(command, [*interpreter.trees, *bwrap_directories(bwrap)])
        process = _in_lasting_thread(lambda: _popen(command, given.fds))
    ours.setblocking(False)
    spawned = Spawned(options, interpreter, bwrap, process, ours)
    if runner_options is not None:
        argv = [interpreter.path, RUNNER_PATH, runner_options.to_json()]
        spawned.runner = request_start(ours, 0, argv, "/workspace", {})
        spawned.runner_options = runner_options
    return spawned


def request_start(
    control: socket.socket, number: int, argv: Sequence[str], cwd: str, env: Mapping[str, str]
) -> SpawnedProcess:
    """Ask a launcher for a process.

    Raises `BlockingIOError` when the launcher has too much to do, `OSError` otherwise: ``E2BIG`` for arguments that do
    not fit a packet, `BrokenPipeError` when it is gone. `ValueError` for a NUL in an argument.
    """
    fields = ["start", str(number), cwd, str(len(argv)), *argv, *(f"{name}={value}" for name, value in env.items())]
    if not argv or any("\0" in text for text in fields):
        raise ValueError("a process needs a program, and its arguments and environment cannot hold NUL")
    pipes = Pipes()
    try:
        send_packet(control, fields, pipes.theirs)
    except BaseException:
        pipes.close_ours()
        raise
    finally:
        pipes.close_theirs()
    return SpawnedProcess(number, *pipes.ours)


def send_packet(control: socket.socket, fields: Sequence[str], fds: Sequence[int] = ()) -> None:
    """Send one request to the launcher. Raises as `request_start`."""
    packet = "\0".join(fields).encode("utf-8", "surrogateescape")
    if len(packet) > MAX_PACKET_BYTES:
        raise OSError(7, f"arguments and environment are longer than {MAX_PACKET_BYTES} bytes")
    socket.send_fds(control, [packet], list(fds)) if fds else control.send(packet)


class Pipes:
    """Stdin, stdout and stderr for a process: ends for it, and ends for this side, which do not block."""

    def __init__(self) -> None:
        stdin, stdout, stderr = (os.pipe2(os.O_CLOEXEC) for _ in range(3))
        self.theirs = [stdin[0], stdout[1], stderr[1]]
        self.ours = [stdin[1], stdout[0], stderr[0]]
        for fd in self.ours:
            os.set_blocking(fd, False)
        for fd in self.ours[:2]:
            enlarge_pipe(fd)

    def close_theirs(self) -> None:
        for fd in self.theirs:
            os.close(fd)

    def close_ours(self) -> None:
        for fd in self.ours:
            os.close(fd)


def enlarge_pipe(fd: int) -> None:
    """Give a pipe as much room as the kernel allows; a small one works too."""
    import fcntl

    try:
        fcntl.fcntl(fd, _F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError:  # over what this user may have in all pipes together
        pass


def _arguments(options: SandboxOptions, interpreter: Interpreter, given: _Descriptors) -> list[str]:
    """bubblewrap's arguments: in a file, so that nobody reads the environment off the list of processes."""
    arguments = [
        *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"),
        *([] if options.network else ["--unshare-net"]),
        *("--disable-userns", "--uid", "1000", "--gid", "1000", "--hostname", "sandbox", "--cap-drop", "ALL"),
        *("--new-session", "--die-with-parent", "--as-pid-1"),
        *layout_arguments(options, interpreter),
    ]
    files = {path: text.encode() for path, text in SYNTHETIC_FILES.items()}
    files[LAUNCHER_PATH] = Path(__file__).with_name("launcher.py").read_bytes()
    try:
        files[RUNNER_PATH] = build_bundle()
    except NotImplementedError:
        pass
    for path, content in files.items():
        arguments += ["--perms", "0444", "--file", str(given.add_content(content)), path]
    # Last, since nothing can be made afterwards: only the writable directories are.
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
    return {
        "PATH": ":".join(dict.fromkeys([*directories, "/usr/sbin", "/sbin"])),
        "HOME": "/workspace",
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "SHELL": "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
    }


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
        os.write(fd, content)
        os.lseek(fd, 0, os.SEEK_SET)
        return fd


def _popen(command: list[str], fds: Sequence[int]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=fds, env={}, cwd='/'
    )


def _in_lasting_thread(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Start a process from a thread that lasts as long as this program.

    "Die with the parent" means, to the kernel, the thread that forked: a sandbox started from a worker thread would die
    with that.
    """
    if threading.current_thread() is threading.main_thread():
        return start()
    future: Future[subprocess.Popen[bytes]] = Future()
    _starter().put((start, future))
    return future.result()


@dataclass
class _Starter:
    pid: int = 0
    requests: queue.SimpleQueue[tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]] = field(
        default_factory=queue.SimpleQueue
    )


_the_starter = _Starter()
_the_starter_lock = threading.Lock()


def _starter() -> queue.SimpleQueue[tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]]:
    global _the_starter
    with _the_starter_lock:
        if _the_starter.pid != os.getpid():  # none yet, or this is a fork, where threads do not follow
            _the_starter = _Starter(os.getpid())
            threading.Thread(target=_serve_starter, args=(_the_starter,), name="hopx-starter", daemon=True).start()
        return _the_starter.requests


def _serve_starter(starter: _Starter) -> None:
    while True:
        start, future = starter.requests.get()
        try:
            future.set_result(start())
        except BaseException as exc:  # noqa: BLE001 - it belongs to the thread that asked
            future.set_exception(exc)
