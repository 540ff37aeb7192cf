"""Starts a local sandbox and its runner, without waiting for either.

A kernel calls `spawn` as its first act and imports the rest of itself while the sandbox comes up. So this module, and
what it imports, is the standard library only, and of that the smaller parts.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER
from io import BufferedWriter
from typing import TYPE_CHECKING

from ..errors import SandboxStartError
from .bwrap import bwrap_directories, find_bwrap
from .cgroup import Cgroup
from .guard import MOUNTED_AT, can_be_guarded, guarded_command
from .init_process import InitProcess
from .interpreter import Interpreter, find_interpreter
from .layout import COMMANDS_DIRECTORY, PACKAGES_DIRECTORY, SYNTHETIC_FILES, layout_arguments, mount_table
from .options import SandboxOptions
from .pipes import ProcessPipes, enlarge_pipe, feed_pipe, request_start
from .privileges import is_root, staged_command
from .seccomp import filter_program
from .start_watch import StartWatch
from .starter import start_watched

if TYPE_CHECKING:
    from ..protocol.options import RunnerOptions

__all__ = ["RUNNER_PATH", "Spawned", "spawn"]

_STDERR = 2

_DIRECTORY = "/run/hopx"
RUNNER_PATH = "/run/hopx/runner.pyz"
PIP_PATH = f"{COMMANDS_DIRECTORY}/pip"


@dataclass
class Spawned:
    """A sandbox that is coming up, with nothing waiting for it yet. `LocalSandbox.adopt` takes it over.

    Attributes
    ----------
    process : subprocess.Popen
        bubblewrap, outside of the sandbox.
    control : socket.socket
        To the launcher in the sandbox; not blocking.
    init : InitProcess
        The first process of the sandbox as this computer sees it, whose end is the end of everything in it.
    guarded : bool
        Whether that process lies outside of what the code in the sandbox can see.
    watch : StartWatch or None
        Ends what has come up of it when this process dies meanwhile; None where there can be none.
    runner : ProcessPipes or None
        The runner, when it was asked for and nobody has taken it over.
    cgroup : Cgroup or None
        The control group that bounds it, where there is one.
    """

    options: SandboxOptions
    interpreter: Interpreter
    bwrap: str
    process: subprocess.Popen[bytes]
    control: socket.socket
    init: InitProcess
    guarded: bool
    watch: StartWatch | None
    runner: ProcessPipes | None = None
    runner_options: RunnerOptions | None = None
    cgroup: Cgroup | None = None
    _taking: threading.Thread | None = None

    def bound(self, cgroup: Cgroup | None) -> None:
        """Have a control group take it in, while it comes up."""
        if cgroup is not None:
            self.cgroup = cgroup
            taking = threading.Thread(target=cgroup.take, args=(self.process.pid,), name="hopx-cgroup")
            taking.start()
            self._taking = taking

    def has_ended(self) -> bool:
        """Whether bubblewrap has, of which this takes no note."""
        if self.process.returncode is not None:
            return True
        try:
            return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # a program that ignores SIGCHLD has it buried at once
            return True

    def kill_group(self) -> None:
        """Kill bubblewrap and its child, whether that is tied to it yet or not."""
        self.signal_group(signal.SIGKILL)

    def signal_group(self, signum: int) -> None:
        """Signal bubblewrap, and its child while that is in no session of its own."""
        # While nobody has waited for bubblewrap, its group's number is no other's.
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.watch.group if self.watch is not None else self.process.pid, signum)

    def settle(self) -> None:
        """Wait until its control group has taken it in, which is to be before it runs anybody's code."""
        if self._taking is not None:
            self._taking.join()
            self._taking = None
            if self.cgroup is not None and not self.cgroup.holds(self.process.pid):
                self.cgroup.remove()
                self.cgroup = None

    def abandon(self) -> None:
        """End it with everything in it, without an event loop. May be called twice."""
        self.init.kill()
        self.kill_group()
        self.process.kill()
        self.process.wait()
        if self.watch is not None:
            self.watch.kill()
        self.init.close()
        if self._taking is not None:
            self._taking.join()
        if self.cgroup is not None:
            self.cgroup.remove()
        self.control.close()
        if self.process.stderr is not None:
            self.process.stderr.close()
        if self.runner is not None:
            self.runner.close()
            self.runner = None


