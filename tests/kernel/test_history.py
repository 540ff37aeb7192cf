"""The history file: IPython's tools read it, and it answers as they do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from IPython.core.history import HistoryAccessor

from hopx_kernel.kernel.history import History

SOURCES = [["a = 1", "b = 2", "a = 1"], ["print('x')", "a = 1", "b = 3"]]


@contextmanager
def open_with_ipython(path: Path) -> Iterator[HistoryAccessor]:
    """IPython's own reader of a history file; closed by hand, as IPython 8 cannot."""
    accessor = HistoryAccessor(hist_file=str(path))
    try:
        yield accessor
    finally:
        accessor.db.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with two sessions in it."""
    path = tmp_path / "deep" / "history.sqlite"
    for sources in SOURCES:
        history = History(str(path))
        for line, source in enumerate(sources, start=1):
            history.store(line, source)
        history.store_output(2, "shown")
        history.close()
    return path


def ask(path: Path, **content: Any) -> list[Any]:
    history = History(str(path))
    try:
        return history.request(content).result(60)
    finally:
        history.close()


QUESTIONS: dict[str, tuple[dict[str, Any], str, tuple[Any, ...], dict[str, Any]]] = {
    "tail": ({"hist_access_type": "tail", "n": 4}, "get_tail", (4,), {"include_latest": True}),
    "tail without n": ({"hist_access_type": "tail"}, "get_tail", (10,), {"include_latest": True}),
    "tail with output": (
        {"hist_access_type": "tail", "n": 3, "output": True},
        *("get_tail", (3,), {"include_latest": True, "output": True}),
    ),
    "search": ({"hist_access_type": "search", "pattern": "a*"}, "search", ("a*",), {}),
    "search for everything": ({"hist_access_type": "search"}, "search", ("*",), {}),
    "search with n": ({"hist_access_type": "search", "pattern": "?*", "n": 2}, "search", ("?*",), {"n": 2}),
    "unique search": (
        {"hist_access_type": "search", "pattern": "*", "unique": True},
        *("search", ("*",), {"unique": True}),
    ),
    "unique search with n and output": (
        {"hist_access_type": "search", "pattern": "*", "unique": True, "n": 3, "output": True},
        *("search", ("*",), {"unique": True, "n": 3, "output": True}),
    ),
    "range": (
        {"hist_access_type": "range", "session": 1, "start": 2, "stop": 3},
        *("get_range", (1, 2, 3), {}),
    ),
    "range without end": (
        {"hist_access_type": "range", "session": 2, "start": 2, "output": True},
        *("get_range", (2, 2), {"output": True}),
    ),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_history_answers_as_ipython_does(path: Path, name: str) -> None:
    content, method, arguments, options = QUESTIONS[name]
    with open_with_ipython(path) as accessor:
        expected = [tuple(entry) for entry in getattr(accessor, method)(*arguments, **options)]
    assert expected
    assert ask(path, **content) == expected


def test_sessions_are_counted_back_from_the_present_one(path: Path) -> None:
    assert [entry[2] for entry in ask(path, hist_access_type="range", session=-1)] == SOURCES[1]
    assert ask(path, hist_access_type="range", session=0) == []


def test_end_of_a_session_is_written_down(path: Path) -> None:
    with open_with_ipython(path) as accessor:
        number, start, end, lines, _ = accessor.get_session_info(1)
    assert (number, lines) == (1, 3)
    assert end is not None and start <= end


def test_file_that_is_no_history_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    path.write_bytes(b"no database at all, but long enough to be looked at as one" * 100)
    history = History(str(path))
    history.store(1, "kept")
    history.close()
    assert Path(f"{path}.corrupt").read_bytes().startswith(b"no database")
    assert [entry[2] for entry in ask(path, hist_access_type="tail")] == ["kept"]


def test_file_that_cannot_be_made_costs_no_cell(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    history = History(str(tmp_path / "file" / "history.sqlite"))
    history.store(1, "here")
    assert [entry[2] for entry in history.request({"hist_access_type": "tail"}).result(60)] == ["here"]
    history.close()
