"""The table of results, as Markdown, with ratios and verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .figures.base import Row

__all__ = ["Line", "render", "sum_up"]

#: A row's values, by kernel.
Values = Mapping[str, Sequence[float]]

#: Cells of one line of the table; the last is the verdict.
Line = tuple[str, str, str, str, str, str]

_HEAD: Line = ("figure", "this kernel", "ipykernel", "ratio", "reach", "")


def sum_up(row: Row, values: Values) -> Line:
    """A line of the table from all repetitions' values."""
    ours, theirs = (row.summary(values[name]) if values.get(name) else None for name in ("hopx", "ipykernel"))
    ratio = ours / theirs if ours is not None and theirs else None
    return (
        row.title,
        _number(ours, row.unit),
        _number(theirs, row.unit),
        "" if ratio is None else f"{ratio:.2f}",
        _reach(row),
        _verdict(row, ours, ratio),
    )


def render(lines: Iterable[Line]) -> str:
    """All lines, padded so that they can be read in a terminal too."""
    cells = [_HEAD, *lines]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    rows = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    rows.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(rows)


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    text = f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def _reach(row: Row) -> str:
    if row.at_most_ratio is not None:
        return f"≤ {row.at_most_ratio:g} ×"
    return "" if row.at_most is None else f"≤ {row.at_most:g} {row.unit}".rstrip()


def _verdict(row: Row, ours: float | None, ratio: float | None) -> str:
    measured, bound = (ratio, row.at_most_ratio) if row.at_most_ratio is not None else (ours, row.at_most)
    if measured is None or bound is None:
        return ""
    return "reached" if measured <= bound else "MISSED"
