"""The figures, one module each, in the order of the table. A new one is a module here and a line in `FIGURES`."""

from __future__ import annotations

from . import first_print, library, lines, long_lines, markers, memory, progress, restart, round_trip, sliders, start
from .base import Figure, Row, Sample

__all__ = ["FIGURES", "Figure", "Row", "Sample"]

FIGURES: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        first_print.FIGURE,
        lines.FIGURE,
        long_lines.FIGURE,
        round_trip.FIGURE,
        start.FIGURE,
        memory.REST,
        memory.FLOOD,
        restart.FIGURE,
        progress.FIGURE,
        markers.FIGURE,
        sliders.FIGURE,
        library.FIRST_LINE,
        library.LINES,
        library.GIGABYTE,
        library.CREATION,
        library.FIFTY,
    )
}
