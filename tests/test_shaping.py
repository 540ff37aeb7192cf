"""Shaping: what is joined, what is collapsed, what is counted. No clock runs here."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopx_kernel.kernel.shaping import MESSAGE_BYTES, RateLimiter, StreamShaper, collapse_carriage_returns


def joined(messages: list[tuple[str, str]]) -> str:
    return "".join(text for _, text in messages)


def show(text: str) -> list[str]:
    """What a terminal shows of a text without escapes."""
    lines = [""]
    column = 0
    for character in text:
        if character == "\n":
            lines.append("")
            column = 0
        elif character == "\r":
            column = 0
        else:
            lines[-1] = lines[-1][:column].ljust(column) + character + lines[-1][column + 1 :]
            column += 1
    return lines


# ---------------------------------------------------------------------- carriage returns


@pytest.mark.parametrize(
    ("text", "whole", "collapsed"),
    [
        ("no return", True, "no return"),
        ("a\rb\rc", True, "c"),
        ("long\rab", True, "abng"),
        ("10 %\r20 %\r", True, "20 %\r"),
        ("10 %\r\n20 %\r\n", True, "10 %\n20 %\n"),
        ("tail\r1\r22\r3", False, "tail\r32"),
        ("\r1\r2", False, "\r2"),
        ("a\rb\nc\rd", False, "a\rb\nd"),
        ("\x1b[31mred\x1b[0m\r\x1b[32mgreen\x1b[0m", True, "\x1b[32mgreen\x1b[0m"),
        ("\x1b[31mlonger\x1b[0m\rab", True, "\x1b[31mlonger\x1b[0m\rab"),
        ("longer\r\x1b[Kab", True, "\x1b[Kab"),
    ],
)
def test_overwritten_text_is_dropped(text: str, whole: bool, collapsed: str) -> None:
    assert collapse_carriage_returns(text, whole) == collapsed


@given(st.text(alphabet="ab\r\n", max_size=40), st.text(alphabet="xy", max_size=3))
def test_collapsed_text_looks_the_same(text: str, before: str) -> None:
    assert show(before + collapse_carriage_returns(text, not before)) == show(before + text)


def test_million_refreshes_become_one_line() -> None:
    text = "".join(f"\r{i}" for i in range(1_000_000))
    assert collapse_carriage_returns(text, True) == "999999"


# ---------------------------------------------------------------------- when


def test_first_text_after_quiet_leaves_at_once() -> None:
    shaper = StreamShaper()
    assert shaper.feed("stdout", "a", 100.0) == [("stdout", "a")]
    assert shaper.feed("stdout", "b", 105.0) == [("stdout", "b")]


def test_burst_is_joined_until_its_deadline() -> None:
    shaper = StreamShaper()
    shaper.feed("stdout", "a", 100.0)
    assert shaper.feed("stdout", "b", 100.001) == [] and shaper.feed("stdout", "c", 100.002) == []
    assert shaper.deadline is not None and 100.0 < shaper.deadline < 100.02
    assert shaper.flush(shaper.deadline) == [("stdout", "bc")]
    assert shaper.deadline is None


def test_flush_of_nothing_gives_nothing() -> None:
    assert StreamShaper().flush(5.0) == []


def test_streams_keep_their_order_among_each_other() -> None:
    shaper = StreamShaper()
    shaper.feed("stdout", "1", 0.0)
    assert shaper.feed("stdout", "2", 0.001) == []
    assert shaper.feed("stderr", "3", 0.002) == [("stdout", "2")]
    assert shaper.flush(0.003) == [("stderr", "3")]


def test_million_lines_become_few_messages() -> None:
    shaper = StreamShaper()
    messages = []
    for step in range(3000):
        now = step / 1000
        messages += shaper.feed("stdout", "0123456\n" * 333, now)
        if shaper.deadline is not None and now >= shaper.deadline:
            messages += shaper.flush(now)
    messages += shaper.flush(4.0)
    assert joined(messages) == "0123456\n" * 333 * 3000
    assert len(messages) <= 150


def test_message_has_a_bounded_size() -> None:
    messages = StreamShaper().feed("stdout", "x" * 1_000_000, 0.0)
    assert max(len(text) for _, text in messages) <= MESSAGE_BYTES
    assert joined(messages) == "x" * 1_000_000


@given(st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.text("ab\n", max_size=5), st.floats(0, 0.2))))
def test_nothing_is_lost_or_reordered(texts: list[tuple[str, str, float]]) -> None:
    shaper = StreamShaper()
    now, messages = 0.0, []
    for name, text, gap in texts:
        now += gap
        messages += shaper.feed(name, text, now)
    messages += shaper.end("", now)

    def runs(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        pairs = [pair for pair in pairs if pair[1]]
        return [(name, joined(list(group))) for name, group in itertools.groupby(pairs, lambda pair: pair[0])]

    assert runs(messages) == runs([(name, text) for name, text, _ in texts])


# ---------------------------------------------------------------------- how much


def test_output_over_the_limit_is_counted_and_its_end_is_kept() -> None:
    shaper = StreamShaper(limit_bytes=1000)
    shown = joined([m for i in range(1000) for m in shaper.feed("stdout", f"line {i}\n", i / 1e5)] + shaper.flush(1.0))
    assert len(shown) <= 1000 and shown.endswith("\n")
    ending = shaper.end("/path/to/all", 2.0)
    assert "line 999\n" in ending[0][1]
    name, notice = ending[-1]
    assert name == "stderr" and "(option output_limit). All of it: /path/to/all" in notice
    omitted = 1000 - shown.count("\n")
    assert f"{omitted:,} lines" in notice and f"{shaper.omitted_bytes:,} bytes" in notice
    assert shaper.omitted_bytes == sum(len(f"line {i}\n") for i in range(1000)) - len(shown)


def test_output_within_the_limit_gets_no_notice() -> None:
    shaper = StreamShaper(limit_bytes=1000)
    shaper.feed("stdout", "x" * 1000, 0.0)
    assert shaper.end("", 1.0) == [] and not shaper.owes_notice


def test_limit_counts_bytes_and_cuts_no_character() -> None:
    shaper = StreamShaper(limit_bytes=10)
    shown = joined(shaper.feed("stdout", "\N{GRINNING FACE}" * 10, 0.0))
    assert set(shown) <= {"\N{GRINNING FACE}"}
    assert len(shown.encode()) <= 10


def test_what_is_omitted_after_the_end_is_told_later() -> None:
    shaper = StreamShaper(limit_bytes=10)
    shaper.feed("stdout", "x" * 20, 0.0)
    shaper.end("", 0.0)
    shaper.feed("stdout", "y" * 20, 1.0)
    assert shaper.deadline is not None and shaper.deadline > 2.0 and shaper.owes_notice
    assert "30 bytes" in joined(shaper.end("", shaper.deadline))


def test_hurry_shows_no_more_than_the_end() -> None:
    shaper = StreamShaper()
    shaper.feed("stdout", "a\n", 0.0)
    shaper.omit_rest()
    assert shaper.feed("stdout", "b\n" * 10_000, 1.0) == []
    assert shaper.end("", 2.0)[0][1].endswith("b\nb\n")


# ---------------------------------------------------------------------- a server's limits


def window_maxima(limiter: RateLimiter, size: int, seconds: float) -> tuple[float, float]:
    """The most messages and bytes in any three seconds, of a sender that waits as it is told."""
    now, sent = 0.0, []
    while now < seconds:
        now += limiter.delay(now)
        limiter.count(now, size)
        sent.append(now)
        now += 1e-5
    counts = []
    first = 0
    for index, at in enumerate(sent):
        while sent[first] < at - 3.0:
            first += 1
        counts.append(index - first + 1)
    return max(counts), max(counts) * size


@pytest.mark.parametrize("size", [1, 500, 1100, 60_000, 128 * 1024])
def test_sender_that_waits_stays_under_a_server_s_limits(size: int) -> None:
    messages, data = window_maxima(RateLimiter(1000, 1_000_000), size, 12.0)
    assert messages <= 3000 and data <= 3_000_000


def test_slow_sender_never_waits() -> None:
    limiter = RateLimiter(1000, 1_000_000)
    for step in range(1000):
        assert limiter.delay(step / 100) <= 0
        limiter.count(step / 100, 2000)


def test_limiter_without_limits_never_waits() -> None:
    limiter = RateLimiter(None, None)
    for _ in range(10_000):
        limiter.count(0.0, 1_000_000)
    assert limiter.delay(0.0) == 0.0
