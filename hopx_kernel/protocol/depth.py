"""How deep a JSON value is nested: bounded where it comes in, so that nobody behind that runs out of stack.

This module imports the standard library only, and runs on Python 3.9: it is part of the runner too.
"""

from __future__ import annotations

from typing import Any

__all__ = ["MAX_DEPTH", "is_deeper"]

#: Objects and lists in one another. Python's own parsers and printers give up below a thousand, wherever they are called
#: from; what notebooks show has a dozen.
MAX_DEPTH = 256


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
    if text.count(b"[") + text.count(b"{") <= limit:
        return False
    level = [value]
    for _ in range(limit):
        # Of equal depth, and so without recursion.
        level = [child for each in level for child in _children(each) if isinstance(child, (dict, list, tuple))]
        if not level:
            return False
    return bool(level)


def _children(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value
