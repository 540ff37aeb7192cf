"""The history file: IPython's tools read it, and it answers as they do."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from IPython.core.history import HistoryAccessor

from hopx_kernel.kernel.history import History, HistoryLimits

from .client import Kernel

SOURCES = [["a = 1", "b = 2", "a = 1"], ["print('x')", "a = 1", "b = 3"]]


@contextmanager
def open_with_ipython(path: Path) -> Iterator[HistoryAccessor]:
    """IPython's own reader of a history file; closed by hand, as IPython 8 cannot."""
    accessor = HistoryAccessor(hist_file=str(path))
    try:
        yield accessor
    finally:
        accessor.db.close()


def finish(history: History) -> None:
    """Close it when all is written, which no end waits for."""
    history.request({"hist_access_type": "tail", "n": 1}).result(60)
    history.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with two sessions in it."""
    path = tmp_path / "deep" / "history.sqlite"
    for sources in SOURCES:
        history = History(str(path))
        for line, source in enumerate(sources, start=1):
            history.store(line, source)
        history.store_output(2, "shown")
        finish(history)
    return path


@pytest.fixture
def wide_umask() -> Iterator[None]:
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


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
    finish(history)
    assert Path(f"{path}.corrupt").read_bytes().startswith(b"no database")
    assert [entry[2] for entry in ask(path, hist_access_type="tail")] == ["kept"]


def test_file_that_cannot_be_made_costs_no_cell(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    history = History(str(tmp_path / "file" / "history.sqlite"))
    history.store(1, "here")
    assert [entry[2] for entry in history.request({"hist_access_type": "tail"}).result(60)] == ["here"]
    history.close()


# ---------------------------------------------------------------------- whose it is, and how much


def modes(path: Path) -> set[int]:
    return {stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob(f"{path.name}*")}


def test_file_is_for_its_owner_alone_from_its_first_byte_on(tmp_path: Path, wide_umask: None) -> None:
    path = tmp_path / "history.sqlite"
    history = History(str(path))
    history.store(1, "password = 'x'")
    history.request({"hist_access_type": "tail"}).result(60)
    assert modes(path) == {0o600}
    history.close()
    assert modes(path) == {0o600}


def test_file_that_others_could_read_is_closed_to_them(path: Path) -> None:
    path.chmod(0o644)
    journal = path.with_name(path.name + "-journal")
    journal.touch(0o644)
    assert ask(path, hist_access_type="tail")
    assert modes(path) == {0o600}


def test_long_result_is_kept_with_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    history = History(str(path), HistoryLimits(output_characters=100, source_characters=100))
    history.store(1, "x")
    history.store_output(1, "y" * 1_000_000)
    history.store(2, "z" * 101)
    assert history.request({"hist_access_type": "tail", "output": True}).result(60) == [
        (1, 1, ("x", "y" * 100 + "\n[999,900 more characters were not kept.]"))
    ]
    history.close()
    assert path.stat().st_size < 100_000


def test_result_of_a_hundred_megabytes_is_not_kept_as_it_is(path: Path) -> None:
    history = History(str(path))
    history.store(1, "'y' * 100_000_000")
    history.store_output(1, "y" * 100_000_000)
    ((_, _, (_, output)),) = history.request({"hist_access_type": "tail", "n": 1, "output": True}).result(60)
    history.close()
    assert output.startswith("yyy") and output.endswith("more characters were not kept.]") and len(output) < 1_000_000
    assert path.stat().st_size < 2_000_000


def test_long_results_of_before_are_cut_when_the_file_is_used(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    history = History(str(path), HistoryLimits(output_characters=1 << 30))
    history.store(1, "x")
    history.store_output(1, "y" * 20_000_000)
    finish(history)
    assert path.stat().st_size > 20_000_000
    assert ask(path, hist_access_type="tail") == [(1, 1, "x")]
    assert path.stat().st_size < 1_000_000


def test_file_stays_below_its_size_and_keeps_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    limits = HistoryLimits(total_bytes=1 << 20)
    for session in range(12):
        history = History(str(path), limits)
        for line in range(60):
            history.store(line, f"{session} " + "x" * 5000)
        finish(history)
    entries = ask(path, hist_access_type="tail", n=10_000)
    assert entries[-1][2].startswith("11 ") and entries[0][2] > "0 "
    assert path.stat().st_size < 3 << 20


def test_one_session_that_is_too_large_loses_its_oldest_lines(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    history = History(str(path), HistoryLimits(total_bytes=1 << 20))
    for line in range(1000):
        history.store(line, f"{line} " + "x" * 5000)
    lines = [line for _, line, _ in history.request({"hist_access_type": "tail", "n": 1000}).result(60)]
    history.close()
    assert lines[-1] == 999 and lines == list(range(lines[0], 1000)) and lines[0] > 500


def test_sessions_leave_with_age(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE sessions SET start = '2001-01-01 00:00:00' WHERE session = 1")
    assert {session for session, _, _ in ask(path, hist_access_type="tail", n=100)} <= {1, 2}
    assert {session for session, _, _ in ask(path, hist_access_type="tail", n=100)} == {2}


# ---------------------------------------------------------------------- other programs


@contextmanager
def held(path: Path) -> Iterator[sqlite3.Connection]:
    """The file in the hands of another program."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        yield db


