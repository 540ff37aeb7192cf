"""Pipes to processes in a sandbox, and the packets that ask its launcher for them. Imports the standard library and `text_file`."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedWriter

from .text_file import TEXT_FD, TextFile

__all__ = ["MAX_PACKET_BYTES", "ProcessPipes", "enlarge_pipe", "feed_pipe", "request_start", "send_packet"]

#: A socket takes a packet whole or not at all; this is what Linux gives every socket room for, and no more than what it
#: gives the arguments of any one program.
MAX_PACKET_BYTES = 96 * 1024

#: What the kernel lets an unprivileged user ask for. A full pipe makes its writer wait for a switch of processes, so a
#: flood of lines wants a large one.
_PIPE_BYTES = 1 << 20

_F_SETPIPE_SZ = 1031  # in `fcntl` from Python 3.10 on, but not in every build


@dataclass
class ProcessPipes:
    """This side's ends of the pipes to a process that was asked for; none of them blocks.

    Attributes
    ----------
    number : int
        How host and launcher call the process.
    text : TextFile or None
        A runner's.
    """

    number: int
    stdin: int
    stdout: int
    stderr: int
    text: TextFile | None = None

    def close(self) -> None:
        """Close all of them."""
        for fd in (self.stdin, self.stdout, self.stderr):
            os.close(fd)
        if self.text is not None:
            self.text.close()


def request_start(
    control: socket.socket,
    number: int,
    argv: Sequence[str],
    cwd: str,
    env: Mapping[str, str],
    *,
    has_text: bool = False,
) -> ProcessPipes:
    """Ask a launcher for a process; for a runner, which is told so by one more argument, with a file of text.

    Raises
    ------
    BlockingIOError
        The launcher has too much to do: ask again when the socket takes more.
    OSError
        ``E2BIG`` for arguments that do not fit a packet, `BrokenPipeError` for a launcher that is gone.
    ValueError
        There is no program, or a NUL in an argument.
    """
    if not argv or not argv[0]:
        raise ValueError("a process needs a program")
    text = None
    if has_text:
        with suppress(AttributeError, OSError):  # where there is none, less is known of an end
            text = TextFile()
            argv = [*argv, str(TEXT_FD)]
    fields = ["start", str(number), cwd, str(len(argv)), *argv, *(f"{name}={value}" for name, value in env.items())]
    pairs = _open_pipes(3)
    theirs = [pairs[0][0], pairs[1][1], pairs[2][1]]
    ours = ProcessPipes(number, pairs[0][1], pairs[1][0], pairs[2][0], text)
    try:
        for fd in (ours.stdin, ours.stdout, ours.stderr):
            os.set_blocking(fd, False)
        enlarge_pipe(ours.stdin)
        enlarge_pipe(ours.stdout)
        send_packet(control, fields, theirs if text is None else [*theirs, text.fileno()])
    except BaseException:
        ours.close()
        raise
    finally:
        for fd in theirs:
            os.close(fd)
    return ours


def _open_pipes(count: int) -> list[tuple[int, int]]:
    """So many pipes, or the `OSError` that says why not, and none."""
    pairs: list[tuple[int, int]] = []
    try:
        for _ in range(count):
            pairs.append(os.pipe2(os.O_CLOEXEC))  # noqa: PERF401 - those that are there have to be known
    except OSError:
        for fd in (fd for pair in pairs for fd in pair):
            os.close(fd)
        raise
    return pairs


def send_packet(control: socket.socket, fields: Sequence[str], fds: Sequence[int] = ()) -> None:
    """Send one request to a launcher, with descriptors for it. Raises as `request_start`."""
    if any("\0" in field for field in fields):
        raise ValueError("arguments, environment and paths cannot hold NUL")
    packet = "\0".join(fields).encode("utf-8", "surrogateescape")
    if len(packet) > MAX_PACKET_BYTES:
        raise OSError(errno.E2BIG, f"arguments and environment are longer than {MAX_PACKET_BYTES} bytes together")
    socket.send_fds(control, [packet], list(fds))


def enlarge_pipe(fd: int) -> None:
    """Give a pipe as much room as the kernel allows."""
    try:
        fcntl.fcntl(fd, _F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError:  # over what this user may have in all pipes together; a small pipe works too
        pass


def feed_pipe(pipe: BufferedWriter, content: bytes) -> None:
    """Write to a pipe without waiting for its reader; what it has no room for is written when bubblewrap reads.

    A user who has many pipes gets small ones only, and a bubblewrap that never reads would keep the caller for ever.
    """
    os.set_blocking(pipe.fileno(), False)
    try:
        content = content[os.write(pipe.fileno(), content) :]
    except BlockingIOError:
        pass
    except BrokenPipeError:
        content = b""
    os.set_blocking(pipe.fileno(), True)
    if not content:
        pipe.close()
        return

    def write_rest() -> None:
        with suppress(BrokenPipeError), pipe:
            pipe.write(content)

    threading.Thread(target=write_rest, name="hopx-bundle", daemon=True).start()
