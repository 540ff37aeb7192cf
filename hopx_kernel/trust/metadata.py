"""Metadata of outputs: how they are shown, by the few words for that, and records for programs.

Exports read words of their own in them: under ``filename`` nbconvert writes a picture to the disk, and ``filenames`` is
asked for by a page in the picture's place. So what is not known is not passed.
"""

from __future__ import annotations

from typing import Any

from .buffers import without_prototypes

__all__ = ["safe_metadata"]

#: How deep a record may be nested.
MAX_DEPTH = 200

_FLAGS = frozenset({"isolated", "unconfined", "expanded"})
_SIZES = frozenset({"width", "height"})
_BACKGROUNDS = ("light", "dark")
#: What stands for a picture, or names a tree.
_TEXTS = frozenset({"alt", "root"})
#: Of papermill and scrapbook, which read them from saved notebooks.
_RECORDS = frozenset({"papermill", "scrapbook"})
#: What some exports would write as it is between quotes.
_NOT_IN_TEXTS = str.maketrans("<>&\"'`", "      ")


def safe_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """What passes of the metadata of a bundle, which says it for all of its types, or for one under that one's name."""
    safe: dict[str, Any] = {}
    for key, value in metadata.items():
        name = str(key)
        if isinstance(value, dict):
            entries = _record(value) if name in _RECORDS else _words(value) if name.count("/") == 1 else None
            if entries is not None:
                safe[name] = entries
        else:
            safe |= _words({name: value})
    return safe


def _record(record: dict[str, Any]) -> dict[str, Any] | None:
    return record if without_prototypes(record, MAX_DEPTH) else None


def _words(entries: dict[str, Any]) -> dict[str, Any]:
    return {key: clean for key, value in entries.items() if (clean := _word(str(key), value)) is not None}


def _word(key: str, value: Any) -> Any:
    if key in _FLAGS:
        return value if type(value) is bool else None
    if key in _SIZES:
        # Exports write it into markup as it is.
        return value if type(value) in (int, float) or _is_size(value) else None
    if key == "needs_background":
        return value if value in _BACKGROUNDS else None
    return value.translate(_NOT_IN_TEXTS) if key in _TEXTS and type(value) is str else None


def _is_size(value: Any) -> bool:
    return isinstance(value, str) and value.removesuffix("px").removesuffix("%").replace(".", "", 1).isdecimal()
