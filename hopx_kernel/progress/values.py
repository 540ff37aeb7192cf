"""Values from a sandbox, made safe to count with and to show. Pure; trusts nothing that it is given."""

from __future__ import annotations

import math
import re
from typing import Any

__all__ = ["MAX_LABEL_CHARS", "clean_text", "escape", "to_number", "to_percent"]

#: What a bar shows of its message; the rest is counted behind it.
MAX_LABEL_CHARS = 200

# CSI and OSC sequences, then every other control character, then what turns the direction of writing around.
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff]+")
_CUT = re.compile(r"… \(\+(\d{1,3}(?:,\d{3}){0,5}) characters\)$")
_SURROGATES = re.compile(r"[\ud800-\udfff]")

_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


def escape(text: str) -> str:
    """As `html.escape`, whose module holds every entity of HTML: a third of a megabyte in a kernel that shows no bar."""
    return text.translate(_MARKUP)


def to_number(value: Any) -> float | None:
    """Give a finite float for a number or its text (``"12"``, ``"12%"``), and None for everything else."""
    if isinstance(value, str) and len(value) <= 40:
        value = value.strip().rstrip("%")
    elif not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def to_percent(value: Any) -> float | None:
    """Give a percentage between 0 and 100, or None where the value says nothing."""
    number = to_number(value)
    return None if number is None else min(100.0, max(0.0, number))


def clean_text(value: Any, limit: int = MAX_LABEL_CHARS) -> str:
    """Give one line without escapes, control characters and lone surrogates; what is cut off is counted."""
    text = value if isinstance(value, str) else str(value)
    total = len(text)
    cut = _CUT.search(text, max(0, total - 60))
    if cut is not None:
        # The sandbox has cut it before, and counted.
        text = text[: cut.start()]
        total = len(text) + int(cut.group(1).replace(",", ""))
    # Escapes can only shrink a text: four times the limit is enough to fill the limit, and bounds the work.
    text = _CONTROLS.sub(" ", _ESCAPES.sub("", text[: 4 * limit + 256]))
    text = _SURROGATES.sub("\ufffd", text).strip()
    if len(text) <= limit and cut is None and total <= 4 * limit + 256:
        return text
    return f"{text[:limit].rstrip()}… (+{total - min(limit, len(text)):,} characters)"
