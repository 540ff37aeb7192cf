"""The whole printed output of one cell, kept on the host for as long as the kernel runs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import BinaryIO

from ..scratch import ScratchDirectory

__all__ = ["Spool", "SpoolDirectory"]

#: What is kept in memory before a file is made: most cells print less.
MEMORY_BYTES = 256 * 1024

_log = logging.getLogger(__name__)


class SpoolDirectory:
    """A private directory that is made when it is first needed, and goes with all its files when the kernel ends."""

    def __init__(self) -> None:
        self._directory: ScratchDirectory | None = None

    def path(self, name: str) -> Path:
        """The path of a file in it. Raises `OSError` where the directory cannot be made."""
        if self._directory is None:
            self._directory = ScratchDirectory("hopx-output-")
        return self._directory.path / name

    def close(self) -> None:
        """Remove it."""
        if self._directory is not None:
            self._directory.close()
            self._directory = None


class Spool:
    """One cell's output: in memory while it is small, then in a file.

    Parameters
    ----------
    directory : SpoolDirectory
        Where the file goes.
    name : str
        Its name.
    limit_bytes : int, optional
        How large the file may grow: what is behind it comes from a sandbox and may be endless.
    """

    def __init__(self, directory: SpoolDirectory, name: str, limit_bytes: int | None) -> None:
        self._directory = directory
        self._name = name
        self._room = limit_bytes
        self._parts: list[bytes] = []
        self._memory_bytes = 0
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._is_cut = False
        self._why = ""

    def write(self, text: str) -> None:
        """Keep a text. A disk that takes no more is told by `where`."""
        if self._is_cut:
            return
        data = text.encode("utf-8", "surrogatepass")
        if self._room is not None:
            if len(data) > self._room:
                self._is_cut, self._why = True, "cut at its size limit, option spool_limit"
            data = data[: self._room]
            self._room -= len(data)
        self._parts.append(data)
        self._memory_bytes += len(data)
        if self._memory_bytes >= MEMORY_BYTES:
            self._write_out()

    def where(self) -> str:
        """The file's path, with what is missing from it and why; the reason alone where there is no file."""
        self._write_out()
        if self._path is None:
            return self._why
        return f"{self._path} ({self._why})" if self._why else str(self._path)

    def discard(self) -> None:
        """Forget everything: the whole output was shown."""
        self.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    def close(self) -> None:
        """Close the file, which stays; forget what never became one."""
        self._parts.clear()
        self._memory_bytes = 0
        if self._file is not None:
            self._file.close()
            self._file = None
            self._is_cut = True

    def _write_out(self) -> None:
        try:
            if self._parts and self._path is None:
                path = self._directory.path(self._name)
                self._file = path.open("wb", buffering=0)
                self._path = path
            if self._file is not None:
                left = memoryview(b"".join(self._parts))
                while left:  # of what a disk has no room for it takes the beginning
                    left = left[self._file.write(left) :]
        except OSError as exc:
            _log.warning("The whole output of a cell is not kept: %s", exc)
            self._is_cut = True
            self._why = f"cut where this computer could not write it: {exc.strerror or exc}"
        self._parts.clear()
        self._memory_bytes = 0
