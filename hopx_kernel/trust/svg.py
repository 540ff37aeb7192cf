"""SVG that only draws, written anew from what was understood of it.

A page may read the source by the rules of HTML, in which comments, declarations and instructions end elsewhere than in
XML, and names in capitals are the same. So nothing of the source itself is passed on.
"""

from __future__ import annotations

from xml.etree import ElementTree

__all__ = ["inert_svg"]

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


def inert_svg(source: str) -> str | None:
    """The same drawing as a source of our own; None where something in it does more than to draw."""
    try:
        root = ElementTree.fromstring(source)
        if root.tag != f"{{{_SVG}}}svg":
            return None
        _drop_metadata(root)
        if not all(map(_make_plain, root.iter())):
            return None
        root.set("xmlns", _SVG)
        root.set("xmlns:xlink", _XLINK)
        return ElementTree.tostring(root, encoding="unicode")
    except (ElementTree.ParseError, ValueError, RecursionError):
        return None


def _drop_metadata(root: ElementTree.Element) -> None:
    for parent in root.iter():
        for child in parent.findall(f"{{{_SVG}}}metadata"):
            parent.remove(child)


def _make_plain(element: ElementTree.Element) -> bool:
    """Give an element names without namespaces; False where it is none that only draws."""
    space, _, tag = element.tag.rpartition("}")
    if space != "{" + _SVG or tag not in _TAGS:
        return False
    element.tag = tag
    if tag == "style" and not _is_calm_style(element.text or ""):
        return False
    for name, value in list(element.attrib.items()):
        space, _, plain = name.rpartition("}")
        if space not in ("", "{" + _XLINK, "{" + _XML) or not _is_calm_attribute(plain, value):
            return False
        if space:
            del element.attrib[name]
            if plain in ("href", "space"):
                element.set("href" if plain == "href" else "xml:space", value)
    return True


def _is_calm_attribute(name: str, value: str) -> bool:
    text = "".join(value.split()).lower()
    if name.lower().startswith("on") or "javascript:" in text or "position" in text:
        return False
    if name.lower() in ("href", "src"):
        return text.startswith(("#", *_PICTURES))
    return "\\" not in text and "image" not in text and "url(" not in text.replace("url(#", "")


def _is_calm_style(css: str) -> bool:
    """Whether a style sheet only concerns drawings: it may stand in the markup of a page, and hold for all of that."""
    squeezed = "".join(css.split()).lower()
    if any(mark in squeezed for mark in ("<", "@", "\\", "/*", "url", "image")):
        return False
    declarations = [piece for block in squeezed.split("}") for piece in block.partition("{")[2].split(";") if piece]
    return all(piece.startswith(("fill", "stroke", "stop-")) for piece in declarations)
