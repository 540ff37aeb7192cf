"""What a progress event may hold: any Python value as JSON, within bounds, without ever raising.

Beside what JSON knows: NaN and infinities as text, sets as lists, dates in ISO form, numpy's scalars and small arrays
as what they hold, and the `repr` of everything else. What is cut off is said.
"""

from __future__ import annotations

import math
from typing import Any, List, Optional

__all__ = ["LABEL_CHARS", "json_value", "label", "number_or_text"]

#: A message, a unit or a task's name.
LABEL_CHARS = 2000
#: A text inside of data, its values in all, and its depth.
TEXT_CHARS = 1_000_000
MAX_VALUES = 200_000
MAX_DEPTH = 60
_REPR_CHARS = 2000


def label(value: Any) -> str:
    """A text to show, with what is over `LABEL_CHARS` counted."""
    return _cut(value if type(value) is str else _text(value), LABEL_CHARS)


def number_or_text(value: Any) -> Any:
    """A finite number as it is, and what is none as a short text: the host decides what it is worth."""
    if value is None or (type(value) is int and -(1 << 63) <= value < 1 << 63):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else repr(value)
    unpacked = json_value(value)
    if isinstance(unpacked, (int, float)) and not isinstance(unpacked, bool):
        return unpacked if abs(unpacked) < 1e300 else "inf"
    return _cut(unpacked if isinstance(unpacked, str) else _text(unpacked), 40)


def json_value(value: Any, budget: Optional[List[int]] = None, depth: int = 0) -> Any:
    """A copy that JSON can carry. `budget` holds the number of values that may still come."""
    if value is None or value is True or value is False:
        return value
    kind = type(value)
    if kind is str:
        return _cut(value, TEXT_CHARS)
    if kind is int:
        return value if -(1 << 200) < value < 1 << 200 else f"<int of {value.bit_length():,} bits>"
    if kind is float:
        return value if math.isfinite(value) else repr(value)
    budget = [MAX_VALUES] if budget is None else budget
    budget[0] -= 1
    if budget[0] < 0:
        return "…"
    try:
        return _composite(value, budget, depth)
    except Exception as exc:
        return f"<{type(value).__name__} that raised {type(exc).__name__}>"


def _composite(value: Any, budget: List[int], depth: int) -> Any:
    if isinstance(value, dict):
        if depth >= MAX_DEPTH:
            return f"<dict nested deeper than {MAX_DEPTH}>"
        # A copy first: another thread may go on writing to it.
        return {label(key): json_value(item, budget, depth + 1) for key, item in dict(value).items() if budget[0] > 0}
    if isinstance(value, (list, tuple, set, frozenset)):
        if depth >= MAX_DEPTH:
            return f"<{type(value).__name__} nested deeper than {MAX_DEPTH}>"
        return _items(list(value), budget, depth)
    if isinstance(value, (str, int, float)):  # subclasses: enums, numpy.float64, numpy.str_
        return json_value(next(base(value) for base in (str, int, float) if isinstance(value, base)), budget)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return _unpack(value, budget, depth)
    return _text(value)


def _items(values: List[Any], budget: List[int], depth: int) -> List[Any]:
    result = []
    for index, item in enumerate(values):
        if budget[0] <= 0:
            result.append(f"… and {len(values) - index:,} more")
            break
        budget[0] -= 1
        result.append(json_value(item, budget, depth + 1))
    return result


def _unpack(value: Any, budget: List[int], depth: int) -> Any:
    """Numpy's scalars and arrays, and what has their interface."""
    if int(getattr(value, "size", 1) or 0) > 10_000:
        return _text(value)
    unpacked = value.tolist()
    if type(unpacked) is type(value):
        return _text(value)
    return json_value(unpacked, budget, depth)


def _text(value: Any) -> str:
    try:
        return _cut(repr(value), _REPR_CHARS)
    except Exception as exc:
        return f"<{type(value).__name__} whose repr raised {type(exc).__name__}>"


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… (+{len(text) - limit:,} characters)"
