"""The record of a run that stays in the notebook: HTML that needs no script, and plain text. Pure.

Only inline styles that JupyterLab's sanitiser passes; where a code host strips even those, every number is still
there as text. All text is escaped, and marked so that MathJax leaves it alone: a ``$`` in a message is a dollar.
The live view takes its fragments from here, so that the two look alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .model import ProgressModel
from .rows import Metric, Row, make_rows
from .run import RunRecord
from .words import duration

__all__ = [
    "COLORS",
    "GLYPHS",
    "MAX_ROWS",
    "detail_html",
    "header_text",
    "hidden_text",
    "label_html",
    "snapshot_html",
    "snapshot_text",
]

#: Rows of a snapshot, so that a notebook with many tasks stays small.
MAX_ROWS = 100

#: Readable on white and on JupyterLab's dark grey alike, since an exported page has no theme to ask.
COLORS = {"running": "#1e88e5", "stopping": "#f57c00", "done": "#43a047", "failed": "#e53935", "stopped": "#9e9e9e"}
GLYPHS = {"running": "●", "stopping": "◌", "done": "✓", "failed": "✗", "stopped": "■"}
_MUTED = "opacity:0.7"
_CELL = (
    "padding:2px 14px 2px 0;border:none;text-align:left;vertical-align:middle;line-height:20px;background:transparent"
)
_FONT = "font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:13px;line-height:20px"
_ONE_LINE = "white-space:nowrap;overflow:hidden;text-overflow:ellipsis"
_SIGN = "display:inline-block;width:18px"
#: Classes by which MathJax, of JupyterLab and of an exported page, leaves a text alone.
NO_MATH = "tex2jax_ignore mathjax_ignore"
_LINE = "font-family:monospace;font-size:11px"
# Labels of nested tasks move in by this much.
_INDENT_PX = 18


def state_color(row: Row) -> str:
    """The colour of a row's bar and glyph."""
    return COLORS["failed"] if row.is_red else COLORS[row.state]


def glyph(row: Row) -> str:
    """The sign in front of a row; an exclamation mark where all is well but an alert was raised."""
    return "!" if row.is_red and row.state != "failed" else GLYPHS[row.state]


def label_html(row: Row) -> str:
    """The first column: how the task stands, and its message."""
    text = escape(row.label) or "&nbsp;"
    sign = f'<span style="color:{state_color(row)};{_SIGN}" title="{row.state}">{glyph(row)}</span>'
    indent = f"padding-left:{row.depth * _INDENT_PX}px;" if row.depth else ""
    return f'<div class="{NO_MATH}" style="{indent}{_ONE_LINE}" title="{text}">{sign}{text}</div>'


def detail_html(row: Row) -> str:
    """The last column: percent, count, rate, time, metrics with their sparklines."""
    percent = "&nbsp;" if row.percent is None else percent_text(row.percent)
    lead = f'<div style="float:left;width:56px;font-weight:600">{percent}</div>'
    facts = escape(" · ".join(row.facts))
    facts = f'<span style="{_MUTED};padding-right:14px;white-space:nowrap">{facts}</span>' if facts else ""
    metrics = "".join(_metric_html(metric) for metric in row.metrics)
    return f'<div class="{NO_MATH}" style="overflow:hidden">{lead}<div style="overflow:hidden">{facts}{metrics}</div></div>'


def percent_text(percent: float) -> str:
    """``40 %``; never ``100 %`` before the end."""
    return f"{min(percent, 99.0 if percent < 100 else 100.0):.0f} %"


def header_text(run: RunRecord, now: float, alerts: int = 0) -> str:
    """The run in one line: ``Stopped · 12 s · local sandbox · stopped after 0.2 s, variables kept``."""
    parts = [run.word, duration(run.elapsed(now)), run.place]
    if alerts:
        parts.append(f"{alerts:,} alert{'s' if alerts != 1 else ''}")
    if run.note:
        parts.append(run.note)
    return " · ".join(parts)


