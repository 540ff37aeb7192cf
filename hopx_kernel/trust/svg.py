"""SVG that only draws, written anew from what was understood of it.

A page may read the source by the rules of HTML, in which comments, declarations and instructions end elsewhere than in
XML, and names in capitals are the same. So nothing of the source itself is passed on. Entities could make much of
little; a document type, which is where they are declared, ends the reading.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import partial
from typing import Any
from xml.etree import ElementTree

from .css import PREFIX, declarations, own_classes, own_name, scoped_style_sheet
from .latex import has_acting_math

__all__ = ["MAX_CHARS", "MAX_CHARS_AT_ONCE", "declares", "inert_svg", "parse_svg", "svg_picture"]

#: A drawing that is looked at, in characters, and where somebody waits for it who cannot do anything else meanwhile.
MAX_CHARS = 16 << 20
MAX_CHARS_AT_ONCE = 1 << 20

#: How deep elements lie in one another, at most.
_MAX_DEPTH = 200

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_XML = "http://www.w3.org/XML/1998/namespace"
_TAGS = frozenset(
    """
    circle clipPath defs desc ellipse filter g image line linearGradient marker mask path pattern polygon polyline
    radialGradient rect stop style svg switch symbol text textPath title tspan use view
    feBlend feColorMatrix feComponentTransfer feComposite feFlood feFuncA feFuncB feFuncG feFuncR feGaussianBlur feMerge
    feMergeNode feMorphology feOffset feTile
    """.split()  # noqa: SIM905 (a list of many short words)
)
_PICTURES = ("data:image/png;", "data:image/jpeg;", "data:image/gif;")
#: The document type that drawing programs write, which declares nothing.
_PLAIN_DOCTYPE = re.compile(r"<!DOCTYPE\s+svg(?:\s+PUBLIC\s+\"[^\"<>\[]*\"\s+\"[^\"<>\[]*\")?\s*>")
_DECLARES = re.compile("<!(?:DOCTYPE|ENTITY|NOTATION|ATTLIST|ELEMENT)", re.IGNORECASE)
_REFERENCE = re.compile(r"url\(\s*(['\"]?)#([A-Za-z0-9_:.-]{1,150})\1\s*\)")
#: Elements in which a page that reads by the rules of HTML takes elements for its own, an ``image`` for an ``img``.
_TEXTS = frozenset({"desc", "title"})
#: A drawing stays in its place, takes no keys, and tells the page's own programs nothing.
_NOT_KEPT = frozenset(
    """
    overflow part slot is nonce draggable tabindex autofocus accesskey contenteditable popover popovertarget srcset ping
    attributionsrc
    """.split()  # noqa: SIM905 (a list of many short words)
)
#: Stands for a reference while a style is read in which an address has no place.
_STAND_IN = "hopx-refers-to--"
_ODD = re.compile(r"[^A-Za-z0-9_-]")


def inert_svg(source: str) -> str | None:
    """The same drawing as a source of our own; None where something in it does more than to draw."""
    # Of each document type but the plain one, a parser is not even shown the beginning.
    source = _PLAIN_DOCTYPE.sub("", source, count=1)
    if _DECLARES.search(source):
        return None
    try:
        root = parse_svg(source)
        if root is None or root.tag != f"{{{_SVG}}}svg":
            return None
        _drop_metadata(root)
        scope = f"{PREFIX}of-{hashlib.sha256(source.encode('utf-8', 'replace')).hexdigest()[:12]}"
        if not all(map(partial(_make_plain, scope), root.iter())):
            return None
        root.set("class", f"{scope} {root.get('class', '')}".strip())
        root.set("xmlns", _SVG)
        root.set("xmlns:xlink", _XLINK)
        # Where a page shows it as markup, it typesets the mathematics in it too.
        texts = list(root.itertext())
        return None if any(map(has_acting_math, [*texts, "".join(texts)])) else _written(root)
    except (ElementTree.ParseError, ValueError, RecursionError):
        return None


def declares(source: str) -> bool:
    """Whether a source has a document type in which it may declare what it holds."""
    return _DECLARES.search(_PLAIN_DOCTYPE.sub("", source, count=1)) is not None


def _written(root: ElementTree.Element) -> str:
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def svg_picture(source: str) -> str | None:
    """Markup of a picture of it, as which its scripts do not run, whatever it holds; None for what is no picture."""
    if declares(source):
        return None
    encoded = base64.b64encode(source.encode("utf-8", "replace")).decode("ascii")
    return f'<img src="data:image/svg+xml;base64,{encoded}">'


def parse_svg(source: str) -> ElementTree.Element | None:
    """A tree that is not too deep to be walked."""
    parser: Any = ElementTree.XMLPullParser(("start", "end"))
    depth = 0
    root: ElementTree.Element | None = None
    # In pieces, so that depth is seen before all of it is built.
    for start in range(0, len(source), 1 << 16):
        parser.feed(source[start : start + (1 << 16)])
        for event, element in parser.read_events():
            root = element if root is None else root
            depth += 1 if event == "start" else -1
            if depth > _MAX_DEPTH:
                return None
    parser.close()
    return root


def _drop_metadata(root: ElementTree.Element) -> None:
    for parent in root.iter():
        for child in parent.findall(f"{{{_SVG}}}metadata"):
            parent.remove(child)


def _make_plain(scope: str, element: ElementTree.Element) -> bool:
    """Give an element names without namespaces; False where it is none that only draws."""
    space, _, tag = element.tag.rpartition("}")
    if space != "{" + _SVG or tag not in _TAGS:
        return False
    element.tag = tag
    if tag in _TEXTS and len(element):
        return False
    if tag == "style":
        sheet, is_whole = scoped_style_sheet(_stand_in(element.text or ""), scope)
        if not is_whole or len(element):
            return False
        element.text = _stand_back(sheet)
    for name, value in list(element.attrib.items()):
        space, _, plain = name.rpartition("}")
        del element.attrib[name]
        if space not in ("", "{" + _XLINK, "{" + _XML) or not plain.replace("-", "").isalnum():
            return False
        clean = _attribute(plain, value)
        if clean is None:
            return False
        if clean:
            element.set("xml:space" if space == "{" + _XML else plain, clean)
    return True


def _attribute(name: str, value: str) -> str | None:
    """An attribute's value, empty where it is left out; None where it does more than to draw."""
    text = "".join(value.split()).lower()
    lower = name.lower()
    if lower.startswith("on") or "javascript:" in text:
        return None
    if lower == "id":
        return own_name(_ODD.sub("-", value))
    if lower == "class":
        return own_classes(value)
    if lower in _NOT_KEPT or lower.startswith("data-"):
        return ""
    if lower == "style":
        clean, is_whole = declarations(_stand_in(value))
        return _stand_back("; ".join(each for each in clean if not each.startswith("overflow"))) if is_whole else None
    if lower in ("href", "src"):
        if text.startswith("#"):
            return f"#{own_name(_ODD.sub('-', value.strip()[1:]))}"
        return value if text.startswith(_PICTURES) else None
    value = _REFERENCE.sub(lambda match: f"url(#{own_name(_ODD.sub('-', match[2]))})", value)
    text = "".join(value.split()).lower()
    is_calm = "\\" not in text and "image" not in text and "url(" not in text.replace("url(#", "")
    return value if is_calm else None


def _stand_in(css: str) -> str:
    return _REFERENCE.sub(lambda match: _STAND_IN + _ODD.sub("-", match[2]), css)


def _stand_back(css: str) -> str:
    return re.sub(f"{_STAND_IN}([A-Za-z0-9_-]+)", lambda match: f"url(#{own_name(match[1])})", css)
