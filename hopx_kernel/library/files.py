"""Files in a sandbox: read, write, list, and copy from and to the host.

Whatever a sandbox says about its files is checked; where a copy goes on the host is decided by its caller alone.
"""

from __future__ import annotations

import functools
import math
import posixpath
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import SandboxError
from . import bridge
from .carry import FileSink, FileSource, Sink, Source
from .checks import checked_path
from .conversation import ProgressHandler, Received, converse, parse_answer, receive_bytes, send_bytes
from .inside.copies import find_target
from .owner import SandboxOwner

if TYPE_CHECKING:
    from .sandbox import Sandbox

__all__ = ["FileEntry", "Files"]


@dataclass(frozen=True)
class FileEntry:
    """One entry of a directory in a sandbox; of a symbolic link, the link's own.

    Attributes
    ----------
    name : str
        Without a directory.
    path : str
        The listed directory and the name.
    size_bytes : int
        Of a file, its length.
    modified : float
        When it was last written, in seconds since 1970.
    mode : int
        Kind and permissions, as `os.stat` gives them.
    """

    name: str
    path: str
    size_bytes: int
    modified: float
    mode: int

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it is an ordinary file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_symlink(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)


FileEntries: TypeAlias = "list[FileEntry]"  # in the class below, `list` is a method


