"""What of one's own may stand on a ``%sandbox`` line: variables and files, for completion.

Standard library only, Python 3.9.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List

__all__ = ["complete_own"]


def complete_own(what: str, word: str, namespace: Dict[str, Any]) -> List[str]:
    """The ``variables``, separated by commas, or ``paths`` that a word may become."""
    return _variables(word, namespace) if what == "variables" else _paths(word) if what == "paths" else []


def _variables(word: str, namespace: Dict[str, Any]) -> List[str]:
    done, comma, start = word.rpartition(",")
    names = [name for name in list(namespace) if name.startswith(start) and not name.startswith("_")]
    return [f"{done}{comma}{name}" for name in names]


def _paths(word: str) -> List[str]:
    directory, start = os.path.split(word)
    try:
        with os.scandir(os.path.expanduser(directory or ".")) as found:
            entries = sorted((entry.name, entry.is_dir()) for entry in found)
    except OSError:
        return []
    prefix = f"{directory.rstrip('/')}/" if directory else ""
    return [
        f"{prefix}{name}{'/' if is_directory else ''}"
        for name, is_directory in entries
        if name.startswith(start) and (start.startswith(".") or not name.startswith("."))
    ]
