"""The supervisor's handle on the interpreter: forking it, talking to it, ending it."""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import socket
from typing import Callable, List, Optional, Tuple

from ..protocol.frames import ENVELOPE_BYTES, MAX_MESSAGE_BYTES
from .fd_order import exit_now, write_now
from .fd_text import FdPipe
from .host_link import high_fd
from .protection import end_with_parent, set_reachable
from .shared_page import SharedPage
from .shared_text import SharedText, read_position
from .text_memory import TextMemory

__all__ = ["TEXT_MARK", "InterpreterProcess", "describe_status"]

_READ_BYTES = 1 << 18

#: What an event may have: it gets its number on the way.
_MAX_LINE_BYTES = MAX_MESSAGE_BYTES - ENVELOPE_BYTES

#: What the lines of text begin with.
TEXT_MARK = b"+"

#: The child's part: takes its socket, the write ends of its pipes and the memory that it shares, and never returns.
ChildMain = Callable[[socket.socket, Tuple[int, int], SharedPage, SharedText], None]


class InterpreterProcess:
    """One interpreter, from its fork to its burial. Raises `OSError` where there can be no more processes.

    Attributes
    ----------
    pid, generation : int
        Its process, which is a process group too, and its number in the runner's life.
    sock : socket.socket
        The supervisor's end of the channel.
    pipes : tuple of FdPipe
        Behind its fds 1 and 2.
    page, text : SharedPage, SharedText
        Shared with it.
    is_ready : bool
        Whether it has said that it takes requests.
    """

    def __init__(self, generation: int, main: ChildMain, memory: TextMemory) -> None:
        self.generation = generation
        self.is_ready = False
        memory.begin(generation)
        self.page, self.text = SharedPage(), SharedText(memory)
        self._position = 0
        self.sock, theirs = socket.socketpair()
        self.pipes = (FdPipe("stdout"), FdPipe("stderr"))
        self._pending = bytearray()
        self._scanned = 0
        self._outgoing = bytearray()
        gc.collect()
        gc.freeze()
        parent = os.getpid()
        try:
            self.pid = os.fork()
        except OSError:
            theirs.close()
            self.close()
            raise
        if not self.pid:
            end_with_parent(parent)
            _run_child(main, theirs, self.pipes, self.page, self.text)
        theirs.close()
        self.sock.setblocking(False)

    def receive(self) -> Tuple[List[bytes], bool]:
        """The lines that have come, and whether the channel is still open.

        Raises `ValueError` for a line over the bound of a message.
        """
        try:
            data = self.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return [], True
        except OSError:
            data = b""
        if not data:
            return [], False
        self._pending += data
        if self._pending.find(b"\n", self._scanned) < 0:
            self._scanned = len(self._pending)
            if self._scanned > _MAX_LINE_BYTES:
                raise ValueError("a message is too long")
            return [], True
        *lines, rest = self._pending.split(b"\n")
        self._pending, self._scanned = rest, len(rest)
        if any(len(line) > _MAX_LINE_BYTES for line in lines):
            raise ValueError("a message is too long")
        return [bytes(line) for line in lines], True

    def open_text(self, line: bytes) -> bytes:
        """A line of text without its position, which is kept: up to there nothing is to be taken from the memory.

        Raises `ValueError`.
        """
        position, _, line = line.partition(b" ")
        self._position = read_position(position)
        return line

    def take_rest(self) -> List[Tuple[str, Optional[str], str]]:
        """After its end: the text that has not come by the channel; its stream, its request where known, itself."""
        return self.text.rest(self._position)

    @property
    def is_missing_something(self) -> bool:
        """After its end: whether something was to be sent that is nowhere any more."""
        return self.page.has_unsent or bool(self._pending and not self._pending.startswith(TEXT_MARK))

    @property
    def has_output(self) -> bool:
        """Whether a request waits for the interpreter to read."""
        return bool(self._outgoing)

    def send(self, line: bytes) -> None:
        """Send a request's line, as far as it goes now; `flush` sends the rest."""
        self._outgoing += line + b"\n"
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as it goes now."""
        while self._outgoing:
            try:
                sent = self.sock.send(memoryview(self._outgoing)[:_READ_BYTES].tobytes())
            except BlockingIOError:
                return
            except OSError:
                self._outgoing.clear()  # it is dead or dying, which is reported elsewhere
                return
            del self._outgoing[:sent]

    def interrupt(self) -> None:
        """SIGINT to the interpreter and the programs that run in its foreground."""
        self._kill_group(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL to it and its process group."""
        self._kill_group(signal.SIGKILL)
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def _kill_group(self, signum: int) -> None:
        try:
            os.killpg(self.pid, signum)
        except (ProcessLookupError, PermissionError):
            # It has not come to make its group yet, or has left it.
            try:
                os.kill(self.pid, signum)
            except ProcessLookupError:
                pass

    def close(self) -> None:
        """Close the supervisor's ends."""
        self.sock.close()
        for pipe in self.pipes:
            pipe.close()


def _run_child(
    main: ChildMain, sock: socket.socket, pipes: Tuple[FdPipe, FdPipe], page: SharedPage, text: SharedText
) -> None:
    try:
        os.setsid()
        set_reachable(True)
        signal.set_wakeup_fd(-1)
        for signum in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, signal.SIG_DFL)
        fds = tuple(fcntl.fcntl(pipe.writer, fcntl.F_DUPFD_CLOEXEC, high_fd()) for pipe in pipes)
        high = fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD_CLOEXEC, high_fd())
        sock.detach()
        os.dup2(fds[0], 1)
        os.dup2(fds[1], 2)
        for fd in _open_fds():
            if fd > 2 and fd not in (*fds, high):
                _close(fd)
        main(socket.socket(fileno=high), (fds[0], fds[1]), page, text)
    except BaseException:
        import traceback

        write_now(2, traceback.format_exc().encode("utf-8", "replace"))
    finally:
        exit_now(1)


def _open_fds() -> List[int]:
    for path in ("/proc/self/fd", "/dev/fd"):
        try:
            return [int(name) for name in os.listdir(path)]
        except OSError:
            continue
    return list(range(3, 4096))


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:
        pass


def describe_status(status: int) -> Tuple[str, Optional[str], Optional[int]]:
    """A wait status as a sentence's end, a signal's name and an exit code."""
    if os.WIFSIGNALED(status):
        signum = os.WTERMSIG(status)
        try:
            name = signal.Signals(signum).name
        except ValueError:
            name = f"signal {signum}"
        if name == "SIGPIPE":
            return "lost the connection to its supervisor: its file descriptors were closed", name, None
        return f"was ended by {name}", name, None
    code = os.WEXITSTATUS(status)
    return f"exited with code {code}", None, code
