"""SVG, Markdown and LaTeX: what of them may stand in a page."""

from __future__ import annotations

import html
from xml.etree import ElementTree

__all__ = ["is_calm_latex", "is_inert_svg", "safe_markdown"]

# ---------------------------------------------------------------------- SVG

_SVG = "{http://www.w3.org/2000/svg}"
_SVG_ACTIVE = frozenset(f"{_SVG}{tag}" for tag in ("script", "foreignObject", "handler", "set", "animate", "iframe"))


def is_inert_svg(source: str) -> bool:
    """Whether an SVG may stand in a page's own markup: no script, no handler, nothing loaded, nothing odd."""
    if any(mark in source for mark in ("<!ENTITY", "<![CDATA[", "<?xml-stylesheet")):
        return False
    try:
        root = ElementTree.fromstring(source)
    except (ElementTree.ParseError, ValueError, RecursionError):
        return False
    return root.tag == f"{_SVG}svg" and _comments_are_plain(source) and all(map(_is_inert_element, root.iter()))


def _comments_are_plain(source: str) -> bool:
    return all("<" not in part.partition("-->")[0] for part in source.split("<!--")[1:])


def _is_inert_element(element: ElementTree.Element) -> bool:
    if not isinstance(element.tag, str) or not element.tag.startswith("{") or element.tag in _SVG_ACTIVE:
        return False
    if element.tag.startswith("{http://www.w3.org/1999/xhtml}"):
        return False
    if element.tag == f"{_SVG}style" and ("<" in (element.text or "") or "@import" in (element.text or "").lower()):
        return False
    for name, value in element.attrib.items():
        plain = name.rpartition("}")[2].lower()
        text = "".join(value.split()).lower()
        if plain.startswith("on") or "javascript:" in text:
            return False
        if plain in ("href", "src") and not text.startswith(
            ("#", "data:image/png", "data:image/jpeg", "data:image/gif")
        ):
            return False
    return True


# ---------------------------------------------------------------------- Markdown and LaTeX

_SIMPLE_TAGS = (
    *(
        f"{slash}{tag}>"
        for tag in "b i em strong code sub sup u s kbd mark small p br hr".split()  # noqa: SIM905
        for slash in ("", "/")
    ),
    *("br/>", "br />", "hr/>", "hr />"),
)


def safe_markdown(source: str) -> str | None:
    """Markdown whose HTML is shown as the text it is, but for the plainest elements; None where a link would act."""
    squeezed = "".join(c for c in html.unescape(source) if c.isprintable() and not c.isspace()).lower()
    squeezed = squeezed.replace("\\", "")
    if any(scheme in squeezed for scheme in ("javascript:", "vbscript:", "data:text", "data:application")):
        return None
    if not is_calm_latex(source):
        return None
    first, *rest = source.split("<")
    return first + "".join(_safe_markdown_piece(piece) for piece in rest)


def _safe_markdown_piece(piece: str) -> str:
    if piece.lower().startswith(_SIMPLE_TAGS):
        return "<" + piece
    return ("&lt;" if piece[:1].isalpha() or piece[:1] in ("/", "!", "?") else "<") + piece


def is_calm_latex(source: str) -> bool:
    """Whether LaTeX only typesets: MathJax can also make links, set attributes and load extensions."""
    return not any(
        command in source
        for command in (
            "\\href",
            "\\url",
            "\\require",
            "\\class",
            "\\cssId",
            "\\style",
            "\\data",
            "\\html",
            "\\include",
        )
    )
