"""The history's file: IPython's own tables, for its owner's eyes alone, bounded in size and age.

All of it runs in the history's thread. Imports the standard library only.
"""

from __future__ import annotations

import datetime
import errno
import fnmatch
import logging
import os
import re
import sqlite3
import stat
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .history import HistoryLimits

__all__ = ["Entry", "HistoryFile", "is_broken", "is_busy", "open_history_file"]

Entry = tuple[int, int, Any]

#: IPython's tables.
_TABLES = (
    "sessions (session integer primary key autoincrement, start timestamp, end timestamp, num_cmds integer, remark text)",
    "history (session integer, line integer, source text, source_raw text, PRIMARY KEY (session, line))",
    "output_history (session integer, line integer, output text, PRIMARY KEY (session, line))",
)

#: How long one statement waits for another program that holds the file, in seconds; whoever calls tries again.
_BUSY_SECONDS = 0.1

#: How long one question may compute, in seconds: patterns can be made that take for ever.
_QUESTION_SECONDS = 2.0

#: Every so many writes it is looked whether the file has grown too large.
_WRITES_BETWEEN_TRIMS = 50

#: Beside the file itself, what SQLite may have put there: it says as much as the file.
_COMPANIONS = ("-wal", "-shm", "-journal")

#: What such a file begins with; an empty one is none yet.
_MAGIC = b"SQLite format 3\0"

#: A pattern that is longer takes longer to read than any history to search.
_MAX_PATTERN_CHARACTERS = 10_000

_log = logging.getLogger(__name__)


def is_busy(exc: BaseException) -> bool:
    """Whether another program holds the file, and may let go of it."""
    return isinstance(exc, sqlite3.OperationalError) and any(word in str(exc) for word in ("locked", "busy"))


def is_broken(exc: BaseException) -> bool:
    """Whether the file has gone, or is none any more: another that is opened in its place can be used."""
    if isinstance(exc, sqlite3.OperationalError):
        return any(words in str(exc) for words in ("readonly", "no such table"))
    return isinstance(exc, sqlite3.DatabaseError)


def open_history_file(path: str, limits: HistoryLimits, *, check: bool = False) -> HistoryFile:
    """Open a file, made with its directory when it is missing; with `check` all of it is looked at.

    One that is no history is set aside; where none can be had, it is in memory, and the log says so. Raises
    `sqlite3.OperationalError` while another program holds it.
    """
    try:
        if path != ":memory:":
            _make_private(path)
        try:
            return _connect(path, limits, check)
        except sqlite3.DatabaseError as exc:
            if isinstance(exc, sqlite3.OperationalError):
                raise
            aside = f"{path}.corrupt"
            Path(path).replace(aside)
            _log.warning("%s was no history file, and is %s now: %s", path, aside, exc)
            _make_private(path)
            return _connect(path, limits)
    except Exception as exc:
        if is_busy(exc):
            raise
        _log.warning("History is not saved, since %s cannot be used: %s", path, exc)
        return _connect(":memory:", limits)


def _make_private(path: str) -> None:
    """Make a file that only its owner can read, from its first byte on; and one that is there already so.

    Raises `OSError` for what is no file: a device that a link leads to is everybody's. A link's target is changed only
    where it is a history.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", path)
        is_ours = not Path(path).is_symlink() or os.pread(fd, len(_MAGIC), 0) in (b"", _MAGIC)
        if found.st_mode & 0o077 and is_ours:
            with suppress(OSError):  # it is another's
                os.fchmod(fd, 0o600)
    finally:
        os.close(fd)
    for name in _COMPANIONS:
        with suppress(OSError):  # it is not there, or another's
            found = os.lstat(path + name)
            if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:
                Path(path + name).chmod(0o600)


def _connect(path: str, limits: HistoryLimits, check: bool = False) -> HistoryFile:
    db = sqlite3.connect(path, timeout=_BUSY_SECONDS)
    try:
        if check and (fault := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(fault)
        # SQLite's own takes a time that is a power of the pattern's stars, and cannot be broken off.
        db.create_function("GLOB", 2, _fits, deterministic=True)
        return HistoryFile(db, limits)
    except BaseException:
        db.close()  # Python 3.13 warns of those that are left open
        raise


def _fits(pattern: str, text: object) -> bool:
    """Whether a text fits a pattern, as SQLite's ``text GLOB pattern``."""
    return isinstance(text, str) and _compiled(pattern).match(text) is not None


