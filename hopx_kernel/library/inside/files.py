"""Questions about files, answered in the sandbox: the host hands this file's text to the sandbox's Python.

The package does not import it. Standard library only, Python 3.9. Arguments: a verb, a path and, for ``write``, the
number of bytes that follow on stdin. The answer is one line of JSON on stdout, ``{"ok": ...}`` or ``{"errno", "reason"}``;
after that of ``read`` come the file's bytes.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import sys
from typing import Any

COPY_BYTES = 1 << 18
KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def answer(**content: Any) -> None:
    sys.stdout.buffer.write(json.dumps(content).encode("ascii") + b"\n")
    sys.stdout.buffer.flush()


def refuse_special(mode: int) -> None:
    for test, words in KINDS:
        if test(mode):
            raise OSError(errno.EINVAL, f"it is {words}, not a file")


def list_directory(path: str) -> None:
    entries = []
    with os.scandir(path) as found:
        for entry in found:
            status = entry.stat(follow_symlinks=False)
            entries.append([entry.name, status.st_mode, status.st_size, status.st_mtime])
    answer(ok=sorted(entries))


def exists(path: str) -> None:
    answer(ok=os.path.exists(path))


def remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.remove(path)
    answer(ok=True)


def read(path: str) -> None:
    # Not to wait for the other end of a named pipe.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    status = os.fstat(fd)
    refuse_special(status.st_mode)
    if not status.st_size and os.read(fd, 1):
        raise OSError(errno.EINVAL, "it does not tell its size, as files in /proc; copy it into an ordinary file first")
    answer(ok=status.st_size)
    rest = status.st_size
    while rest:
        data = os.read(fd, min(rest, COPY_BYTES))
        if not data:
            break
        sys.stdout.buffer.write(data)
        rest -= len(data)
    sys.stdout.buffer.flush()


def write(path: str) -> None:
    name, size = sys.argv[3], int(sys.argv[4])
    if os.path.isdir(path) or path.endswith("/"):
        path = os.path.join(path, name)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY, 0o666)
    refuse_special(os.fstat(fd).st_mode)
    os.ftruncate(fd, 0)
    rest = size
    while rest:
        data = sys.stdin.buffer.read(min(rest, COPY_BYTES))
        if not data:
            raise OSError(errno.EIO, f"{rest} of its {size} bytes did not arrive")
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        rest -= len(data)
    answer(ok=os.path.abspath(path))


VERBS = {"list": list_directory, "exists": exists, "remove": remove, "read": read, "write": write}

try:
    VERBS[sys.argv[1]](sys.argv[2])
except OSError as exc:
    answer(errno=exc.errno or errno.EIO, reason=exc.strerror or str(exc))