def snapshot_html(model: ProgressModel, run: RunRecord | None, now: float) -> str:
    """The whole as one table; `run` None leaves the header line out."""
    rows, hidden = make_rows(model, now, MAX_ROWS)
    body = "".join(_row_html(row) for row in rows)
    if hidden:
        body += f'<tr style="background:transparent"><td colspan="3" style="{_CELL};{_MUTED}">{hidden_text(hidden)}</td></tr>'
    table = ""
    if body:
        style = f"{_FONT};border:none;border-collapse:collapse;width:100%;max-width:960px;margin:0;table-layout:fixed"
        columns = '<colgroup><col width="26%"><col width="24%"><col width="50%"></colgroup>'
        table = f'<table style="{style}">{columns}<tbody>{body}</tbody></table>'
    head = "" if run is None else _header_html(run, now, model.alerts)
    return f'<div class="{NO_MATH}" style="{_FONT};padding:2px 0">{head}{table}</div>'


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
    parts.extend(row.facts)
    parts.extend(" ".join(part for part in (m.name, m.value, m.line) if part) for m in row.metrics)
    return "  ".join(parts)


def _row_html(row: Row) -> str:
    if row.folded:
        return _folded_html(row.folded, row)
    cells = (label_html(row), _bar_html(row), detail_html(row))
    inner = "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells)
    return f'<tr style="background:transparent">{inner}</tr>'


def _folded_html(rows: Sequence[Row], row: Row) -> str:
    lines = "".join(f"<div>{escape(_folded_text(inner))}</div>" for inner in rows[:MAX_ROWS])
    if len(rows) > MAX_ROWS:
        lines += f"<div>{hidden_text(len(rows) - MAX_ROWS)}</div>"
    sign = f'<span style="color:{COLORS["done"]};{_SIGN}">{GLYPHS["done"]}</span>'
    summary = f'<summary style="cursor:pointer;{_MUTED}">{sign}{escape(row.label)}</summary>'
    indent = f"padding-left:{row.depth * _INDENT_PX}px"
    cell = f'<details style="{indent}">{summary}<div style="padding-left:20px;{_MUTED}">{lines}</div></details>'
    return f'<tr style="background:transparent"><td colspan="3" style="{_CELL}">{cell}</td></tr>'


def _folded_text(row: Row) -> str:
    parts = [row.label, *row.facts]
    parts.extend(" ".join(part for part in (m.name, m.value, m.line) if part) for m in row.metrics)
    return f"{glyph(row)} {' · '.join(part for part in parts if part)}"


def _bar_html(row: Row) -> str:
    tint = "rgba(229,57,53,0.25)" if row.is_red else "rgba(128,128,128,0.25)"
    track = f"background:{tint};border-radius:4px;height:8px;overflow:hidden;width:100%"
    if row.percent is None:
        return f'<div style="{track}"></div>'
    color = state_color(row)
    fill = f"background:{color};border-radius:4px;height:8px;width:{row.percent:.1f}%"
    return f'<div style="{track}"><div style="{fill}"></div></div>'


def _metric_html(metric: Metric) -> str:
    name = f'<span style="{_MUTED}">{escape(metric.name)}</span> ' if metric.name else ""
    line = f' <span style="color:{COLORS["running"]};{_LINE}">{metric.line}</span>' if metric.line else ""
    style = "display:inline-block;white-space:nowrap;padding-right:14px"
    return f'<span style="{style}">{name}{escape(metric.value)}{line}</span>'


def _header_html(run: RunRecord, now: float, alerts: int) -> str:
    is_alerted = alerts > 0 and run.state == "done"
    color = COLORS["failed" if is_alerted else run.state]
    word, *rest = header_text(run, now, alerts).split(" · ")
    sign = f'<span style="{_SIGN}">{"!" if is_alerted else GLYPHS[run.state]}</span>'
    lead = f'<span style="color:{color};font-weight:600">{sign}{escape(word)}</span>'
    tail = f'<span style="{_MUTED}"> · {escape(" · ".join(rest))}</span>'
    return f'<div style="padding:0 0 2px 0">{lead}{tail}</div>'


def hidden_text(count: int) -> str:
    """What is said of tasks that are not shown."""
    return f"… and {count:,} more task{'s' if count != 1 else ''}"