@lru_cache(maxsize=1)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern.replace("[^", "[!")))


class HistoryFile:
    """One session in a history file.

    Parameters
    ----------
    db : sqlite3.Connection
        The file.
    limits : HistoryLimits
        How much of it is kept.
    """

    def __init__(self, db: sqlite3.Connection, limits: HistoryLimits) -> None:
        self._db = db
        self._limits = limits
        self._lines = 0
        self._writes = 0
        with self._db:
            for table in _TABLES:
                self._db.execute(f"CREATE TABLE IF NOT EXISTS {table}")
            started = datetime.datetime.now().isoformat(" ")
            row = self._db.execute("INSERT INTO sessions VALUES (NULL, ?, NULL, NULL, '')", (started,))
            self._session = int(row.lastrowid or 0)

    def store(self, line: int, source: str) -> None:
        """Keep a cell's source."""
        with self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?)", (self._session, line, source, source)
            )
        self._lines += 1
        self._note_write()

    def store_output(self, line: int, text: str) -> None:
        """Keep the text of a cell's result."""
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO output_history VALUES (?, ?, ?)", (self._session, line, text))
        self._note_write()

    def abandon(self) -> None:
        """Close a file that cannot be used any more."""
        self._db.close()

    def end(self) -> None:
        """Note the session's end and close the file."""
        try:
            with self._db:
                now = datetime.datetime.now().isoformat(" ")
                self._db.execute(
                    "UPDATE sessions SET end=?, num_cmds=? WHERE session==?", (now, self._lines, self._session)
                )
        finally:
            self._db.close()

    # ------------------------------------------------------------------ questions

    def request(self, content: dict[str, Any]) -> list[Entry]:
        """What a ``history_request`` asks for. Raises `ValueError`, `TypeError` or `KeyError` where it is malformed."""
        deadline = time.monotonic() + _QUESTION_SECONDS
        self._db.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        try:
            return list(self._answer(content))
        except sqlite3.OperationalError as exc:
            if time.monotonic() > deadline:
                raise ValueError("the pattern takes too long to look for") from exc
            raise
        finally:
            self._db.set_progress_handler(None, 0)

    def _answer(self, content: dict[str, Any]) -> Iterable[Entry]:
        access, raw, output = content["hist_access_type"], bool(content.get("raw", True)), bool(content.get("output"))
        n = content.get("n")
        n = None if n is None else int(n)
        if access == "tail":
            end, values = "ORDER BY session DESC, line DESC LIMIT ?", [10 if n is None else n]
            return list(self._select(raw, output, end, values))[::-1]
        if access == "search":
            pattern = str(content.get("pattern") or "*")
            if len(pattern) > _MAX_PATTERN_CHARACTERS:
                raise ValueError(f"the pattern has more than {_MAX_PATTERN_CHARACTERS:,} characters")
            return self._search(pattern, raw, output, n, bool(content.get("unique")))
        if access == "range":
            return self._range(content, raw, output)
        raise ValueError(f"hist_access_type {access!r} is none of 'range', 'tail', 'search'")

    def _search(self, pattern: str, raw: bool, output: bool, n: int | None, unique: bool) -> Iterable[Entry]:
        """What fits a pattern of the shell's kind; with `unique` of equal inputs the last, with `n` the last of all."""
        end, values = "WHERE source_raw GLOB ?", [pattern]
        if unique:
            end += " GROUP BY source_raw HAVING MAX(session * 131072 + line)"
        if n is None:
            return self._select(raw, output, end + " ORDER BY session, line", values)
        end += " ORDER BY session DESC, line DESC LIMIT ?"
        return list(self._select(raw, output, end, [*values, n]))[::-1]

    def _range(self, content: dict[str, Any], raw: bool, output: bool) -> Iterable[Entry]:
        session = int(content.get("session") or 0)
        if session <= 0:  # 0 is this session, -1 the one before it
            session += self._session
        start, stop = int(content.get("start") or 0), content.get("stop")
        end, values = "WHERE session = ? AND line >= ?", [session, start]
        if stop:
            end, values = end + " AND line < ?", [*values, int(stop)]
        return self._select(raw, output, end, values)

    def _select(self, raw: bool, output: bool, end: str, values: Sequence[Any]) -> Iterable[Entry]:
        """The entries that the `end` of a query lets through; `end` is of this module's making, `values` are not."""
        source = "source_raw" if raw else "source"
        query = f"SELECT session, line, {source}, output FROM history LEFT JOIN output_history USING (session, line) "
        rows = self._db.execute(query + end, values)
        return ((session, line, (text, shown) if output else text) for session, line, text, shown in rows)

    # ------------------------------------------------------------------ bounds

    def trim(self) -> None:
        """Take out what is too old, too long or too much, and give its room back to the disk."""
        limits = self._limits
        self._db.execute("PRAGMA secure_delete = ON")
        with self._db:
            if limits.days:
                oldest = (datetime.datetime.now() - datetime.timedelta(days=limits.days)).isoformat(" ")
                self._forget("start < ?", [oldest])
            self._db.execute(
                "UPDATE output_history SET output = substr(output, 1, ?) || ? WHERE length(output) > ?",
                (limits.output_characters, "\n[More was not kept.]", 2 * limits.output_characters),
            )
            self._db.execute("DELETE FROM history WHERE length(source_raw) > ?", (limits.source_characters,))
        if limits.total_bytes is not None:
            while self._used_bytes() > limits.total_bytes and self._forget_half():
                continue
        if self._free_bytes() > max(self._used_bytes() // 2, 1 << 20):
            self._db.execute("VACUUM")

    def _note_write(self) -> None:
        self._writes += 1
        if self._writes % _WRITES_BETWEEN_TRIMS == 0 and self._used_bytes() > (
            self._limits.total_bytes or float("inf")
        ):
            self.trim()

    def _forget(self, condition: str, values: Sequence[Any]) -> None:
        """Delete the sessions that a condition of this module's making holds for, but never the present one."""
        old = f"SELECT session FROM sessions WHERE {condition} AND session <> ?"
        for table in ("history", "output_history"):
            self._db.execute(f"DELETE FROM {table} WHERE session IN ({old})", [*values, self._session])
        self._db.execute(f"DELETE FROM sessions WHERE {condition} AND session <> ?", [*values, self._session])

    def _forget_half(self) -> bool:
        """Delete the older half of the other sessions, or where there is none that of this one's lines; False for none."""
        with self._db:
            others = self._db.execute(
                "SELECT session FROM sessions WHERE session <> ? ORDER BY session", [self._session]
            )
            sessions = [session for (session,) in others]
            if sessions:
                self._forget("session <= ?", [sessions[len(sessions) // 2]])
                return True
            lines = self._db.execute(
                "SELECT line FROM history WHERE session = ? UNION SELECT line FROM output_history WHERE session = ?",
                (self._session, self._session),
            )
            numbers = sorted(line for (line,) in lines)
            if len(numbers) < 2:
                return False
            for table in ("history", "output_history"):
                middle = numbers[(len(numbers) - 1) // 2]
                self._db.execute(f"DELETE FROM {table} WHERE session = ? AND line <= ?", (self._session, middle))
        return True

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    def _used_bytes(self) -> int:
        return (self._pragma("page_count") - self._pragma("freelist_count")) * self._pragma("page_size")

    def _free_bytes(self) -> int:
        return self._pragma("freelist_count") * self._pragma("page_size")