class Files:
    """Files in one sandbox; `Sandbox.files`. Each method has a twin that is awaited, ``..._async``.

    Paths are the sandbox's; a relative one starts at its working directory. Errors are the `OSError` that fits, and
    `SandboxLostError`.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    # ------------------------------------------------------------------ content

    def write(self, path: str, data: str | bytes) -> None:
        """Write a file, making its directories.

        Parameters
        ----------
        path : str
            Where to; what is there already is replaced.
        data : str or bytes
            Text is written as UTF-8, with its line ends as they are.

        Raises
        ------
        OSError
            ``ENOSPC`` names the limit, ``EROFS`` is a place that cannot be written, ``EINVAL`` a pipe or a device.
        SandboxLostError
            The sandbox is gone.
        """
        bridge.call(self._write, path, data)

    async def write_async(self, path: str, data: str | bytes) -> None:
        """As `write`."""
        await bridge.call_async(self._write, path, data)

    def read(self, path: str) -> str:
        """A file's text.

        Raises
        ------
        FileNotFoundError, IsADirectoryError, OSError
            There is no file, or no ordinary one; ``EFBIG``: it is larger than a gigabyte and than the sandbox's disk.
        ValueError
            It is not UTF-8; `read_bytes` takes it.
        SandboxLostError
            The sandbox is gone.
        """
        return _decode(path, bridge.call(self._read, path))

    async def read_async(self, path: str) -> str:
        """As `read`."""
        return _decode(path, await bridge.call_async(self._read, path))

    def read_bytes(self, path: str) -> bytes:
        """A file's bytes. Raises as `read`, but for `ValueError`."""
        return bridge.call(self._read, path)

    async def read_bytes_async(self, path: str) -> bytes:
        """As `read_bytes`."""
        return await bridge.call_async(self._read, path)

    # ------------------------------------------------------------------ names

    def list(self, path: str = ".") -> FileEntries:
        """A directory's entries, by name, hidden ones too. Raises `FileNotFoundError` and `NotADirectoryError`."""
        return bridge.call(self._list, path)

    async def list_async(self, path: str = ".") -> FileEntries:
        """As `list`."""
        return await bridge.call_async(self._list, path)

    def exists(self, path: str) -> bool:
        """Whether there is something at a path; a symbolic link counts as what it leads to."""
        return bridge.call(self._exists, path)

    async def exists_async(self, path: str) -> bool:
        """As `exists`."""
        return await bridge.call_async(self._exists, path)

    def remove(self, path: str) -> None:
        """Remove a file, a symbolic link, or a directory with everything in it.

        Raises `FileNotFoundError`, and `OSError` with ``EROFS`` for what cannot be removed.
        """
        bridge.call(self._remove, path)

    async def remove_async(self, path: str) -> None:
        """As `remove`."""
        await bridge.call_async(self._remove, path)

    # ------------------------------------------------------------------ copies

    def upload(
        self, source: str | Path, target: str | None = None, *, on_progress: ProgressHandler | None = None
    ) -> str:
        """Copy one file of the host into the sandbox; gives its path there.

        Only an ordinary file is read: a directory, a device, a pipe or a symbolic link is refused (`OSError`), so
        that nothing else than what was named gets in. Without `target` it goes to the working directory; a `target`
        that is a directory, or ends with ``/``, takes it under its own name.
        """
        return bridge.call(self._upload, source, target, on_progress)

    async def upload_async(
        self, source: str | Path, target: str | None = None, *, on_progress: ProgressHandler | None = None
    ) -> str:
        """As `upload`."""
        return await bridge.call_async(self._upload, source, target, on_progress)

    def download(
        self, source: str, target: str | Path | None = None, *, on_progress: ProgressHandler | None = None
    ) -> Path:
        """Copy one file of the sandbox to the host; gives its path here.

        Only `target` is written, whole or not at all: a `target` that is a symbolic link, a device or a pipe is
        refused (`OSError`). Without it the file goes to the current directory; into a directory it goes under its own
        name. What is not an ordinary file in the sandbox is refused too.
        """
        return bridge.call(self._download, source, target, on_progress)

    async def download_async(
        self, source: str, target: str | Path | None = None, *, on_progress: ProgressHandler | None = None
    ) -> Path:
        """As `download`."""
        return await bridge.call_async(self._download, source, target, on_progress)

    # ------------------------------------------------------------------ inside, in the bridge's loop

    @property
    def _owner(self) -> SandboxOwner:
        owner = self._sandbox._owner
        owner.check_alive()
        return owner

    async def _write(self, path: str, data: str | bytes) -> None:
        if not isinstance(data, (str, bytes, bytearray, memoryview)):
            raise TypeError(f"a file's content is str or bytes, not {type(data).__name__}")
        content = data.encode("utf-8") if isinstance(data, str) else bytes(data)
        await self._owner.sandbox.write_file(checked_path(path), content)

    async def _read(self, path: str, max_bytes: int | None = None) -> bytes:
        return await self._owner.sandbox.read_file(checked_path(path), max_bytes=max_bytes)

    async def _list(self, path: str) -> FileEntries:
        rows = await self._ask("list", path)
        return _entries(path, rows)

    async def _exists(self, path: str) -> bool:
        return await self._ask("exists", path) is True

    async def _remove(self, path: str) -> None:
        await self._ask("remove", path)

    async def _ask(self, verb: str, path: str) -> Any:
        async def read_answer(received: Received) -> Any:
            return parse_answer(path, await received.line())

        return await converse(self._owner, read_answer, verb, path)

    async def _upload(self, source: str | Path, target: str | None, on_progress: ProgressHandler | None) -> str:
        file = FileSource(Path(source))
        try:
            return await self._send(file, target, on_progress)
        finally:
            await file.aclose()

    async def _send(self, source: Source, target: str | None, on_progress: ProgressHandler | None) -> str:
        """Copy bytes into the sandbox; gives the path there, as `upload`."""
        target = target or "./"
        send = functools.partial(send_bytes, source=source, target=target, on_progress=on_progress)
        return await converse(self._owner, send, "write", target, source.name, str(source.size))

    async def _download(self, source: str, target: str | Path | None, on_progress: ProgressHandler | None) -> Path:
        find_target(source, target)  # before anything is asked of the sandbox

        async def open_sink(size: int) -> Sink:
            return FileSink(source, target, size)

        path: Path = await self._receive(source, open_sink, on_progress)
        return path

    async def _receive(
        self, source: str, open_sink: Callable[[int], Awaitable[Sink]], on_progress: ProgressHandler | None
    ) -> Any:
        """Copy a file's bytes out of the sandbox, to where `open_sink` says for their number; gives what became of it."""
        receive = functools.partial(receive_bytes, source=source, open_sink=open_sink, on_progress=on_progress)
        return await converse(self._owner, receive, "read", source)


def _decode(path: str, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ValueError(f"{path!r} is not UTF-8 text ({exc.reason} at byte {exc.start}); use read_bytes") from exc


def _entries(directory: str, rows: Any) -> FileEntries:
    try:
        return [_entry(directory, *row) for row in rows]
    except (TypeError, ValueError, OverflowError) as exc:
        raise SandboxError(f"the sandbox's listing of {directory!r} makes no sense") from exc


def _entry(directory: str, name: Any, mode: Any, size: Any, modified: Any) -> FileEntry:
    """Raises `ValueError` for what no directory has: with such a name a caller would write elsewhere than it means to."""
    if type(name) is not str or name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError("no name of a file")
    if any(type(number) is not int or number < 0 for number in (mode, size)) or not math.isfinite(modified):
        raise ValueError("no status of a file")
    return FileEntry(name, posixpath.join(directory, name), size, float(modified), mode)
