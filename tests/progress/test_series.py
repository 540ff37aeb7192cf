"""Metrics stay bounded, their ends exact, their sparklines drawable."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hopx_kernel.progress.series import MAX_POINTS, Series, metric_text, sparkline


def filled(*values: float) -> Series:
    series = Series()
    for value in values:
        series.add(value)
    return series


def test_sparkline_rises_and_falls_with_the_values() -> None:
    assert sparkline(filled(0, 1, 2, 3, 4, 5, 6, 7)) == "▁▂▃▄▅▆▇█"
    assert sparkline(filled(1, 0)) == "█▁"


def test_sparkline_of_one_point_is_nothing_and_of_equal_ones_level() -> None:
    assert sparkline(filled(1)) == sparkline(Series()) == ""
    assert sparkline(filled(5, 5, 5)) == "▄▄▄"


def test_series_is_bounded_and_its_last_value_exact() -> None:
    series = filled(*range(100_001))
    assert len(series.points) < MAX_POINTS
    assert series.last == 100_000
    assert sparkline(series)[-1] == "█" and sparkline(series)[0] == "▁"
    assert list(sparkline(series)) == sorted(sparkline(series))


@given(st.lists(st.floats(min_value=-1e150, max_value=1e150), max_size=600), st.integers(1, 40))
def test_any_values_draw_at_most_the_width(values: list[float], width: int) -> None:
    assert len(sparkline(filled(*values), width)) <= width


def test_metric_text_is_short() -> None:
    assert [metric_text(value) for value in (3.0, 0.123456, 1e12, -2.5)] == ["3", "0.1235", "1e+12", "-2.5"]
