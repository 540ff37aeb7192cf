"""Text in shared memory: at whatever moment its writer ends, what was sent and what is left are all that was written."""

from __future__ import annotations

import random
import threading
import time
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopx_kernel.runner.shared_text import SharedText, read_position, tag_of
from hopx_kernel.runner.text_memory import EVENTS, decode

Taken = list[tuple[str, str, str]]

_TEXTS = st.text(st.characters(exclude_categories=()), max_size=40) | st.sampled_from(("\0", "\0" * 9, "x" * 8192))
_SOURCES = st.sampled_from((("stdout", "a"), ("stderr", "a"), ("stdout", "b"), ("stdout", "")))
_STEPS = st.one_of(
    st.tuples(st.just("write"), _SOURCES, _TEXTS),
    st.tuples(st.just("take"), st.none(), st.none()),
    st.tuples(st.just("send"), st.none(), st.none()),
)


class Writer:
    """An interpreter's side, which can be left at any moment; and what a supervisor has got of it."""

    def __init__(self) -> None:
        self.text = SharedText()
        self.written: Taken = []
        self.received: Taken = []
        self.position = 0
        self._tags: dict[tuple[str, str], bytes] = {}

    def write(self, source: tuple[str, str], text: str) -> None:
        if source not in self._tags:
            self._tags[source], before = self.text.make_tag(*source)
            assert before is None
        record = text.encode("utf-8", "surrogatepass") + self._tags[source]
        try:
            self.text.open.write(record)
        except ValueError:
            self.send_all()
            self.text.open.write(record)
        self.written.append((*source, text))

    def send(self) -> bool:
        run = self.text.next()
        if run is None:
            return False
        source, data, self.position = run
        text = decode(data)
        self.received.append((*self.text.source(source), text))
        self.text.sent(self.text.reckon(text, self.position))
        return True

    def send_all(self) -> None:
        while not self.text.is_empty:
            self.text.take()
            while self.send():
                continue


def joined(texts: Taken) -> Taken:
    """Texts of one source in a row as one, as a host shows them; lone surrogates as it shows them."""
    found = []
    for source, group in groupby(texts, lambda part: part[:2]):
        text = "".join([part[2] for part in group])
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if whole:
            found.append((*source, whole))
    return found


def seen_at_death(writer: Writer) -> Taken:
    rest = [(name, parent_id or "", text) for name, parent_id, text in writer.text.rest(writer.position)]
    return writer.received + rest


@settings(max_examples=300, deadline=None)
@given(st.lists(_STEPS, max_size=60))
def test_what_was_sent_and_what_is_left_are_all_that_was_written(steps: list[tuple[str, tuple[str, str], str]]) -> None:
    writer = Writer()
    for step, source, text in steps:
        if step == "write" and "\ud800" <= text[:1] <= "\udfff":
            text = "-" + text  # no pair of one text's end and another's beginning, which may leave apart
        if step == "write":
            writer.write(source, text)
        elif step == "take":
            writer.text.take()
        else:
            writer.send()
        assert joined(seen_at_death(writer)) == joined(writer.written)
    writer.send_all()
    assert joined(writer.received) == joined(writer.written)
    assert not writer.text.rest(writer.position)


def test_many_halves_lose_nothing_at_any_moment() -> None:
    writer = Writer()
    rng = random.Random(5)
    for number in range(60_000):
        writer.write(("stdout", "a") if rng.random() < 0.99 else ("stderr", "b"), f"{number}\n")
        if number % 997 == 0:
            writer.text.take()
        if number % 1999 == 0:
            assert "".join(part[2] for part in seen_at_death(writer)) == "".join(part[2] for part in writer.written)
            writer.send()
    assert joined(seen_at_death(writer)) == joined(writer.written)


def test_writers_in_threads_lose_nothing_while_halves_are_closed() -> None:
    writer = Writer()
    tags = [writer.text.make_tag("stdout", f"thread-{number}")[0] for number in range(4)]

    def write(number: int) -> None:
        for line in range(20_000):
            record = b"%d\n" % line + tags[number]
            while True:
                try:
                    writer.text.open.write(record)
                    break
                except ValueError:
                    time.sleep(0)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        writer.send_all()
    writer.send_all()
    for number in range(4):
        text = "".join([part[2] for part in writer.received if part[1] == f"thread-{number}"])
        assert text == "".join([f"{line}\n" for line in range(20_000)])


def test_sources_are_named_again_when_there_are_too_many() -> None:
    text = SharedText()
    befores = [text.make_tag("stdout", f"request-{number}")[1] for number in range(200)]
    assert befores[:63] == [None] * 63
    assert befores[63:] == [("stdout", f"request-{number}") for number in range(137)]
    tag, _ = text.make_tag("stderr", "i" * 1000)  # too long for its place: the supervisor takes the request that runs
    text.open.write(b"x" + tag)
    assert text.rest(0) == [("stderr", None, "x")]


def test_marks_of_events_are_no_text() -> None:
    text = SharedText()
    tag, _ = text.make_tag("stdout", "a")
    text.open.write(b"before" + tag)
    text.open.write(b"7," + tag_of(EVENTS))
    text.open.write(b"after" + tag)
    assert text.rest(0) == [("stdout", "a", "before"), ("stdout", "a", "after")]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000), st.integers(0, 1 << 64), st.integers(0, 127), st.binary(min_size=16, max_size=16))
def test_what_code_writes_there_is_bounded_text(data: bytes, position: int, page: int, turns: bytes) -> None:
    text = SharedText()
    for half in text._halves:
        half[page * 1024 : page * 1024 + len(data)] = data[: (128 - page) * 1024]
    text._names[: len(data)] = data
    text._memory.turns.cast("B")[:16] = turns
    rest = text.rest(position)
    assert sum(len(part) for _, _, part in rest) <= 2 * 128 * 1024
    for _, parent_id, part in rest:
        (part + (parent_id or "")).encode()
    text.take()
    while text.next() is not None:
        text.sent(text.reckon("", 0))


@pytest.mark.parametrize("word", [b"", b"x", b"1" * 21, b"9" * 5000, b"1.5", b"0x1", b"\xff"])
def test_position_that_is_none_is_refused(word: bytes) -> None:
    with pytest.raises(ValueError, match=r"position|literal"):
        read_position(word)
    assert read_position(b"+12") == 12
    assert read_position(b"-12") == 0