def spawn(
    options: SandboxOptions | None = None,
    runner_options: RunnerOptions | None = None,
    bwrap: str | None = None,
    guarded: bool | None = None,
) -> Spawned:
    """Start a local sandbox, and the runner in it when `runner_options` are given.

    Returns at once; what goes wrong later shows when it is taken over. `bwrap` is bubblewrap's path, where it is not
    to be looked for; `guarded` whether there is a namespace around the sandbox's, where that is not to be found out.

    Raises
    ------
    SandboxStartError
        There is no bubblewrap, or no interpreter that can be shown to the sandbox, or this program can have no more
        descriptors or processes. Nothing is left of it then.
    """
    options = options or SandboxOptions()
    bwrap = bwrap or find_bwrap()
    guarded = can_be_guarded() if guarded is None else guarded
    interpreter = find_interpreter(options)
    with ExitStack() as undo:
        try:
            spawned = _start(options, interpreter, bwrap, guarded, undo)
            if runner_options is not None:
                argv = [interpreter.path, RUNNER_PATH, runner_options.to_json()]
                spawned.runner = request_start(spawned.control, 0, argv, "/workspace", {}, has_text=True)
                spawned.runner_options = runner_options
        except (OSError, RuntimeError) as exc:  # that is what Python says where there can be no more threads
            raise SandboxStartError(f"{bwrap} cannot be run: {getattr(exc, 'strerror', exc)}") from exc
        undo.pop_all()
    return spawned


def _start(options: SandboxOptions, interpreter: Interpreter, bwrap: str, guarded: bool, undo: ExitStack) -> Spawned:
    """Start bubblewrap, and give it the runner's file. What goes wrong later is undone by `undo`."""
    with ExitStack() as ends, _Descriptors() as given:
        cgroup = Cgroup.make(options.memory_bytes, options.processes)
        if cgroup is not None:
            ends.callback(cgroup.remove)
        ours, bundle, info = given.open_ends(ends)
        process, watch = start_watched(_command(options, interpreter, bwrap, guarded, cgroup, given), given.fds)
        ends.pop_all()
    spawned = Spawned(options, interpreter, bwrap, process, ours, InitProcess(info, process.pid), guarded, watch)
    undo.callback(bundle.close)  # which may wait for what is writing to it, and that for bubblewrap's end
    undo.callback(spawned.abandon)
    spawned.bound(cgroup)
    # Imported and built while bubblewrap is at work, which waits for it.
    from ..runner.bundle import build_bundle

    feed_pipe(bundle, build_bundle())
    return spawned


def _command(
    options: SandboxOptions,
    interpreter: Interpreter,
    bwrap: str,
    guarded: bool,
    cgroup: Cgroup | None,
    given: _Descriptors,
) -> list[str]:
    """What starts the sandbox, with all that is around it."""
    counters = cgroup.counters() if cgroup is not None else {}
    shown = {path: f"{MOUNTED_AT}/{os.path.basename(path)}" for path in counters} if guarded else counters
    command = _inner_command(options, interpreter, bwrap, guarded, shown, given)
    told = ["--info-fd", str(given.info)]
    if guarded:
        table = given.add_content(mount_table(options, MOUNTED_AT).encode())
        files = {shown[path]: source for path, source in counters.items()}
        command = guarded_command(bwrap, options, told, table, command, files)
    else:
        command[1:1] = told
    if is_root():
        command = staged_command(command, [*interpreter.trees, *bwrap_directories(bwrap)])
    return command


def _inner_command(
    options: SandboxOptions,
    interpreter: Interpreter,
    bwrap: str,
    guarded: bool,
    shown: dict[str, str],
    given: _Descriptors,
) -> list[str]:
    """What makes the sandbox itself, where `shown` is what it sees of its control group and by which paths it gets it."""
    limits = (options.memory_bytes, options.open_files, options.processes if counts_processes() else None)
    path, program = _launcher(interpreter)
    launcher = [interpreter.path, "-I", "-S", path, str(given.control), *(str(limit or 0) for limit in limits)]
    # In a file, so that nobody reads the environment off the list of processes.
    given_arguments = _arguments(options, interpreter, given, guarded, {path: program}, shown)
    arguments = "".join(argument + "\0" for argument in given_arguments)
    arguments_fd = given.add_content(arguments.encode("utf-8", "surrogateescape"))
    return [bwrap, "--args", str(arguments_fd), "--", *launcher]


