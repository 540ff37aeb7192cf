"""The first process in a local sandbox: starts others when the host asks, and tells how they end.

The package does not import it: the host hands this file to the sandbox, whose Python runs it as process 1 with ``-I -S``.
So it imports the standard library only, runs on Python 3.9, and takes the C modules beneath `signal`, `socket` and
`ctypes`: their Python halves would double its start.

The code in the sandbox runs as the same user, and cannot touch it all the same: it cannot be dumped, which is what the
kernel asks before one process traces another, reads or writes its memory, takes its descriptors or opens its files in
/proc. Its children have that of it until they run their programs. And it never waits for a child, which anybody in the
sandbox may stop; one that is stopped before it is a program of its own goes on at once.

Every message is one packet on a SEQPACKET socket, its fields separated by NUL:

===========  ==========================================================================================
``start``    from the host: id, cwd, number of arguments, the arguments, ``NAME=value``...; carries the
             descriptors that it has from 0 on: stdin, stdout, stderr, and a runner one more
``read``     from the host: id, path; carries the pipe that takes the file's bytes
``write``    from the host: id, path; carries the pipe that gives them
``signal``   from the host: id, number
``ready``    it takes requests
``started``  id, pid
``failed``   id, errno, ``cwd`` or ``program``
``exited``   id, exit code or minus the signal's number; for ``read`` and ``write`` an errno, 0 for success
===========  ==========================================================================================
"""

from __future__ import annotations

import _ctypes
import _signal as signal  # type: ignore[import-not-found]
import _socket as socket
import errno
import os
import resource
import select
import sys

PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4

PACKET_BYTES = 1 << 18
COPY_BYTES = 1 << 18

#: Where ``pip`` in the sandbox puts what it installs. It is there from the start, since Python does not look again for a
#: directory that was not.
PACKAGES = "/tmp/.packages/lib/python{}.{}/site-packages".format(*sys.version_info)

#: The arguments after the socket's descriptor: a number, 0 for no limit, for each of these.
LIMITS = (resource.RLIMIT_DATA, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC)

#: Those that every program has, as far as the host's own are not lower: no file of a crash, nothing that comes before
#: all others, and of what the kernel keeps for a user no more than it gives by itself, however much this one may have.
FIXED_LIMITS = (
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_RTPRIO, 0),
    (resource.RLIMIT_NICE, 0),
    (resource.RLIMIT_MEMLOCK, 8 << 20),
    (resource.RLIMIT_MSGQUEUE, 819200),
    (resource.RLIMIT_SIGPENDING, 16384),
)


