"""The whole printed output of one cell, kept on the host for as long as the kernel runs."""

from __future__ import annotations

import errno
import logging
import os
import threading
from pathlib import Path

from ..scratch import ScratchDirectory, sweep

__all__ = ["Spool", "SpoolDirectory"]

#: What is kept in memory before a file is made: most cells print less.
MEMORY_BYTES = 256 * 1024

_PREFIX = "hopx-output-"

_REMOVED = "it was removed to make room for the output of later cells"

_log = logging.getLogger(__name__)


class SpoolDirectory:
    """A private directory that is made when it is first needed, and goes with all its files when the kernel ends.

    What a kernel could not remove, since it was killed with everything beside it, the next one removes.

    Parameters
    ----------
    limit_bytes : int, optional
        How large all its files may be together: for what is above it the oldest ones go.
    """

    def __init__(self, limit_bytes: int | None = None) -> None:
        self._directory: ScratchDirectory | None = None
        self._limit = limit_bytes
        self._sizes: dict[str, int] = {}

    def path(self, name: str) -> Path:
        """The path of a file in it. Raises `OSError` where the directory cannot be made."""
        if self._directory is None:
            self._directory = ScratchDirectory(_PREFIX)
            threading.Thread(target=sweep, args=(_PREFIX,), name="sweep", daemon=True).start()
        return self._directory.path / name

    def grow(self, name: str, count: int) -> None:
        """Count bytes of a file, and remove older files where all of them have grown too large."""
        self._sizes[name] = self._sizes.get(name, 0) + count
        while self._limit is not None and sum(self._sizes.values()) > self._limit:
            oldest = next(iter(self._sizes))
            if oldest == name:
                return
            self.remove(oldest)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        self._sizes.pop(name, None)
        try:
            self.path(name).unlink(missing_ok=True)
        except OSError as exc:
            _log.warning("The output of a cell could not be removed: %s", exc)

    def close(self) -> None:
        """Remove it."""
        self._sizes.clear()
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
        if self._path is not None and not self._path.exists():
            self._path, self._is_cut = None, True
            self._why = _REMOVED
        if self._path is None:
            return self._why
        return f"{self._path} ({self._why})" if self._why else str(self._path)

    def discard(self) -> None:
        """Forget everything: the whole output was shown."""
        self._parts.clear()
        self._memory_bytes = 0
        if self._path is not None:
            self._directory.remove(self._name)
            self._path = None
        self._is_cut = True

    def close(self) -> None:
        """Take nothing more. The file stays; what never became one is forgotten."""
        if self._path is not None:
            self._write_out()
        self._parts.clear()
        self._memory_bytes = 0
        self._is_cut = True

    def _write_out(self) -> None:
        data, self._parts, self._memory_bytes = b"".join(self._parts), [], 0
        if not data:
            return
        try:
            self._append(data)
        except FileNotFoundError as exc:
            if self._path is None:  # the directory
                self._give_up(f"cut where this computer could not write it: {exc.strerror}")
            else:
                self._path = None
                self._give_up(_REMOVED)
        except OSError as exc:
            is_full = exc.errno in (errno.ENOSPC, errno.EDQUOT)
            place = "where this computer's disk was full" if is_full else "where this computer could not write it"
            self._give_up(f"cut {place}: {exc.strerror or exc}")

    def _append(self, data: bytes) -> None:
        """Add to the file, which is open for no longer than that: a kernel remembers a thousand outputs."""
        path = self._path or self._directory.path(self._name)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | (os.O_CREAT if self._path is None else 0)
        descriptor = os.open(path, flags, 0o600)
        self._path = path
        try:
            left = memoryview(data)
            while left:  # of what a disk has no room for it takes the beginning
                written = os.write(descriptor, left)
                self._directory.grow(self._name, written)
                left = left[written:]
        finally:
            os.close(descriptor)

    def _give_up(self, why: str) -> None:
        _log.warning("The whole output of a cell is not kept: %s", why)
        self._is_cut, self._why = True, why