def _arguments(
    options: SandboxOptions,
    interpreter: Interpreter,
    given: _Descriptors,
    guarded: bool,
    programs: dict[str, bytes],
    shown: dict[str, str],
) -> list[str]:
    arguments = [
        *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"),
        *([] if options.network else ["--unshare-net"]),
        *("--disable-userns", "--uid", "1000", "--gid", "1000", "--hostname", "sandbox", "--cap-drop", "ALL"),
        # The launcher is process 1: the code in the sandbox cannot kill it, and its end is the end of everything.
        *("--new-session", "--die-with-parent", "--as-pid-1"),
        *layout_arguments(options, interpreter, MOUNTED_AT if guarded else None),
    ]
    if program := filter_program():
        arguments += ["--seccomp", str(given.add_content(program))]
    files = {path: text.encode() for path, text in SYNTHETIC_FILES.items()}
    files |= {**programs, PIP_PATH: _source("pip_command.py")}
    descriptors = {path: given.add_content(content) for path, content in files.items()} | {RUNNER_PATH: given.bundle}
    for path, fd in descriptors.items():
        arguments += ["--perms", "0555" if path == PIP_PATH else "0444", "--file", str(fd), path]
    arguments += ["--symlink", os.path.basename(PIP_PATH), f"{PIP_PATH}3"]
    for path, source in shown.items():
        arguments += ["--ro-bind", source, path]
    # Last, since nothing can be made outside of the writable directories afterwards.
    arguments += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/workspace", "--clearenv"]
    for name, value in {**_environment(interpreter), **options.env}.items():
        arguments += ["--setenv", name, value]
    return arguments


def _launcher(interpreter: Interpreter) -> tuple[str, bytes]:
    """The launcher's path in the sandbox, and the file itself: compiled, where it is this very interpreter that runs it.

    To compile it there would take milliseconds of every start, and a megabyte for as long as the sandbox is there.
    """
    name = "launcher"
    if os.path.realpath(interpreter.path) != os.path.realpath(sys.executable):
        return f"{_DIRECTORY}/{name}.py", _source("launcher.py")
    # From the interpreter's own cache of what it has compiled, where there is one.
    code = SourceFileLoader(name, os.path.join(os.path.dirname(__file__), "launcher.py")).get_code(name)
    # A header that speaks of no source, as what is run by its path needs none.
    return f"{_DIRECTORY}/{name}.pyc", MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


def _source(name: str) -> bytes:
    with open(os.path.join(os.path.dirname(__file__), name), "rb") as file:
        return file.read()


def _environment(interpreter: Interpreter) -> dict[str, str]:
    """The environment of every process in a sandbox, which takes nothing from the host's."""
    directories = [COMMANDS_DIRECTORY, f"{PACKAGES_DIRECTORY}/bin", os.path.dirname(interpreter.path)]
    directories += ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"]
    environment = {
        "PATH": ":".join(dict.fromkeys(directories)),
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


def counts_processes() -> bool:
    """Whether the kernel counts a user's processes per user namespace, and for this user at all.

    Before Linux 5.14 the count is that of the host's user, desktop and all. Root's is never held against it.
    """
    release = os.uname().release.split("-")[0].split(".")
    numbers = tuple(int(part) for part in release[:2] if part.isdigit())
    return numbers >= (5, 14) and (os.getuid() != 0 or is_root())


class _Descriptors:
    """File descriptors that bubblewrap inherits, closed on this side afterwards.

    Attributes
    ----------
    bundle, control, info : int
        What the runner's file is read from, the launcher's socket, and what bubblewrap tells of its child on.
    """

    bundle: int
    control: int
    info: int

    def __init__(self) -> None:
        self.fds: list[int] = []

    def __enter__(self) -> _Descriptors:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self.fds:
            os.close(fd)

    def add(self, fd: int) -> int:
        if fd <= _STDERR:  # of a program without them, which have others' places in what is started
            low = fd
            try:
                fd = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _STDERR + 1)
            finally:
                os.close(low)
        self.fds.append(fd)
        return fd

    def open_ends(self, undo: ExitStack) -> tuple[socket.socket, BufferedWriter, int]:
        """Make the three that have another end, and give this side's: of `control`, `bundle` and `info`.

        `undo` closes what it gives.
        """
        read, write = os.pipe2(os.O_CLOEXEC)
        bundle = undo.enter_context(open(write, "wb"))  # noqa: SIM115 - which closes it
        self.bundle = self.add(read)
        enlarge_pipe(write)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        undo.enter_context(ours)
        self.control = self.add(theirs.detach())
        ours.setblocking(False)
        info, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        undo.callback(os.close, info)
        self.info = self.add(write)
        return ours, bundle, info

    def add_content(self, content: bytes) -> int:
        """A file in memory that holds `content`, at its start."""
        fd = self.add(os.memfd_create("hopx", os.MFD_CLOEXEC))
        with open(fd, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(fd, 0, os.SEEK_SET)
        return fd
