"""``!cmd``: a shell command on a terminal of its own, as people expect of a notebook.

A terminal makes programs write line by line and in colour. Where none can be had, the command writes to the
interpreter's own file descriptors.
"""

from __future__ import annotations

import codecs
import errno
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
from typing import Optional

__all__ = ["run_command"]

#: Rows and columns of the terminal: wide enough for a table, narrow enough for a notebook's page.
TERMINAL_SIZE = (24, 80)

#: How long a command may take to go after an interrupt, in seconds, before it is killed.
GRACE_SECONDS = 1.0


def run_command(command: str) -> int:
    """Run a command by the user's shell and show its output; gives its exit code, ``-N`` for signal N."""
    shell = os.environ.get("SHELL") or "/bin/sh"
    if not os.access(shell, os.X_OK):
        shell = "/bin/sh"
    try:
        master, slave = os.openpty()
    except OSError:
        return _wait(subprocess.Popen(command, shell=True, executable=shell), None)
    try:
        _set_up_terminal(slave)
        with open(os.devnull, "rb") as null:
            process = subprocess.Popen(
                command, shell=True, executable=shell, stdin=null, stdout=slave, stderr=slave, close_fds=True
            )
    except BaseException:
        os.close(master)
        raise
    finally:
        os.close(slave)
    return _wait(process, master)


def _set_up_terminal(fd: int) -> None:
    try:
        attributes = termios.tcgetattr(fd)
        attributes[1] &= ~termios.ONLCR  # lines end as the program ended them
        attributes[3] &= ~termios.ECHO
        termios.tcsetattr(fd, termios.TCSANOW, attributes)
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", *TERMINAL_SIZE, 0, 0))
    except (OSError, termios.error):
        pass


def _wait(process: "subprocess.Popen[bytes]", master: Optional[int]) -> int:
    try:
        if master is not None:
            _show(process, master)
        return process.wait()
    except BaseException:
        _stop(process)
        raise
    finally:
        if master is not None:
            os.close(master)


def _show(process: "subprocess.Popen[bytes]", master: int) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        # A background grandchild may keep the terminal open: the command's own end is an end too.
        ready = select.select([master], [], [], 0.1)[0]
        if not ready:
            if process.poll() is not None:
                break
            continue
        try:
            data = os.read(master, 1 << 16)
        except OSError as exc:
            if exc.errno != errno.EIO:
                raise
            data = b""
        if not data:
            break
        sys.stdout.write(decoder.decode(data))
        sys.stdout.flush()
    sys.stdout.write(decoder.decode(b"", True))


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """The interrupt has reached the command too, as it is of our process group; help it along."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        try:
            process.wait(GRACE_SECONDS)
            return
        except subprocess.TimeoutExpired:
            process.send_signal(signum)
    process.wait()
