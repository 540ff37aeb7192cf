"""Long runs of one program's progress markers, which differ in their values alone, found without reading each.

What a run's lines may be is a small part of JSON, so that each of them is surely a marker, with the same keys.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Dict, Optional, Pattern

__all__ = ["last_of_run"]

#: Any text but an empty one, without escapes; any number of a length that can be read.
_TEXT = r'"[^"\\\x00-\x1f]+"'
_NUMBER = r"-?(?:0|[1-9][0-9]{0,300})(?:\.[0-9]{1,300})?(?:[eE][+-]?[0-9]{1,3})?"
_VALUES = {"message": _TEXT, "unit": _TEXT, "percent": _NUMBER, "current": _NUMBER, "total": _NUMBER}


def last_of_run(text: str, position: int, content: Dict[str, Any]) -> int:
    """Where in a text the last line begins of a run that begins at `position`, given the content of a line before it.

    It is `position` itself where there is none: a line of another program, of a task with a name, or with data.
    """
    keys = tuple(content)
    lines = _run_of(keys) if keys and len(keys) <= len(_VALUES) else None
    run = lines.match(text, position) if lines is not None else None
    return position if run is None else max(position, text.rfind("\n", position, run.end() - 1) + 1)


@functools.lru_cache(maxsize=256)
def _run_of(keys: Any) -> Optional[Pattern[str]]:
    if not all(key in _VALUES for key in keys):
        return None
    pairs = ", ?".join(f'"{key}": ?{_VALUES[key]}' for key in keys)
    return re.compile(r'(?:__PROGRESS__\{(?:"type": ?"progress", ?)?' + pairs + r"\}\n)+")
