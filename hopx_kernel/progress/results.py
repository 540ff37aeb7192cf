"""What ``result(data)`` and ``error(message)`` show: MIME bundles, all text escaped. Pure."""

from __future__ import annotations

import json
from typing import Any

from .fragments import COLORS, FONT, MUTED, NO_MATH
from .values import clean_text, escape

__all__ = ["alert_bundle", "omitted_bundle", "result_bundle"]

#: Plain text and HTML of a result are for reading: they end here. ``application/json`` holds all of it.
_MAX_TEXT_CHARS = 20_000
_MAX_ENTRIES = 200
_MAX_DEPTH = 12
_MAX_VALUE_CHARS = 2_000
#: A tree of at most this many lines is shown open.
_OPEN_LINES = 25
#: JavaScript's `Number.MAX_SAFE_INTEGER`.
_MAX_EXACT = 2**53 - 1
_MAX_ALERT_CHARS = 4_000


def result_bundle(data: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make data and metadata of the ``display_data`` for a result.

    JupyterLab shows its tree of ``application/json``; exports and front ends without one show the HTML, terminals
    the text. A bare number or text has no tree and is left out of ``application/json``; so is a tree with a number that
    a page would show as another one.
    """
    # A text of several lines is read best as it is.
    is_text = isinstance(data, str) and "\n" in data
    text = "\n".join(clean_text(line, _MAX_TEXT_CHARS) for line in _cut(data).split("\n")) if is_text else _pretty(data)
    is_small = text.count("\n") < _OPEN_LINES
    bundle: dict[str, Any] = {"text/html": _html(data, is_small), "text/plain": _cut(text)}
    if is_text:
        bundle["text/html"] = f'<pre class="{NO_MATH}" style="white-space:pre-wrap">{escape(text)}</pre>'
    metadata: dict[str, Any] = {}
    if isinstance(data, (dict, list)) and _is_same_in_a_page(data):
        bundle["application/json"] = data
        metadata["application/json"] = {"expanded": is_small, "root": "result"}
    return bundle, metadata


def alert_bundle(message: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make data and metadata of the ``display_data`` for an alert."""
    text = message if isinstance(message, str) else _pretty(message)
    lines = [clean_text(line, _MAX_ALERT_CHARS) for line in text[: 4 * _MAX_ALERT_CHARS].split("\n")]
    shown = "\n".join(lines)[:_MAX_ALERT_CHARS]
    if len(text) > _MAX_ALERT_CHARS:
        shown += f"… (+{len(text) - _MAX_ALERT_CHARS:,} characters)"
    color = COLORS["failed"]
    style = (
        f"border-left:4px solid {color};background:rgba(229,57,53,0.1);border-radius:4px;padding:8px 12px;margin:4px 0;"
        f"max-width:960px;box-sizing:border-box;white-space:pre-wrap;overflow-wrap:anywhere;{FONT}"
    )
    head = f'<span style="color:{color}">✗</span> <span style="font-weight:600">Error</span> '
    html = f'<div class="{NO_MATH}" style="{style}">{head}{escape(shown)}</div>'
    return {"text/html": html, "text/plain": f"✗ Error: {shown}"}, {}


def omitted_bundle(count: int, noun: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make data and metadata of the line that says how many there were beyond those that are shown."""
    text = f"… and {count:,} more {noun}{'s' if count != 1 else ''} of this cell"
    return {"text/html": f'<div style="{MUTED}">{text}</div>', "text/plain": text}, {}


def _is_same_in_a_page(data: Any) -> bool:
    """Whether JavaScript, whose numbers are all floats, reads a value as what it is."""
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, int) and not -_MAX_EXACT <= value <= _MAX_EXACT:
            return False
    return True


def _pretty(data: Any) -> str:
    try:
        return json.dumps(data, indent=2, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return "(nested too deep to be shown as text)"


def _cut(text: str) -> str:
    if len(text) <= _MAX_TEXT_CHARS:
        return text
    return f"{text[:_MAX_TEXT_CHARS]}\n… (+{len(text) - _MAX_TEXT_CHARS:,} characters)"


def _html(data: Any, is_open: bool) -> str:
    budget = [_MAX_TEXT_CHARS]
    style = "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12px;line-height:19px"
    return f'<div class="{NO_MATH}" style="{style}">{_node(data, "result", 0, is_open, budget)}</div>'


def _node(value: Any, name: str, depth: int, is_open: bool, budget: list[int]) -> str:
    label = f'<span style="{MUTED}"><bdi>{escape(clean_text(name, 100))}</bdi></span>'
    if not isinstance(value, (dict, list)) or not value or depth >= _MAX_DEPTH or budget[0] <= 0:
        shown = _leaf(value)
        budget[0] -= len(shown) + len(name)
        return f'<div style="padding-left:14px;overflow-wrap:anywhere">{label}: {shown}</div>'
    entries = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    inner = []
    for key, child in entries[:_MAX_ENTRIES]:
        if budget[0] <= 0:
            break
        inner.append(_node(child, str(key), depth + 1, is_open, budget))
    if len(inner) < len(entries):
        inner.append(f'<div style="padding-left:14px;{MUTED}">… and {len(entries) - len(inner):,} more</div>')
    size = f"{{{len(entries):,}}}" if isinstance(value, dict) else f"[{len(entries):,}]"
    summary = f'<summary style="cursor:pointer">{label} <span style="{MUTED}">{size}</span></summary>'
    state = " open" if is_open or depth == 0 else ""
    return f'<details{state} style="padding-left:{14 if depth else 0}px">{summary}{"".join(inner)}</details>'


def _leaf(value: Any) -> str:
    if isinstance(value, dict):
        return "{…}" if value else "{}"
    if isinstance(value, list):
        return "[…]" if value else "[]"
    if isinstance(value, str):
        return escape(json.dumps(clean_text(value, _MAX_VALUE_CHARS), ensure_ascii=False))
    return escape(clean_text(json.dumps(value, default=str), _MAX_VALUE_CHARS))