class Launcher:
    """Serves one host on one socket."""

    def __init__(self, control: socket.socket, limits: list[tuple[int, int]]) -> None:
        self.control = control
        self.limits = limits
        self.ids: dict[int, bytes] = {}
        self.pids: dict[bytes, int] = {}
        #: Of children that are not yet their programs: where they report what goes wrong; by their pids.
        self.reports: dict[int, tuple[int, bytes]] = {}
        #: Children that copy a file, by their pids.
        self.copying: set[int] = set()
        self.poll = select.poll()

    def serve(self) -> None:
        """Until the host closes the socket; the end of process 1 is the end of everything in the sandbox."""
        wake_read, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake_write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # The kernel shields process 1 from signals of its own namespace, but not from those that Python handles.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.poll.register(self.control.fileno(), select.POLLIN)
        self.poll.register(wake_read, select.POLLIN)
        self.send(b"ready")
        while True:
            ready = dict(self.poll.poll())
            for pid in [pid for pid, (fd, _) in self.reports.items() if fd in ready]:
                self.take_report(pid)
            if wake_read in ready:
                os.read(wake_read, 4096)
                self.reap()
            if self.control.fileno() in ready and not self.take_request():
                return

    def take_request(self) -> bool:
        """Do what the next packet asks; False at the end of the packets."""
        room = socket.CMSG_SPACE(4 * 4)
        data, ancillary, _, _ = self.control.recvmsg(PACKET_BYTES, room, socket.MSG_CMSG_CLOEXEC)
        fds: list[int] = []
        for level, kind, raw in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.extend(memoryview(raw).cast("i"))
        try:
            if data:
                verb, *fields = data.split(b"\0")
                getattr(self, verb.decode())(fds, *fields)
        finally:
            for fd in fds:
                os.close(fd)
        return bool(data)

    def start(self, fds: list[int], number: bytes, cwd: bytes, count: bytes, *fields: bytes) -> None:
        """Start a program."""
        argv, env = list(fields[: int(count)]), dict(os.environb)
        for field in fields[int(count) :]:
            name, _, value = field.partition(b"=")
            env[name] = value
        try:
            report_read, report_write = os.pipe2(os.O_CLOEXEC)
        except OSError as exc:
            self.send(b"failed", number, b"%d" % (exc.errno or errno.EMFILE), b"program")
            return
        pid = self.fork()
        if pid == 0:
            self.become(fds, cwd, argv, env, report_write)
        os.close(report_write)
        if pid > 0:
            self.ids[pid], self.pids[number] = number, pid
            self.reports[pid] = report_read, number
            self.poll.register(report_read, select.POLLIN)
        else:
            os.close(report_read)
            self.send(b"failed", number, b"%d" % -pid, b"program")

    def take_report(self, pid: int) -> None:
        """Tell whether a child has become its program; to be called when it has, has reported, or is dead."""
        fd, number = self.reports.pop(pid)
        self.poll.unregister(fd)
        # Closed by the exec, or holding what went wrong before it.
        report = os.read(fd, 64)
        os.close(fd)
        if report:
            del self.ids[pid], self.pids[number]
            self.send(b"failed", number, report)
        else:
            self.send(b"started", number, b"%d" % pid)

    def read(self, fds: list[int], number: bytes, path: bytes) -> None:
        """Copy a file into a pipe."""
        self.work(number, lambda: copy(open_file(path, os.O_RDONLY), fds[0]))

    def write(self, fds: list[int], number: bytes, path: bytes) -> None:
        """Copy a pipe into a file, making its directories."""

        def store() -> None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            try:
                target = open_file(path, flags)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                target = open_file(path, flags)
            copy(fds[0], target)

        self.work(number, store)

    def signal(self, _fds: list[int], number: bytes, signum: bytes) -> None:
        """Signal a process and its group; a kill ends what has left the group too."""
        pid = self.pids.get(number)
        if pid is None:
            return
        others = descendants(pid) if int(signum) == signal.SIGKILL else set()
        for send, target in [(os.killpg, pid), *((os.kill, other) for other in others)]:
            try:
                send(target, int(signum))
            except OSError:  # it has just ended
                pass

    def work(self, number: bytes, task: object) -> None:
        """Run a task in a child, which cannot block this process and has nothing to exec."""
        pid = self.fork()
        if pid == 0:
            code = errno.EIO  # of what nobody has thought of: no end but the last is a success
            try:
                task()  # type: ignore[operator]
                code = 0
            except OSError as exc:
                code = exc.errno or errno.EIO  # below 134, so it fits an exit code
            finally:
                os._exit(code)
        if pid > 0:
            self.copying.add(pid)
            self.ids[pid], self.pids[number] = number, pid
            self.send(b"started", number, b"%d" % pid)
        else:
            self.send(b"failed", number, b"%d" % -pid, b"program")

    def fork(self) -> int:
        """A pid; 0 in the child, which leads a session of its own; minus an errno where there is no child."""
        try:
            pid = os.fork()
        except OSError as exc:
            return -(exc.errno or errno.EAGAIN)
        if pid == 0:
            os.setsid()
            signal.set_wakeup_fd(-1)
            # All of them: what the host ignores, as a shell's background jobs do, comes through bubblewrap.
            for signum in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                signal.signal(signum, signal.SIG_DFL)
        return pid

    def become(self, fds: list[int], cwd: bytes, argv: list[bytes], env: dict[bytes, bytes], report: int) -> None:
        """Turn a child into its program, or report why not and end."""
        step = b"program"
        try:
            for target, fd in enumerate(fds):
                os.dup2(fd, target)
            for kind, limit in self.limits:
                resource.setrlimit(kind, (limit, limit))
            step = b"cwd"
            os.chdir(cwd)
            step = b"program"
            os.execvpe(argv[0], argv, env)
        except OSError as exc:
            os.write(report, b"%d\0%s" % (exc.errno or errno.EIO, step))
        except (ValueError, IndexError):
            os.write(report, b"%d\0%s" % (errno.EINVAL, step))
        finally:
            os._exit(127)

    def reap(self) -> None:
        """Take leave of every process that has ended, orphans too."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if os.WIFSTOPPED(status):
                if pid in self.reports or pid in self.copying:  # not by the host, whose it is not yet
                    os.kill(pid, signal.SIGCONT)
                continue
            self.copying.discard(pid)
            if pid in self.reports:
                self.take_report(pid)
            number = self.ids.pop(pid, None)
            if number is not None:
                del self.pids[number]
                self.send(b"exited", number, b"%d" % os.waitstatus_to_exitcode(status))

    def send(self, *fields: bytes) -> None:
        self.control.send(b"\0".join(fields))


def descendants(ancestor: int) -> set[int]:
    """The processes that come from one, by whatever way, while all between them live."""
    parents = {}
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{int(name)}/stat", "rb") as file:
                # The program's name in parentheses may itself hold anything.
                parents[int(name)] = int(file.read().rpartition(b") ")[2].split()[1])
        except (OSError, ValueError, IndexError):  # no process, or one that has just ended
            continue
    found, new = {ancestor}, {ancestor}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return found - {ancestor}


def become_unreachable() -> None:
    """Keep every process of the same user from this one, which `os` has no function for."""

    class Int(_ctypes._SimpleCData):  # type: ignore[type-arg]
        _type_ = "i"

    class Function(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL
        _restype_ = Int

    program = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]
    prctl = Function(_ctypes.dlsym(program, "prctl"))
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    if prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0:
        sys.exit("launcher: process 1 cannot be kept from the code in the sandbox")


def open_file(path: bytes, flags: int) -> int:
    """Open a file, and nothing that has no end or waits for somebody: no pipe, no device."""
    fd = os.open(path, flags | os.O_NOCTTY | os.O_NONBLOCK, 0o666)
    if os.fstat(fd).st_mode & 0o170000 not in (0o100000, 0o040000):
        raise OSError(errno.EINVAL, "")
    return fd


def copy(source: int, target: int) -> None:
    """Copy all of one file to another."""
    while True:
        data = memoryview(os.read(source, COPY_BYTES))
        if not data:
            return
        while data:
            data = data[os.write(target, data) :]


def main() -> None:
    if sys.version_info < (3, 9):  # noqa: UP036 - a person may name any interpreter
        sys.exit("launcher: Python 3.9 or newer is needed, and this is " + sys.version.split()[0])
    become_unreachable()
    fd, *values = (int(argument) for argument in sys.argv[1:])
    for other in [int(name) for name in os.listdir("/proc/self/fd")]:
        if other > 2 and other != fd:
            try:  # of who started this; nothing in the sandbox is to have them
                os.close(other)
            except OSError:  # that of the directory itself
                pass
    limits = []
    for kind, value in (*FIXED_LIMITS, *((kind, value) for kind, value in zip(LIMITS, values) if value)):
        hard = resource.getrlimit(kind)[1]
        limits.append((kind, value if hard == resource.RLIM_INFINITY else min(value, hard)))
    os.makedirs(PACKAGES)
    os.environ["PYTHONPATH"] = ":".join(filter(None, [PACKAGES, os.environ.get("PYTHONPATH")]))
    control = socket.socket(fileno=fd)
    os.set_inheritable(fd, False)
    # Until here stderr was the host's, for what keeps a sandbox from starting.
    os.dup2(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC), 2)
    Launcher(control, limits).serve()


main()
