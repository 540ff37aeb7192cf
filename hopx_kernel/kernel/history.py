"""What was typed, kept on the host: it outlives every sandbox.

The file has IPython's own layout, so that IPython's tools read it. One thread of its own owns it, since neither a disk
that is slow nor another program that holds the file may keep a cell, a reply or the kernel's end waiting.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .history_file import Entry, HistoryFile

__all__ = ["History", "HistoryLimits"]

_log = logging.getLogger(__name__)

#: Writes that wait for the file, at most, and the characters in them; what is more is dropped, counted and said.
MAX_WAITING, MAX_WAITING_CHARACTERS = 1000, 32 << 20

#: How long is waited before a file that another program holds is tried again, in seconds.
RETRY_SECONDS = 0.2

#: How long a question waits for such a file, in seconds.
QUESTION_SECONDS = 3.0

#: How long the kernel's end waits for what is not written yet, in seconds.
CLOSE_SECONDS = 1.0


@dataclass(frozen=True)
class HistoryLimits:
    """How much is kept.

    Attributes
    ----------
    total_bytes : int or None
        Size of the whole file; when it is larger, the oldest sessions go.
    days : float
        Sessions that began before these go; 0 for none.
    source_characters : int
        A cell's source that is longer is not kept: of half a cell nobody has anything.
    output_characters : int
        A result's text is cut behind these.
    """

    total_bytes: int | None = 32 << 20
    days: float = 365.0
    source_characters: int = 1 << 20
    output_characters: int = 1 << 16


class History:
    """The history of one kernel, in a file it may share with others.

    Parameters
    ----------
    path : str
        SQLite file, made with its directory when it is missing; ``":memory:"`` for none. One that cannot be used is
        replaced by ``":memory:"`` and said in the log.
    limits : HistoryLimits, optional
        How much is kept.
    """

    def __init__(self, path: str, limits: HistoryLimits | None = None) -> None:
        self._path = path
        self._limits = limits or HistoryLimits()
        self._news = threading.Condition()
        self._writes: deque[tuple[int, Callable[[HistoryFile], None]]] = deque()
        self._questions: deque[_Question] = deque()
        self._waiting_characters = 0
        self._lost = 0
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self._file: HistoryFile | None = None
        self._is_trimmed = False
        self._is_suspect = False

    def store(self, line: int, source: str) -> None:
        """Keep a cell's source under its execution count; returns at once."""
        if len(source) > self._limits.source_characters:
            _log.info("A cell of %d characters is not kept in the history", len(source))
            return
        self._write(len(source), lambda file: file.store(line, source))

    def store_output(self, line: int, text: str) -> None:
        """Keep the plain text of a cell's result, or its beginning; returns at once."""
        left = len(text) - self._limits.output_characters
        if left > 0:
            text = f"{text[: self._limits.output_characters]}\n[{left:,} more characters were not kept.]"
        self._write(len(text), lambda file: file.store_output(line, text))

    def request(self, content: dict[str, Any]) -> Future[list[Entry]]:
        """The entries that a ``history_request`` asks for: ``(session, line, input)``, or with ``output`` set
        ``(session, line, (input, output))``.

        The future raises `ValueError`, `TypeError` or `KeyError` where the request is malformed, and `TimeoutError`
        where another program holds the file.
        """
        question = _Question(content)
        with self._news:
            if self._is_closed:
                question.future.set_exception(TimeoutError("the history is closed"))
                return question.future
            self._questions.append(question)
            self._wake()
        return question.future

    def close(self) -> None:
        """Write what is left, as far as that takes no time, and close the file. A second time, nothing happens."""
        with self._news:
            self._is_closed = True
            self._news.notify_all()
            thread, self._thread = self._thread, None
        if thread is None:
            return
        # A daemon: where the file is held by another program still, the kernel ends without it.
        thread.join(CLOSE_SECONDS)
        if lost := self._lost + len(self._writes):
            _log.warning("%d entries of the history were not saved", lost)

    def _write(self, size: int, function: Callable[[HistoryFile], None]) -> None:
        with self._news:
            if self._is_closed:
                return
            is_full = len(self._writes) >= MAX_WAITING or self._waiting_characters + size > MAX_WAITING_CHARACTERS
            if is_full and self._writes:
                self._lost += 1
                return
            self._writes.append((size, function))
            self._waiting_characters += size
            self._wake()

    def _wake(self) -> None:
        if self._thread is None:  # by the first cell: a kernel that starts does without
            self._thread = threading.Thread(target=self._serve, name="history", daemon=True)
            self._thread.start()
        self._news.notify_all()

    # ------------------------------------------------------------------ the thread

    def _serve(self) -> None:
        while True:
            is_held = not self._serve_once()
            with self._news:
                if self._is_closed and (is_held or not (self._writes or self._questions)):
                    break
                if is_held:
                    self._news.wait(RETRY_SECONDS)
                elif not (self._writes or self._questions):
                    self._news.wait()
        self._end()

    def _serve_once(self) -> bool:
        """Do what there is to do; False where another program holds the file."""
        while self._writes:
            size, function = self._writes[0]
            if not self._try(function, "A line of history was not saved"):
                break
            with self._news:
                self._writes.popleft()
                self._waiting_characters -= size
        for _ in range(len(self._questions)):
            question = self._questions.popleft()
            if not question.ask(self._open, self._open_again):
                self._questions.append(question)
        if not self._writes and not self._questions and self._file is not None and not self._is_trimmed:
            self._is_trimmed = self._try(lambda file: file.trim(), "Old history was not taken out")
        return not self._writes and not self._questions

    def _try(self, function: Callable[[HistoryFile], None], complaint: str) -> bool:
        from .history_file import is_broken, is_busy

        try:
            try:
                function(self._open())
            except Exception as exc:
                if not is_broken(exc):
                    raise
                # Whoever has removed the file, or written over it, did not mean the lines that are still to come.
                function(self._open_again())
        except Exception as exc:  # noqa: BLE001 - sqlite raises what it likes; a lost line of history stops nobody
            if is_busy(exc):
                return False
            _log.warning("%s: %s", complaint, exc)
        return True

    def _open(self) -> HistoryFile:
        from .history_file import open_history_file

        if self._file is None:
            self._file = open_history_file(self._path, self._limits, check=self._is_suspect)
        return self._file

    def _open_again(self) -> HistoryFile:
        if self._file is not None:
            self._file.abandon()
        self._file, self._is_suspect = None, True
        return self._open()

    def _end(self) -> None:
        for question in self._questions:
            question.give_up()
        if self._file is not None:
            self._try(lambda file: file.end(), "The end of the session was not saved")


class _Question:
    """A question that may have to be asked again."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.future: Future[list[Entry]] = Future()
        self._content = content
        self._deadline = time.monotonic() + QUESTION_SECONDS

    def ask(self, open_file: Callable[[], HistoryFile], open_again: Callable[[], HistoryFile]) -> bool:
        """Answer it; False where another program holds the file, and there is still time to try again."""
        from .history_file import is_broken, is_busy

        if self.future.cancelled():
            return True
        try:
            try:
                entries = open_file().request(self._content)
            except Exception as exc:
                if not is_broken(exc):
                    raise
                entries = open_again().request(self._content)
        except Exception as exc:  # noqa: BLE001 - whoever asks gets it
            error = exc
            if not is_busy(error):
                self._tell(lambda: self.future.set_exception(error))
            elif time.monotonic() < self._deadline:
                return False
            else:
                self.give_up()
        else:
            self._tell(lambda: self.future.set_result(entries))
        return True

    def give_up(self) -> None:
        """Say that the file could not be read in time."""
        error = TimeoutError("the history's file is held by another program")
        self._tell(lambda: self.future.set_exception(error))

    def _tell(self, say: Callable[[], None]) -> None:
        if self.future.set_running_or_notify_cancel():
            say()
