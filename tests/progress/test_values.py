"""Hostile values become numbers and one-line texts, or nothing."""

from __future__ import annotations

import html
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopx_kernel.progress.values import clean_text, escape, to_number, to_percent


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3.0),
        (2.5, 2.5),
        ("12%", 12.0),
        (" 12 ", 12.0),
        ("nan", None),
        ("inf", None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
        (True, None),
        (None, None),
        ([], None),
        ("", None),
        ("%", None),
        ("1" * 41, None),
    ],
)
def test_number_is_finite_or_none(value: Any, number: float | None) -> None:
    assert to_number(value) == number


@pytest.mark.parametrize(
    ("value", "percent"), [(-5, 0.0), (250, 100.0), (40, 40.0), ("12%", 12.0), (float("nan"), None)]
)
def test_percent_is_clamped(value: Any, percent: float | None) -> None:
    assert to_percent(value) == percent


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x07", "link"),
        ("two\nlines\r\n", "two lines"),
        ("tab\tand\x00nul", "tab and nul"),
        ("\u202egnp.exe", "gnp.exe"),
        ("a\u2028b", "a b"),
        ("\ud800", "\ufffd"),
        ("<b>", "<b>"),
        (5, "5"),
    ],
)
def test_text_is_one_harmless_line(text: Any, clean: str) -> None:
    assert clean_text(text) == clean


def test_long_text_is_cut_and_counted() -> None:
    assert clean_text("x" * 1_000_000, 10) == "x" * 10 + "… (+999,990 characters)"


def test_text_cut_before_keeps_its_count() -> None:
    assert clean_text("x" * 2000 + "… (+998,000 characters)", 10) == "x" * 10 + "… (+999,990 characters)"
    assert clean_text("x" * 5 + "… (+10 characters)", 10) == "x" * 5 + "… (+10 characters)"


@given(st.text(max_size=400), st.integers(1, 300))
def test_any_text_comes_out_bounded_and_printable(text: str, limit: int) -> None:
    clean = clean_text(text, limit)
    assert len(clean) <= limit + 30
    assert not any(char in clean for char in "\n\r\x1b\x00\u202e")
    clean.encode("utf-8")


@given(st.text(max_size=100))
def test_text_is_escaped_as_by_the_standard_library(text: str) -> None:
    assert escape(text) == html.escape(text)
    assert escape("<a b=\"c\" d='e'>&amp;") == "&lt;a b=&quot;c&quot; d=&#x27;e&#x27;&gt;&amp;amp;"
