"""The account of all text: at whatever moment everybody else ends, the file tells how much was written."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopx_kernel.runner import text_memory
from hopx_kernel.runner.interrupts import Interrupts
from hopx_kernel.runner.outlet import Outlet
from hopx_kernel.runner.shared_page import SharedPage
from hopx_kernel.runner.shared_text import SharedText, tag_of
from hopx_kernel.runner.text_memory import EVENTS, TextMemory, decode, sum_written
from hopx_kernel.sandboxes.text_file import TextFile

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(("\n", "a\nb\n", "x" * 8192))
_STEPS = st.one_of(
    st.tuples(st.sampled_from(("write", "pass", "count")), _TEXTS),
    st.tuples(st.sampled_from(("take", "send", "event", "give up", "die")), st.just("")),
)
_WORDS = st.integers(0, (1 << 64) - 1) | st.integers(0, 1 << 18) | st.sampled_from((0, 1, (1 << 64) - 1, 1 << 53))


class Side:
    """A supervisor and its interpreter, and how much they have written."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._memory = TextMemory(fd)
        self._generation = 0
        self.written = [0, 0]
        self.die()

    def die(self) -> None:
        """Of the interpreter; another begins, as a fork of the supervisor that knows nothing of the last."""
        if self._generation:
            self._memory.finish()
        self._generation += 1
        self._memory.begin(self._generation)
        self._memory._account = 0, 0, 0  # only the fork has counted
        self.text = SharedText(self._memory)
        # A tag whose byte is a line's end too, which is not to be counted as one.
        self._tag = [self.text.make_tag("stdout", str(number))[0] for number in range(10)][-1]
        assert self._tag[:1] == b"\n"

    def do(self, step: str, text: str) -> None:
        if step == "write":
            self._write(text.encode() + self._tag)
        elif step == "event":
            self._write(b"7," + tag_of(EVENTS))
        elif step == "pass":
            self._memory.note_passed(text)
        elif step == "count":
            self.text.note(self.text.reckon(text))
        elif step == "take":
            self.text.take()
        elif step == "give up":
            self.text.give_up()
        elif step == "send":
            self._send()
        else:
            self.die()
        self.written[0] += text.count("\n")
        self.written[1] += len(text)

    def _write(self, record: bytes) -> None:
        while True:
            try:
                self.text.open.write(record)
                return
            except ValueError:
                self.text.take()
                while self._send():
                    continue

    def _send(self) -> bool:
        run = self.text.next()
        if run is not None:
            self.text.sent(self.text.reckon("" if run[0] == EVENTS else decode(run[1]), run[2]))
        return run is not None

    def told(self) -> tuple[int, int] | None:
        """What whoever holds the file is told."""
        return sum_written(os.pread(self._fd, 1 << 20, 0))


@pytest.fixture
def fd() -> Iterator[int]:
    file = TextFile()
    yield file.fileno()
    file.close()


@settings(max_examples=200, deadline=None)
@given(st.lists(_STEPS, max_size=40))
def test_all_is_counted_at_any_moment(steps: list[tuple[str, str]]) -> None:
    file = TextFile()
    fd = file.fileno()
    try:
        side = Side(fd)
        for step, text in steps:
            side.do(step, text)
            assert side.told() == tuple(side.written)
    finally:
        file.close()


def test_half_of_an_account_is_none(fd: int) -> None:
    """A process that is killed while it writes the one leaves the other."""
    side = Side(fd)
    side.do("count", "one\n")
    side.do("count", "two\n")
    words = side.text._memory._words
    turn = words[3]
    for word in range(4 + 3 * (1 - turn), 7 + 3 * (1 - turn)):
        words[word] = 12345
        assert side.told() == (2, 8)


def test_file_keeps_its_size_from_the_beginning(fd: int) -> None:
    size = os.fstat(fd).st_size
    for other in (0, size - 1, size + 4096):
        with pytest.raises(PermissionError):
            os.ftruncate(fd, other)
    with pytest.raises(PermissionError):
        os.pwrite(fd, b"x", size)
    with pytest.raises(PermissionError):
        os.posix_fallocate(fd, size, 1)
    assert os.fstat(fd).st_size == size


def test_file_of_another_size_is_refused() -> None:
    fd = os.memfd_create("text")
    try:
        with pytest.raises(ValueError, match="size"):
            TextMemory(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize("data", [b"", b"x", bytes(1 << 20), bytes(262144)])
def test_what_is_no_such_file_tells_nothing(data: bytes) -> None:
    assert sum_written(data) is None


@settings(max_examples=200, deadline=None)
@given(st.lists(_WORDS, min_size=17, max_size=17), st.binary(max_size=3000), st.integers(0, 1 << 18))
def test_what_code_writes_there_is_a_number_or_nothing(words: list[int], data: bytes, at: int) -> None:
    file = TextFile()
    fd = file.fileno()
    try:
        memory = TextMemory(fd)
        memory.begin(1)
        os.pwrite(fd, struct.pack("17Q", *words), os.fstat(fd).st_size - 4096)
        os.pwrite(fd, data, min(at, (1 << 18) - len(data)))
        told = sum_written(os.pread(fd, 1 << 20, 0))
        assert told is None or all(0 <= number < 1 << 53 for number in told)
        # The supervisor goes on, whatever its interpreter has done.
        memory.note_passed("a line\n")
        memory.finish()
        memory.begin(2)
        memory.note_passed("another\n")
        told = sum_written(os.pread(fd, 1 << 20, 0))
        assert told is None or told[1] >= 15
    finally:
        file.close()


class _LastMemory:
    """A socket; when something was sent there is no memory to measure text with, once."""

    def __init__(self, sock: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sock = sock
        self._has_sent = False
        monkeypatch.setattr(text_memory, "measure", self._measure)

    def sendall(self, data: bytes) -> None:
        self._sock.sendall(data)
        self._has_sent = True

    def _measure(self, text: str) -> tuple[int, int]:
        if self._has_sent:
            self._has_sent = False
            raise MemoryError
        return text.count("\n"), len(text)


def test_line_that_was_sent_with_the_last_memory_is_counted(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    page = SharedPage()
    memory = TextMemory(fd)
    memory.begin(1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sock: Any = _LastMemory(ours, monkeypatch)
        outlet = Outlet(sock, Interrupts(page), lambda: None, page, SharedText(memory))
        write = outlet.make_write("stdout")
        for line in range(5):
            write(f"{line}\n")
            with suppress(MemoryError):
                outlet.flush()
        outlet.flush()
        lines = theirs.recv(1 << 16).splitlines()
    shown = "".join([json.loads(line.partition(b" ")[2])["content"]["text"] for line in lines])
    monkeypatch.undo()
    assert shown == "".join([f"{line}\n" for line in range(5)])
    assert sum_written(os.pread(fd, 1 << 20, 0)) == (5, 10)
