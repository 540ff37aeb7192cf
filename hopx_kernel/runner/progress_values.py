"""What a progress event may hold: any Python value as JSON, within bounds, without ever raising.

Beside what JSON knows: NaN and infinities as text, sets as lists, dates in ISO form, numpy's scalars and small arrays
as what they hold, data frames as their rows, and the `repr` of everything else. What is cut off is said.
"""

from __future__ import annotations

import collections
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
_MAX_ROWS = 1000
#: Whose values are read as their `str`: ``1.5``, ``/data/x``, and not ``Decimal('1.5')``, ``PosixPath('/data/x')``.
_TEXT_MODULES = frozenset({"decimal", "fractions", "ipaddress", "pathlib", "uuid"})


def label(value: Any) -> str:
    """A text to show, with what is over `LABEL_CHARS` counted: of what is one value its text, else the `repr`."""
    if type(value) is str:
        return _cut(value, LABEL_CHARS)
    try:
        shown = json_value(value) if _parts(value) is None else None
    except Exception:
        shown = None
    if type(shown) in (int, float):
        shown = str(shown)
    return _cut(shown if isinstance(shown, str) else _text(value), LABEL_CHARS)


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
    if isinstance(value, (str, int, float)):  # subclasses: enums, numpy.float64, numpy.str_
        if isinstance(value, str):
            return json_value(str.__str__(value), budget)
        return json_value(int(value) if isinstance(value, int) else float(value), budget)
    parts = _parts(value)
    if parts is None:
        return _single(value, budget, depth)
    if depth >= MAX_DEPTH:
        return f"<{type(value).__name__} nested deeper than {MAX_DEPTH}>"
    if isinstance(parts, dict):
        return {label(key): json_value(item, budget, depth + 1) for key, item in parts.items() if budget[0] > 0}
    return _items(parts, budget, depth)


def _parts(value: Any) -> Any:
    """What a value is made of, as a dict or a list that nobody else writes to; None where it is one."""
    if isinstance(value, dict):
        return dict(value)
    if hasattr(value, "_asdict"):
        return dict(value._asdict())
    if isinstance(value, (list, tuple, set, frozenset, collections.deque)):
        return list(value)
    fields = getattr(type(value), "__dataclass_fields__", None)
    if isinstance(fields, dict):
        return {name: getattr(value, name) for name in fields if hasattr(value, name)}
    return None


def _single(value: Any, budget: List[int], depth: int) -> Any:
    kind = type(value)
    if isinstance(value, BaseException):
        return _cut(f"{kind.__name__}: {value}".removesuffix(": "), _REPR_CHARS)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if kind.__module__.partition(".")[0] in _TEXT_MODULES:
        return _cut(str(value), _REPR_CHARS)
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return _unpack(value, budget, depth)
    if hasattr(value, "columns") and (hasattr(value, "to_dicts") or hasattr(value, "to_dict")):
        return _table(value, budget, depth)
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


def _table(value: Any, budget: List[int], depth: int) -> Any:
    """A data frame as its rows, each a dict; of many, the first."""
    rows, limit = len(value), max(1, min(_MAX_ROWS, budget[0] // max(1, len(value.columns))))
    first = value.head(limit)
    records = json_value(first.to_dicts() if hasattr(first, "to_dicts") else first.to_dict("records"), budget, depth)
    if rows > limit and isinstance(records, list):
        records.append(f"… and {rows - limit:,} more")
    return records


def _text(value: Any) -> str:
    try:
        return _cut(repr(value), _REPR_CHARS)
    except Exception as exc:
        return f"<{type(value).__name__} whose repr raised {type(exc).__name__}>"


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… (+{len(text) - limit:,} characters)"
