"""One file to be copied, at either end of the copy: only what was named is read, and only what was named is written.

Used by the host for its own files, and in a sandbox for those of a person who copies between two. Standard library
only, Python 3.9.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
import unicodedata
from pathlib import Path
from typing import Optional, Union

#: Controls, formats (directions of writing, invisible characters), and separators of lines.
_ODD = ("Cc", "Cf", "Zl", "Zp")

__all__ = ["NewFile", "find_target", "open_source", "own_path"]


def own_path(words: str) -> str:
    """The path that a person's words stand for: ``~`` is their home directory."""
    return os.path.expanduser(words)


def open_source(path: Path) -> int:
    """Open a file that is to be copied. Raises `OSError` with the reason when it is not an ordinary one."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            reason = f"it is a symbolic link, to {str(path.readlink())!r}; name the file itself"
            raise OSError(errno.ELOOP, reason, str(path)) from None
        raise
    status = os.fstat(fd)
    try:
        if not stat.S_ISREG(status.st_mode):
            raise _not_a_file(status.st_mode, path)
        if not status.st_size and os.read(fd, 1):
            reason = "it does not tell its size, as files in /proc; copy it into an ordinary file first"
            raise OSError(errno.EINVAL, reason, str(path))
    except BaseException:
        os.close(fd)
        raise
    return fd


def find_target(source: str, target: Union[str, Path, None]) -> Path:
    """Where the copy of `source` goes. Raises `OSError` with the reason when it cannot go there."""
    path = Path(target) if target is not None else Path.cwd()
    if path.is_dir():
        name = _plain_name(posixpath.basename(source))
        if name in ("", ".", "..") or "\0" in name:
            raise OSError(errno.EINVAL, "it does not end in a file's name; say where it is to go", source)
        path = path / name
    elif str(target).endswith("/"):
        raise NotADirectoryError(errno.ENOTDIR, "there is no such directory", str(target))
    _check_target(path)
    return path


def _plain_name(name: str) -> str:
    """A name of the other end's choosing without what acts on a terminal that lists it, or turns its writing around."""
    return "".join("_" if char != "\0" and unicodedata.category(char) in _ODD else char for char in name)


class NewFile:
    """A file that takes its place only when it is whole; until then it lies beside it under another name."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self._temporary = path.with_name(f".{path.name[:200]}.{os.urandom(4).hex()}.part")
        free = os.statvfs(path.parent)
        if size > free.f_bavail * free.f_frsize:
            raise OSError(errno.ENOSPC, f"it has {size} bytes, and the disk has less room", str(path))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd: Optional[int] = os.open(self._temporary, flags, 0o666)

    def write(self, data: bytes) -> None:
        assert self._fd is not None
        while data:
            data = data[os.write(self._fd, data) :]

    def keep(self) -> None:
        """Take its place."""
        _check_target(self.path)
        self._temporary.replace(self.path)

    def close(self) -> None:
        """Let go of it; what was not kept is gone. May be called twice."""
        fd, self._fd = self._fd, None
        if fd is None:
            return
        os.close(fd)
        try:
            self._temporary.unlink()
        except FileNotFoundError:
            pass  # it has taken its place


def _check_target(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "its directory does not exist", str(path)) from None
        return
    if stat.S_ISLNK(mode):
        reason = f"it is a symbolic link, to {str(path.readlink())!r}; name the file itself"
        raise OSError(errno.ELOOP, reason, str(path))
    if not stat.S_ISREG(mode):
        raise _not_a_file(mode, path)


def _not_a_file(mode: int, path: Path) -> OSError:
    if stat.S_ISDIR(mode):
        return IsADirectoryError(errno.EISDIR, "it is a directory; pack it into one file first", str(path))
    return OSError(errno.EINVAL, "it is a device, a pipe or a socket, not an ordinary file", str(path))
