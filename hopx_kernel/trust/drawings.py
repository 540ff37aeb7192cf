"""How much a page would draw for an SVG, whose elements show one another.

Eleven elements that each show the one before ten times are drawn ten thousand million times, for which a page stands still.
"""

from __future__ import annotations

import base64
import binascii
import re
import urllib.parse
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["draws_too_much", "is_endless", "source_of"]

#: Elements that are drawn at most, or for each one in the source.
MAX_DRAWN = 100_000
MAX_FOR_EACH = 20

_REFERENCE = re.compile(r"url\(\s*['\"]?#([^'\")]+)")
_USE = re.compile(r"<[^>]{0,100}\buse\b|url\(", re.IGNORECASE)
_PREFIX = re.compile(r"data:image/svg\+xml[^,]{0,200},", re.IGNORECASE)


def is_endless(source: str) -> bool:
    """Whether a page would draw too much for a source; also where that cannot be said of one whose elements show others."""
    from .svg import parse_svg

    if _USE.search(source) is None:
        return False
    try:
        root = parse_svg(source)
    except (ElementTree.ParseError, ValueError):
        root = None
    return root is None or draws_too_much(root)


def source_of(address: str) -> str | None:
    """The source of a drawing that is in an address itself; None where there is none."""
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
