"""The pieces of HTML that the live view and the record share, so that the two look alike. Pure.

Only inline styles, and of these the ones that JupyterLab's sanitiser passes. Where a page strips even those, every
number is still there as text, a sparkline is drawn by the characters of its bars, and what stands side by side is kept
apart by signs that the styles hide. All text is escaped, and marked so that MathJax leaves it alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from .rows import Metric, Row
from .series import BLOCKS
from .values import escape

__all__ = [
    "COLORS",
    "COLUMNS",
    "FONT",
    "GAP_PX",
    "GLYPHS",
    "MUTED",
    "NO_MATH",
    "INDENT_PX",
    "detail_html",
    "glyph",
    "header_html",
    "label_html",
    "percent_text",
    "sign_html",
    "state_color",
]

#: Of signs and bars, three times as light or dark as white and as JupyterLab's dark grey, since an exported page has no
#: theme to ask. No text has them: nothing is readable enough on both.
COLORS = {"running": "#1e88e5", "stopping": "#d96b00", "done": "#43a047", "failed": "#e53935", "stopped": "#808080"}
GLYPHS = {"running": "●", "stopping": "◌", "done": "✓", "failed": "✗", "stopped": "■"}

#: Shares of the width that message, bar and numbers have, and what is between them.
COLUMNS = (26, 24, 50)
GAP_PX = 14

FONT = "font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:13px;line-height:20px"
MUTED = "opacity:0.72"
#: Classes by which MathJax, of JupyterLab and of an exported page, leaves a text alone.
NO_MATH = "tex2jax_ignore mathjax_ignore"

_ONE_LINE = "white-space:nowrap;overflow:hidden;text-overflow:ellipsis"
_SIGN = "display:inline-block;width:18px;white-space:nowrap"
#: Digits of one width, so that what stands behind a number does not move with it.
_DIGITS = "font-variant-numeric:tabular-nums"
_PIECE = "display:inline-block;white-space:nowrap;padding-right:14px"
#: Read where styles are stripped, and not seen where they are not.
_UNSTYLED = '<span style="font-size:0px;line-height:0px"> · </span>'
#: Labels of nested tasks move in by this much.
INDENT_PX = 18
_SPARK_PX = 14


def state_color(row: Row) -> str:
    """The colour of a row's bar and glyph."""
    return COLORS["failed"] if row.is_red else COLORS[row.state]


def glyph(row: Row) -> str:
    """The sign in front of a row; an exclamation mark where all is well but an alert was raised."""
    return "!" if row.is_red and row.state != "failed" else GLYPHS[row.state]


def sign_html(sign: str, color: str, title: str = "") -> str:
    """A glyph in a column of its own."""
    weight = ";font-weight:700" if sign == "!" else ""
    about = f' title="{escape(title)}"' if title else ""
    return f'<span style="color:{color};{_SIGN}{weight}"{about}>{sign}&nbsp;</span>'


def header_html(word: str, sign: str, color: str, facts: Sequence[str]) -> str:
    """The line above the rows: how the run stands, and what is known of it."""
    lead = f'<span style="font-weight:600">{sign_html(sign, color)}{escape(word)}</span>'
    tail = f'<span style="{MUTED}"> · {escape(" · ".join(facts))}</span>' if facts else ""
    return f'<div style="min-height:20px;padding:3px 0;overflow-wrap:anywhere;{_DIGITS}">{lead}{tail}</div>'


def label_html(row: Row) -> str:
    """The first column: how the task stands, and its message, whole in the tooltip where it is cut."""
    indent = f"padding-left:{row.depth * INDENT_PX}px;" if row.depth else ""
    sign = sign_html(glyph(row), state_color(row), row.state)
    # Of whatever direction its writing is, the message does not turn the signs around it.
    text = f"<bdi>{escape(row.label)}</bdi>" if row.label else ""
    text = f'<span style="{MUTED}">{text}</span>' if row.folded else text
    return f'<div class="{NO_MATH}" style="{indent}{_ONE_LINE}" title="{escape(row.label)}">{sign}{text}</div>'


def detail_html(row: Row) -> str:
    """The last column: percent, time, count and rate in places of their own, and metrics below."""
    if row.folded:
        return ""
    percent = "&nbsp;" if row.percent is None else percent_text(row.percent)
    lead = f'<div style="flex:0 0 46px;text-align:right;font-weight:600;white-space:nowrap">{percent}</div>'
    count = "" if not row.count else f"min-width:{_width_ch(row.count_whole):.4g}ch;text-align:right"
    count = _fact_html(row.count, count, f" {row.unit}" if row.unit else "")
    # The time has its place before it is known.
    time = _fact_html(row.time or ("\xa0" if row.count or row.metrics else ""), "min-width:74px")
    facts = (time, count, _fact_html(row.rate))
    metrics = tuple(map(_metric_html, row.metrics))
    # With a count, on a line of their own, so that no number before them moves them.
    groups = (facts, metrics) if count and metrics else ((*facts, *metrics),)
    lines = "".join(f"<div>{_UNSTYLED.join(piece for piece in group if piece)}</div>" for group in groups)
    return (
        f'<div class="{NO_MATH}" style="display:flex;gap:{GAP_PX}px;{_DIGITS}">{lead}'
        f'<div style="flex:1 1 0%;min-width:0px">{lines}</div></div>'
    )


def percent_text(percent: float) -> str:
    """``40 %``; never ``100 %`` before the end."""
    return f"{min(percent, 99.0 if percent < 100 else 100.0):.0f} %"


def _fact_html(text: str, place: str = "", unit: str = "") -> str:
    """A number in its place, and behind that what may be of any width."""
    if not text:
        return ""
    number = f'<span style="display:inline-block;{place}">{escape(text)}</span>' if place else escape(text)
    return f'<span style="{_PIECE};{MUTED}">{number}{escape(unit)}</span>'


def _width_ch(number: str) -> float:
    """How wide a number is, in digits."""
    return sum(1.0 if char.isdigit() else 1.4 if char.isalpha() else 0.5 for char in number)


def _metric_html(metric: Metric) -> str:
    name = f'<span style="{MUTED}"><bdi>{escape(metric.name)}</bdi></span> ' if metric.name else ""
    width = ";min-width:6ch" if metric.line else ""
    value = f'<span style="display:inline-block{width}">{escape(metric.value)}</span>'
    line = f" {_sparkline_html(metric.line)}" if metric.line else ""
    return f'<span style="{_PIECE}">{name}{value}{line}</span>'


def _sparkline_html(line: str) -> str:
    """Bars as high as the block characters that they hold, which are read where the styles are not."""
    bars = "".join(
        f'<i style="width:3px;height:{(BLOCKS.index(block) + 1) * _SPARK_PX / len(BLOCKS):.4g}px;'
        f'background:{COLORS["running"]}">{block}</i>'
        for block in line
    )
    style = (
        f"display:inline-flex;align-items:flex-end;gap:1px;height:{_SPARK_PX}px;padding-bottom:2px;vertical-align:middle;"
        "font-size:0px;line-height:0px"
    )
    return f'<span style="{style}">{bars}</span>'
