"""How much a page would draw for an SVG, whose elements show one another.

Eleven elements that each show the one before ten times are drawn ten thousand million times, for which a page stands still.
"""

from __future__ import annotations

import base64
import binascii
import re
import urllib.parse
from typing import Any
from xml.etree import ElementTree

__all__ = ["draws_too_much", "holds_endless", "is_endless", "is_endless_at", "source_at"]

#: What bytes begin with that are XML, in whatever way they are written.
_IS_XML = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\0\s]*<[\0\s]*[!?a-z]", re.IGNORECASE)
_HEAD = 64 << 10
#: A drawing that is looked at in bytes.
MAX_BYTES = 4 << 20

#: Without one of these nothing in a source is drawn more than once; the last two may stand for letters.
_SHOWING = ("use", "url", "filter", "&", "\\")
#: What is no text of XML, and in some writing systems between letters, or every second of them.
_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f]")
_PREFIX = re.compile(r"data:image/svg\+xml[^,]{0,200},", re.IGNORECASE)


def is_endless(source: str) -> bool:
    """Whether a page would draw too much for a source; also where that cannot be said of one whose elements show others."""
    from .svg import declares, parse_svg

    # A style sheet from elsewhere says what shows what, too.
    if declares(source) or _CONTROL.search(source) or "<?xml-stylesheet" in source:
        return True
    lower = source.lower()
    if not any(word in lower for word in _SHOWING):
        return False
    try:
        root = parse_svg(source)
    except (ElementTree.ParseError, ValueError):
        root = None
    return root is None or draws_too_much(root)


def is_endless_at(address: str) -> bool:
    """Whether an address is one of such a drawing, which is in it."""
    source = source_at(address)
    return source is not None and is_endless(source)


def source_at(address: str) -> str | None:
    """The drawing that is in an address; None where none is."""
    found = _PREFIX.match(address)
    if found is None:
        return None
    raw = urllib.parse.unquote_to_bytes(address[found.end() :])
    if ";base64" in found[0].lower():
        try:
            raw = base64.b64decode(raw)
        except (binascii.Error, ValueError):
            return None
    return raw.decode("utf-8", "replace")


def holds_endless(data: Any) -> bool:
    """Whether bytes are such a drawing, whatever they are said to be."""
    head = bytes(memoryview(data)[:_HEAD])
    if not _IS_XML.match(head):
        return False
    return len(data) > MAX_BYTES or is_endless(bytes(data).decode("utf-8", "replace"))


def draws_too_much(root: ElementTree.Element) -> bool:
    """Whether elements show one another so often that a page would not come to an end, or nobody can say how often."""
    from .shown import Drawing

    try:
        return Drawing(root).is_too_much()
    except RecursionError:  # drawings in drawings in drawings
        return True
