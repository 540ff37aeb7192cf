"""How deep a JSON value is nested: bounded where it comes in, so that nobody behind that runs out of stack.

This module imports the standard library only, and runs on Python 3.9: it is part of the runner too.
"""

from __future__ import annotations

from typing import Any, Optional

__all__ = ["MAX_DEPTH", "is_deeper"]

#: Objects and lists in one another. Python's own parsers and printers give up below a thousand, wherever they are called
#: from; what notebooks show has a dozen.
MAX_DEPTH = 256

#: Bytes of a text that takes longer to count in than so few values take to be looked at.
_LONG, _FEW = 8192, 64


def is_deeper(value: Any, text: bytes, limit: int = MAX_DEPTH) -> bool:
    """Whether a value has more than `limit` objects and lists in one another.

    Parameters
    ----------
    value : object
        Of what JSON has, as it was read or is written.
    text : bytes
        Its JSON, which tells at once for nearly all: no value is deeper than its text has brackets.
    limit : int
        How many there may be.
    """
    if len(text) > _LONG and _height(value, limit, _FEW) is not None:
        return False
    if text.count(b"[") + text.count(b"{") <= limit:
        return False
    return _height(value, limit) is None


def _height(value: Any, limit: int, most: float = float("inf")) -> Optional[int]:
    """How many objects and lists are in one another; None for more than `limit`, or where more than `most` are met."""
    level = [value]
    for height in range(limit + 1):
        # Of equal depth, and so without recursion.
        level = [each for each in level if isinstance(each, (dict, list, tuple))]
        if not level:
            return height
        most -= sum(map(len, level))
        if most < 0:
            return None
        level = [child for each in level for child in (each.values() if isinstance(each, dict) else each)]
    return None
