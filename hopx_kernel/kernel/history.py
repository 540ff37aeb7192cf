"""What was typed, kept on the host: it outlives every sandbox.

The file has IPython's own layout, so that IPython's tools read it. One thread of its own owns the database, since a
disk that is slow must not keep a cell waiting.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3

__all__ = ["History"]

_log = logging.getLogger(__name__)

Entry = tuple[int, int, Any]

#: IPython's tables.
_TABLES = (
    "sessions (session integer primary key autoincrement, start timestamp, end timestamp, num_cmds integer, remark text)",
    "history (session integer, line integer, source text, source_raw text, PRIMARY KEY (session, line))",
    "output_history (session integer, line integer, output text, PRIMARY KEY (session, line))",
)


class History:
    """The history of one kernel, in a file it may share with others.

    Parameters
    ----------
    path : str
        SQLite file, made with its directory when it is missing; ``":memory:"`` for none. One that cannot be used is
        replaced by ``":memory:"`` and said in the log.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="history")
        self._database: _Database | None = None
        self._is_closed = False

    def store(self, line: int, source: str) -> None:
        """Keep a cell's source under its execution count; returns at once."""
        self._submit(lambda database: database.store(line, source))

    def store_output(self, line: int, text: str) -> None:
        """Keep the plain text of a cell's result; returns at once."""
        self._submit(lambda database: database.store_output(line, text))

    def request(self, content: dict[str, Any]) -> Future[list[Entry]]:
        """The entries that a ``history_request`` asks for: ``(session, line, input)``, or with ``output`` set
        ``(session, line, (input, output))``.

        The future raises `ValueError`, `TypeError` or `KeyError` where the request is malformed.
        """
        return self._executor.submit(lambda: list(self._open().request(content)))

    def close(self) -> None:
        """Write what is left and close the file. A second time, nothing happens."""
        if not self._is_closed:
            self._is_closed = True
            self._executor.submit(self._close)
            self._executor.shutdown()

    def _close(self) -> None:
        if self._database is not None:
            self._database.end()

    def _open(self) -> _Database:
        if self._database is None:
            self._database = _open_database(self._path)
        return self._database

    def _submit(self, function: Any) -> None:
        def run() -> None:
            try:
                function(self._open())
            except Exception:  # noqa: BLE001 - sqlite raises what it likes; a lost line of history stops nobody
                _log.warning("A line of history was not saved", exc_info=True)

        self._executor.submit(run)


def _open_database(path: str) -> _Database:
    import sqlite3  # by the first cell: a kernel that starts does without

    try:
        if path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        try:
            return _connect(path)
        except sqlite3.DatabaseError as exc:
            if isinstance(exc, sqlite3.OperationalError):
                raise
            aside = f"{path}.corrupt"
            Path(path).replace(aside)
            _log.warning("%s was no history file, and is %s now: %s", path, aside, exc)
            return _connect(path)
    except Exception as exc:  # noqa: BLE001 - as above
        _log.warning("History is not saved, since %s cannot be used: %s", path, exc)
        return _connect(":memory:")


def _connect(path: str) -> _Database:
    import sqlite3

    db = sqlite3.connect(path)
    try:
        return _Database(db)
    except BaseException:
        db.close()  # Python 3.13 warns of those that are left open
        raise


class _Database:
    """One session in a history file. All of it runs in the history's thread."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        with self._db:
            for table in _TABLES:
                self._db.execute(f"CREATE TABLE IF NOT EXISTS {table}")
            started = datetime.datetime.now().isoformat(" ")
            row = self._db.execute("INSERT INTO sessions VALUES (NULL, ?, NULL, NULL, '')", (started,))
            self._session = int(row.lastrowid or 0)
        self._lines = 0

    def store(self, line: int, source: str) -> None:
        with self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?)", (self._session, line, source, source)
            )
        self._lines += 1

    def store_output(self, line: int, text: str) -> None:
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO output_history VALUES (?, ?, ?)", (self._session, line, text))

    def request(self, content: dict[str, Any]) -> Iterable[Entry]:
        access, raw, output = content["hist_access_type"], bool(content.get("raw", True)), bool(content.get("output"))
        n = content.get("n")
        n = None if n is None else int(n)
        if access == "tail":
            end, values = "ORDER BY session DESC, line DESC LIMIT ?", [10 if n is None else n]
            return list(self._select(raw, output, end, values))[::-1]
        if access == "search":
            return self._search(str(content.get("pattern") or "*"), raw, output, n, bool(content.get("unique")))
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

    def end(self) -> None:
        with self._db:
            now = datetime.datetime.now().isoformat(" ")
            self._db.execute(
                "UPDATE sessions SET end=?, num_cmds=? WHERE session==?", (now, self._lines, self._session)
            )
        self._db.close()
