"""The record of a run that stays in the notebook: HTML that needs no script, and plain text. Pure.

Where a code host strips the styles it is a table, and every number is still there as text. A ``$`` in a message is a
dollar: all text is marked so that MathJax leaves it alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from .fragments import (
    COLORS,
    COLUMNS,
    FONT,
    GAP_PX,
    GLYPHS,
    INDENT_PX,
    MUTED,
    NO_MATH,
    detail_html,
    glyph,
    header_html,
    label_html,
    percent_text,
    sign_html,
    state_color,
)
from .model import ProgressModel
from .rows import Row, make_rows
from .run import RunRecord
from .values import escape
from .words import duration

__all__ = [
    "MAX_ROWS",
    "NARROW_PX",
    "header_facts",
    "header_text",
    "hidden_text",
    "row_text",
    "snapshot_html",
    "snapshot_text",
]

#: Rows of a snapshot, so that a notebook with many tasks stays small.
MAX_ROWS = 100

#: What a column keeps where the page is narrow; with less, the numbers go below message and bar.
_LEAST_PX = (120, 110, 240)
MAX_WIDTH_PX = 960
#: From this width down they do.
NARROW_PX = sum(_LEAST_PX) + 2 * GAP_PX - 1
_CLEAR = "background:transparent;border:none"
_CELLS = tuple(
    f"flex:{share} 1 0%;min-width:{least}px;box-sizing:border-box;padding:0;margin:0;max-width:none;{_CLEAR};"
    "text-align:left;line-height:20px;white-space:normal;overflow:hidden"
    for share, least in zip(COLUMNS, _LEAST_PX, strict=True)
)
_ROW = f"display:flex;flex-wrap:wrap;gap:0 {GAP_PX}px;padding:2px 0;{_CLEAR}"
#: Printers leave backgrounds out, and with them the bars.
_PRINTED = "-webkit-print-color-adjust:exact;print-color-adjust:exact"


def header_text(run: RunRecord, now: float, alerts: int = 0) -> str:
    """The run in one line: ``Stopped · 12 s · local sandbox · stopped after 0.2 s, variables kept``."""
    return " · ".join((run.word, *header_facts(run, now, alerts)))


def header_facts(run: RunRecord, now: float, alerts: int = 0) -> list[str]:
    """What is said of a run beside its state."""
    facts = [duration(run.elapsed(now)), run.place]
    if alerts:
        facts.append(f"{alerts:,} alert{'s' if alerts != 1 else ''}")
    if run.note:
        facts.append(run.note)
    return facts


def snapshot_html(model: ProgressModel, run: RunRecord | None, now: float) -> str:
    """The whole; `run` None leaves the header line out."""
    rows, hidden = make_rows(model, now, MAX_ROWS)
    body = "".join(_row_html(row) for row in rows)
    if hidden:
        body += _wide_html(f'<span style="{MUTED}">{hidden_text(hidden)}</span>')
    table = ""
    if body:
        style = f"display:block;width:100%;max-width:{MAX_WIDTH_PX}px;margin:0;{FONT};border-collapse:collapse;{_CLEAR}"
        table = f'<table style="{style}"><tbody style="display:block">{body}</tbody></table>'
    head = "" if run is None else _header_html(run, now, model.alerts)
    return f'<div class="{NO_MATH}" style="{FONT};{_PRINTED}">{head}{table}</div>'


def snapshot_text(model: ProgressModel, run: RunRecord | None, now: float) -> str:
    """The same as plain text, for terminals, diffs and front ends without HTML."""
    rows, hidden = make_rows(model, now, MAX_ROWS)
    lines = [] if run is None else [header_text(run, now, model.alerts)]
    lines.extend(row_text(row) for row in rows)
    if hidden:
        lines.append(hidden_text(hidden))
    return "\n".join(lines)


def row_text(row: Row, width: int = 20) -> str:
    """One row as a line of text."""
    parts = [f"{'  ' * row.depth}{glyph(row)} {row.label}".rstrip()]
    if row.percent is not None:
        filled = round(row.percent / 100 * width)
        parts.append(f"{'█' * filled}{'░' * (width - filled)} {percent_text(row.percent)}")
    return "  ".join((*parts, *_rest(row)))


def hidden_text(count: int) -> str:
    """What is said of tasks that are not shown."""
    return f"… and {count:,} more task{'s' if count != 1 else ''}"


def _bar_html(row: Row) -> str:
    """The second column; where the end is not known an empty track."""
    tint = "rgba(229,57,53,0.25)" if row.is_red else "rgba(128,128,128,0.25)"
    track = f"background:{tint};border-radius:4px;height:8px;margin:6px 0;overflow:hidden;width:100%"
    if row.percent is None:
        return f'<div style="{track}"></div>'
    fill = f"background:{state_color(row)};border-radius:4px;height:8px;width:{row.percent:.1f}%"
    return f'<div style="{track}"><div style="{fill}"></div></div>'


def _row_html(row: Row) -> str:
    if row.folded:
        return _wide_html(_folded_html(row.folded, row))
    contents = (label_html(row), _bar_html(row), detail_html(row))
    cells = zip(_CELLS, contents, strict=True)
    return f'<tr style="{_ROW}">{"".join(f"""<td style="{style}">{inner}</td>""" for style, inner in cells)}</tr>'


def _wide_html(inner: str) -> str:
    style = f"flex:1 1 100%;padding:0;margin:0;max-width:none;{_CLEAR};text-align:left;line-height:20px"
    return f'<tr style="{_ROW}"><td colspan="3" style="{style}">{inner}</td></tr>'


def _folded_html(rows: Sequence[Row], row: Row) -> str:
    lines = "".join(_folded_line(inner) for inner in rows[:MAX_ROWS])
    if len(rows) > MAX_ROWS:
        lines += f"<div>{hidden_text(len(rows) - MAX_ROWS)}</div>"
    sign = sign_html(GLYPHS["done"], COLORS["done"])
    # A block, and not the list item that brings a triangle: the sign stays in line with those above and below.
    summary = f'<summary style="display:block;cursor:pointer">{sign}<span style="{MUTED}">{escape(row.label)} ▾</span></summary>'
    inner = f'<div style="padding-left:{INDENT_PX}px;font-variant-numeric:tabular-nums">{lines}</div>'
    return f'<details style="padding-left:{row.depth * INDENT_PX}px">{summary}{inner}</details>'


def _folded_line(row: Row) -> str:
    sign = sign_html(glyph(row), state_color(row))
    rest = "".join(f" · {escape(part)}" for part in _rest(row))
    return f'<div>{sign}<bdi>{escape(row.label)}</bdi><span style="{MUTED}">{rest}</span></div>'


def _rest(row: Row) -> tuple[str, ...]:
    metrics = (" ".join(part for part in (m.name, m.value, m.line) if part) for m in row.metrics)
    return (*row.facts, *metrics)


def _header_html(run: RunRecord, now: float, alerts: int) -> str:
    is_alerted = alerts > 0 and run.state == "done"
    sign = "!" if is_alerted else GLYPHS[run.state]
    color = COLORS["failed" if is_alerted else run.state]
    return header_html(run.word, sign, color, header_facts(run, now, alerts))
