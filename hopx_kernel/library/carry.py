"""What is copied into a sandbox or out of it: where its bytes come from, and where they go.

A source and a sink are used by one coroutine, and closed by whoever opened them. Imports the standard library and
`inside.copies`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

from .inside.copies import NewFile, find_target, open_source

__all__ = ["COPY_BYTES", "BytesSink", "BytesSource", "FileSink", "FileSource", "Sink", "Source"]

#: What is copied at a time, in bytes.
COPY_BYTES = 1 << 18


class Source(Protocol):
    """Gives bytes.

    Attributes
    ----------
    name : str
        That of the file or variable, without a path.
    size : int
        All its bytes.
    """

    name: str
    size: int

    async def read(self, max_bytes: int) -> bytes:
        """The next bytes, none at the end."""

    async def aclose(self) -> None:
        """Let go of it. May be called twice."""


class Sink(Protocol):
    """Takes bytes."""

    async def write(self, data: bytes) -> None:
        """Take the next bytes."""

    async def keep(self) -> Any:
        """Everything has come; gives what became of it. What is not kept leaves no trace."""

    async def aclose(self) -> None:
        """Let go of it. May be called twice."""


class BytesSource:
    """Bytes in memory."""

    def __init__(self, data: bytes, name: str = "") -> None:
        self.name = name
        self.size = len(data)
        self._data = memoryview(data)
        self._done = 0

    async def read(self, max_bytes: int) -> bytes:
        """See `Source`."""
        data = bytes(self._data[self._done : self._done + max_bytes])
        self._done += len(data)
        return data

    async def aclose(self) -> None:
        """See `Source`."""


class FileSource:
    """One ordinary file of the host. Raises `OSError` with the reason for anything else."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._fd: int | None = open_source(path)
        self.size = os.fstat(self._fd).st_size

    async def read(self, max_bytes: int) -> bytes:
        """See `Source`."""
        assert self._fd is not None
        return os.read(self._fd, max_bytes)

    async def aclose(self) -> None:
        """See `Source`."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


class BytesSink:
    """Collects bytes in memory; `keep` gives them."""

    def __init__(self) -> None:
        self._data = bytearray()

    async def write(self, data: bytes) -> None:
        """See `Sink`."""
        self._data += data

    async def keep(self) -> Any:
        """All the bytes."""
        return bytes(self._data)

    async def aclose(self) -> None:
        """See `Sink`."""
        self._data.clear()


class FileSink:
    """One file of the host, written whole or not at all; `keep` gives its path.

    Raises `OSError` where a symbolic link, a device or a pipe would be written to, and where the disk lacks room.
    """

    def __init__(self, source: str, target: str | Path | None, size: int) -> None:
        self._file = NewFile(find_target(source, target), size)

    async def write(self, data: bytes) -> None:
        """See `Sink`."""
        self._file.write(data)

    async def keep(self) -> Path:
        """Put the file in its place."""
        self._file.keep()
        return self._file.path

    async def aclose(self) -> None:
        """See `Sink`."""
        self._file.close()
