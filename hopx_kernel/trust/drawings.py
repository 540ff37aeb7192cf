"""How much a page would draw for an SVG, whose elements show one another.

Eleven elements that each show the one before ten times are drawn ten thousand million times, for which a page stands still.
"""

from __future__ import annotations

import base64
import binascii
import re
import urllib.parse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["draws_too_much", "holds_endless", "is_endless", "is_endless_at"]

#: Elements that are drawn at most, or for each one in the source.
MAX_DRAWN = 100_000
MAX_FOR_EACH = 20
#: What bytes begin with that are XML, in whatever way they are written.
_IS_XML = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\0\s]*<[\0\s]*[!?a-z]", re.IGNORECASE)
_HEAD = 64 << 10
#: A drawing that is looked at in bytes.
MAX_BYTES = 4 << 20

_REFERENCE = re.compile(r"url\(\s*['\"]?#([^'\")]+)")
_USE = re.compile(r"<[^>]{0,100}\buse\b|url\(", re.IGNORECASE)
#: What is no text of XML, and in some writing systems between letters, or every second of them.
_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f]")
_PREFIX = re.compile(r"data:image/svg\+xml[^,]{0,200},", re.IGNORECASE)


def is_endless(source: str) -> bool:
    """Whether a page would draw too much for a source; also where that cannot be said of one whose elements show others."""
    from .svg import declares, parse_svg

    if declares(source) or _CONTROL.search(source):
        return True
    if _USE.search(source) is None:
        return False
    try:
        root = parse_svg(source)
    except (ElementTree.ParseError, ValueError):
        root = None
    return root is None or draws_too_much(root)


def is_endless_at(address: str) -> bool:
    """Whether an address is one of such a drawing, which is in it."""
    found = _PREFIX.match(address)
    if found is None:
        return False
    raw = urllib.parse.unquote_to_bytes(address[found.end() :])
    if ";base64" in found[0].lower():
        try:
            raw = base64.b64decode(raw)
        except (binascii.Error, ValueError):
            return False
    return is_endless(raw.decode("utf-8", "replace"))


def holds_endless(data: Any) -> bool:
    """Whether bytes are such a drawing, whatever they are said to be."""
    head = bytes(memoryview(data)[:_HEAD])
    if not _IS_XML.match(head):
        return False
    return len(data) > MAX_BYTES or is_endless(bytes(data).decode("utf-8", "replace"))


def draws_too_much(root: ElementTree.Element) -> bool:
    """Whether elements show one another so often that a page would not come to an end."""
    named = {element.get("id", ""): element for element in root.iter() if element.get("id")}
    limit = max(MAX_DRAWN, MAX_FOR_EACH * sum(1 for _ in root.iter()))
    return _drawn(root, named, {}, limit, 0) > limit


def _drawn(
    element: ElementTree.Element,
    named: Mapping[str, ElementTree.Element],
    known: dict[ElementTree.Element, int],
    limit: int,
    depth: int,
) -> int:
    if element in known:
        return known[element]
    if depth > 400:
        return limit + 1
    known[element] = 0  # what shows itself is not drawn
    count = 1
    shown = (named[name] for name in _shown_by(element) if name in named)
    for each in (*element, *shown):
        count += _drawn(each, named, known, limit, depth + 1)
        if count > limit:
            break
    known[element] = count
    return count


def _shown_by(element: ElementTree.Element) -> Iterator[str]:
    """The names of what an element shows besides its children."""
    for name, value in element.attrib.items():
        if name.rpartition("}")[2] == "href" and value.strip().startswith("#"):
            yield value.strip()[1:]
        elif "url(" in value:
            yield from _REFERENCE.findall(value)
