"""Durations, counts and rates as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopx_kernel.progress.words import amount, byte_size, duration, rate


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1:00"),
        (65, "1:05"),
        (7384, "2:03:04"),
        (266584, "3 d 2:03:04"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(512, "512 B"), (1500, "1.5 kB"), (120e6, "120 MB"), (2e9, "2.0 GB"), (999_600, "1.0 MB"), (5e18, "5,000.0 PB")],
)
def test_byte_size(count: float, words: str) -> None:
    assert byte_size(count) == words


@pytest.mark.parametrize(
    ("count", "unit", "words"),
    [
        (1200, "rows", "1,200 rows"),
        (1200, "", "1,200"),
        (0.5, "", "0.50"),
        (0.00123, "", "0.00123"),
        (2e6, "B", "2.0 MB"),
        (1e20, "", "1e+20"),
    ],
)
def test_amount(count: float, unit: str, words: str) -> None:
    assert amount(count, unit) == words


@pytest.mark.parametrize(
    ("speed", "unit", "words"),
    [
        (20, "", "20/s"),
        (1.5, "", "1.5/s"),
        (0.25, "", "4.0 s each"),
        (1.5e6, "B", "1.5 MB/s"),
        (1e-12, "", ""),
        (2.4e35, "", "2.4e+35/s"),
    ],
)
def test_rate(speed: float, unit: str, words: str) -> None:
    assert rate(speed, unit) == words


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_has_words(number: float) -> None:
    assert amount(number) and duration(min(number, 1e15))
    assert isinstance(rate(abs(number)), str)
