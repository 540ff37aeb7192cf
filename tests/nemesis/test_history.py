"""Each rule of a history is broken once, and is seen to be."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from .history import Cell, History, Stop

Event = tuple[str, dict[str, Any]]

BUSY: Event = ("status", {"execution_state": "busy"})
IDLE: Event = ("status", {"execution_state": "idle"})
OK = {"status": "ok"}
INTERRUPTED = {"status": "error", "ename": "KeyboardInterrupt", "evalue": ""}
ERROR: Event = ("error", INTERRUPTED)


def stream(text: str, name: str = "stdout") -> Event:
    return ("stream", {"name": name, "text": text})


def add(history: History, events: list[Event], reply: dict[str, Any], count: int = 0, kind: str = "count") -> Cell:
    """Add a cell that ran for ten seconds after those before it."""
    number = len(history.cells) + 1
    cell = Cell(number, kind, count, 20.0 * number)
    cell.messages = [{"msg_type": msg_type, "content": content} for msg_type, content in events]
    cell.replies = [{"content": reply}]
    cell.began, cell.ended = cell.sent, cell.sent + 10
    history.cells[f"cell-{number}"] = cell
    return cell


def whole(history: History) -> None:
    add(history, [BUSY, stream("have .\nline 0\nline 1\n"), IDLE], OK, 2)
    add(history, [BUSY, stream("have set_by_1 .\nreached 0\nline 0\n"), ERROR, IDLE], INTERRUPTED, 5)
    history.stops["stop"] = Stop(45.0, [{"content": OK}], 46.0)
    add(history, [BUSY, stream("A fresh sandbox was started", "stderr"), stream("have .\n"), IDLE], OK)


def no_reply(history: History) -> None:
    add(history, [BUSY, IDLE], OK).replies.clear()


def two_idles(history: History) -> None:
    add(history, [BUSY, IDLE, IDLE], OK)


def late_output(history: History) -> None:
    add(history, [BUSY, IDLE, stream("late")], OK)


def two_errors(history: History) -> None:
    add(history, [BUSY, ERROR, ERROR, IDLE], INTERRUPTED)
    history.stops["stop"] = Stop(25.0, [{"content": OK}], 26.0)


def lost_line(history: History) -> None:
    add(history, [BUSY, stream("line 0\nline 2\n"), IDLE], OK, 3)


def lost_end(history: History) -> None:
    add(history, [BUSY, stream("line 0\nline 1\n"), IDLE], OK, 3)


def line_twice(history: History) -> None:
    add(history, [BUSY, stream("line 0\nline 0\n"), IDLE], OK, 2)


def stop_of_another(history: History) -> None:
    history.stops["stop"] = Stop(5.0, [{"content": OK}], 6.0)
    add(history, [BUSY, ERROR, IDLE], INTERRUPTED)


def unanswered_stop(history: History) -> None:
    history.stops["stop"] = Stop(time.time())


def silent_loss(history: History) -> None:
    add(history, [BUSY, stream("have .\n"), IDLE], OK)
    add(history, [BUSY, stream("have .\n"), IDLE], OK)


def untrue_loss(history: History) -> None:
    add(history, [BUSY, stream("have .\n"), IDLE], OK)
    add(history, [BUSY, stream("A fresh sandbox was started", "stderr"), stream("have set_by_1 .\n"), IDLE], OK)


def test_history_that_keeps_the_rules_passes() -> None:
    history = History()
    whole(history)
    history.check()


@pytest.mark.parametrize(
    ("breach", "words"),
    [
        (no_reply, "0 replies"),
        (two_idles, "went"),
        (late_output, "after idle"),
        (two_errors, "2 errors"),
        (lost_line, "missing"),
        (lost_end, "showed 2 of 3"),
        (line_twice, "twice"),
        (stop_of_another, "no Stop was pressed"),
        (unanswered_stop, "0 replies to a Stop"),
        (silent_loss, "silently lost"),
        (untrue_loss, "a loss that was none"),
    ],
)
def test_breach_of_a_rule_is_seen(breach: Callable[[History], None], words: str) -> None:
    history = History()
    breach(history)
    with pytest.raises(AssertionError, match=words):
        history.check()
