"""A metric over time, bounded, and its sparkline in text: it needs no image and survives every sanitiser. Pure."""

from __future__ import annotations

__all__ = ["BLOCKS", "Series", "metric_text", "sparkline"]

#: Points that a series keeps. When they are reached every second one is dropped and from then on one in two is
#: kept, in four, and so on: the shape of the whole stays, in bounded memory.
MAX_POINTS = 240

#: What a sparkline is made of, from low to high.
BLOCKS = "▁▂▃▄▅▆▇█"


class Series:
    """The values of one metric, in order; `last` is exact whatever was thinned out."""

    def __init__(self) -> None:
        self.points: list[float] = []
        self.last: float = 0.0
        self._stride = 1
        self._skipped = 0

    def add(self, value: float) -> None:
        """Take the next value."""
        self.last = value
        self._skipped += 1
        if self._skipped < self._stride and self.points:
            return
        self._skipped = 0
        self.points.append(value)
        if len(self.points) >= MAX_POINTS:
            del self.points[1::2]
            self._stride *= 2


def sparkline(series: Series, width: int = 16) -> str:
    """Draw a series in at most `width` block characters; nothing for fewer than two points."""
    values = [*series.points[:-1], series.last] if series.points else []
    if len(values) < 2:
        return ""
    count = min(width, len(values))
    # The mean of each of `count` equal parts, the last value on its own so that the end is true.
    parts = [values[len(values) * i // count : len(values) * (i + 1) // count] for i in range(count)]
    heights = [sum(part) / len(part) for part in parts]
    heights[-1] = series.last
    low, high = min(heights), max(heights)
    if high <= low:
        return BLOCKS[3] * count
    return "".join(BLOCKS[min(7, int((height - low) / (high - low) * 8))] for height in heights)


def metric_text(value: float) -> str:
    """A metric's value in at most some seven characters."""
    if value == int(value) and abs(value) < 1e7:
        return f"{int(value):,}"
    return f"{value:.4g}"