def test_history_that_another_program_holds_ends_all_the_same(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with held(path):
        history = History(str(path))
        for line in range(20):
            history.store(line, "x")
        with pytest.raises(TimeoutError, match="another program"):
            history.request({"hist_access_type": "tail"}).result(60)
        # Twenty writes that waited for the lock one after the other would be 100 s.
        began = time.monotonic()
        history.close()
        assert time.monotonic() - began < 50
    assert "20 entries of the history were not saved" in caplog.text


def test_nothing_is_lost_to_a_program_that_holds_the_file_for_a_while(path: Path) -> None:
    history = History(str(path))
    with held(path):
        history.store(1, "while it was held")
        with pytest.raises(TimeoutError):
            history.request({"hist_access_type": "tail"}).result(60)
    assert history.request({"hist_access_type": "tail", "n": 1}).result(60) == [(3, 1, "while it was held")]
    history.close()


def test_what_waits_is_bounded(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with held(path):
        history = History(str(path))
        for line in range(3000):
            history.store(line, "x")
        history.close()
    assert "3000 entries of the history were not saved" in caplog.text


def test_kernel_whose_history_is_held_answers_and_ends(path: Path, jupyter_environment: dict[str, str]) -> None:
    with held(path), Kernel(env={"HOPX_HISTORY_FILE": str(path)}) as kernel:
        for number in range(10):
            assert kernel.run(str(number)).result == str(number)
        reply = kernel.reply(kernel.request("history_request", {"hist_access_type": "tail", "n": 1}))["content"]
        assert (reply["status"], reply["ename"]) == ("error", "TimeoutError")
        began = time.monotonic()
        kernel.shut_down()
        assert time.monotonic() - began < 40


def test_pattern_of_many_stars_is_answered(path: Path) -> None:
    history = History(str(path))
    history.store(1, "a" * 10_000)
    pattern = "*a" * 30 + "*b"
    assert history.request({"hist_access_type": "search", "pattern": pattern}).result(100) == []
    history.close()


def test_pattern_without_end_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="pattern has more than"):
        ask(path, hist_access_type="search", pattern="*a" * 1_000_000)


def _kept(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [source for (source,) in db.execute("SELECT source_raw FROM history ORDER BY session, line")]


@pytest.mark.parametrize(
    "spoil",
    [Path.unlink, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"no history\n" * 1000)],
    ids=["removed", "emptied", "overwritten"],
)
def test_file_that_is_spoilt_while_it_is_open_costs_no_later_line(path: Path, spoil: Any) -> None:
    history = History(str(path))
    history.store(1, "before")
    history.request({"hist_access_type": "tail"}).result(60)
    spoil(path)
    history.store(2, "after")
    assert history.request({"hist_access_type": "tail"}).result(60)[-1][1:] == (2, "after")
    history.close()
    assert _kept(path) == ["after"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_device_in_the_place_of_the_file_stays_everybodys(tmp_path: Path) -> None:
    """A link to the null device is how people say that nothing is to be kept."""
    device = tmp_path / "null"
    os.mkfifo(device)  # which takes no root to make
    device.chmod(0o666)
    path = tmp_path / "history.sqlite"
    path.symlink_to(device)
    history = History(str(path))
    history.store(1, "a")
    assert history.request({"hist_access_type": "tail"}).result(60)[-1][2] == "a"
    history.close()
    assert stat.S_IMODE(device.stat().st_mode) == 0o666


def test_file_of_another_kind_behind_a_link_is_left_as_it_is(tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("precious\n")
    other.chmod(0o644)
    path = tmp_path / "history.sqlite"
    path.symlink_to(other)
    history = History(str(path))
    history.store(1, "a")
    finish(history)
    assert (other.read_text(), stat.S_IMODE(other.stat().st_mode)) == ("precious\n", 0o644)
    assert _kept(path) == ["a"]
