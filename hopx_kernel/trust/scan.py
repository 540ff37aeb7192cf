"""One look over markup, in a time that grows with its length and with nothing else.

It decides what is done with markup, never what of it is harmless: that is a sanitiser's to say. Where the two read
differently, too much goes into a frame, or something of it is lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["MAX_COUNTED", "Scan", "scan"]

#: Elements in one another of which each is counted: no page shows more.
MAX_COUNTED = 1024

#: Elements that act by themselves, or whose content a sanitiser would lose although the code meant it to be seen.
_ACTIVE_TAGS = frozenset(
    """
    script iframe frame frameset object embed applet form input button select textarea meta link base svg math canvas
    template portal fencedframe dialog
    """.split()  # noqa: SIM905 (a list of many short words)
)
#: What these name is fetched by the page, with the person's cookies where it is the page's own server.
_LOADING = frozenset({"src", "srcset", "poster", "background"})
_RUNNING = ("javascript:", "vbscript:", "data:text/html")

_VOID_TAGS = frozenset(
    "area base br col embed hr img input link meta param source track wbr".split()  # noqa: SIM905
)
#: Elements whose content is text up to their end tag.
_TEXT_TAGS = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in ("style", "script", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "noscript")
}
_TABLE_ROWS = frozenset({"td", "th"})
_TABLE_PARTS = _TABLE_ROWS | {"tr"}
_TABLE_GROUPS = _TABLE_PARTS | {"thead", "tbody", "tfoot", "caption", "colgroup"}
#: Elements without end tags: what is ended by the beginning of which.
_ENDED_BY = {
    "li": frozenset({"li"}),
    "dt": frozenset({"dt", "dd"}),
    "dd": frozenset({"dt", "dd"}),
    "option": frozenset({"option"}),
    "td": _TABLE_ROWS,
    "th": _TABLE_ROWS,
    "tr": _TABLE_PARTS,
    **dict.fromkeys(("thead", "tbody", "tfoot"), _TABLE_GROUPS),
    **dict.fromkeys("p div table ul ol dl pre blockquote h1 h2 h3 h4 h5 h6 hr section".split(), frozenset({"p"})),  # noqa: SIM905
}
#: Elements that the end tags of these end too.
_ENDS = {
    **dict.fromkeys(("ul", "ol"), frozenset({"li", "p"})),
    "dl": frozenset({"dt", "dd", "p"}),
    "tr": _TABLE_ROWS,
    **dict.fromkeys(("thead", "tbody", "tfoot"), _TABLE_PARTS),
    "table": _TABLE_GROUPS,
    **dict.fromkeys("div section blockquote li td th dd".split(), frozenset({"p"})),  # noqa: SIM905
}

_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]*)")
_ATTRIBUTE = re.compile(r"[\s/]*(?:(>)|(=?[^\s/>=]*)(\s*=\s*)?)")
_UNQUOTED = re.compile(r"[^\s>]*")


@dataclass
class Scan:
    """What was seen in markup."""

    #: Whether it wants to run or to load something.
    is_active: bool = False
    #: The height that it wants to have, in pixels.
    height: int = 0
    #: What stands in its style elements.
    style_sheets: list[str] = field(default_factory=list)
    #: Elements in one another, at most; each that is not ended in order counts to the end. Nothing is looked at beyond
    #: `MAX_COUNTED`.
    depth: int = 0
    #: Attributes of one element, at most.
    attributes: int = 0


def scan(markup: str) -> Scan:
    """Look over markup."""
    seen = Scan()
    open_tags: list[str] = []
    position = 0
    while (position := markup.find("<", position)) >= 0:
        if markup.startswith("<!", position) or markup.startswith("<?", position):
            is_comment = markup.startswith("<!--", position)
            end = markup.find("-->" if is_comment else ">", position + 2)
            position = len(markup) if end < 0 else end
            continue
        match = _TAG.match(markup, position)
        if match is None:
            position += 1
            continue
        tag = match[2].lower()
        position = _see_attributes(markup, match.end(), seen)
        if match[1]:
            _close(tag, open_tags)
            continue
        seen.is_active = seen.is_active or tag in _ACTIVE_TAGS
        if tag in _TEXT_TAGS:
            end_tag = _TEXT_TAGS[tag].search(markup, position)
            end = end_tag.start() if end_tag else len(markup)
            if tag == "style":
                seen.style_sheets.append(markup[position:end])
            position = end
        elif tag not in _VOID_TAGS:
            _open(tag, open_tags)
            seen.depth = max(seen.depth, len(open_tags))
            if seen.depth > MAX_COUNTED:
                break
    return seen


def _open(tag: str, open_tags: list[str]) -> None:
    ended = _ENDED_BY.get(tag, ())
    while open_tags and open_tags[-1] in ended:
        open_tags.pop()
    open_tags.append(tag)


def _close(tag: str, open_tags: list[str]) -> None:
    ended = _ENDS.get(tag, ())
    while open_tags and open_tags[-1] in ended and open_tags[-1] != tag:
        open_tags.pop()
    if open_tags and open_tags[-1] == tag:
        open_tags.pop()


def _see_attributes(markup: str, position: int, seen: Scan) -> int:
    """Look at a tag's attributes; gives where the tag ends."""
    count = 0
    while position < len(markup):
        match = _ATTRIBUTE.match(markup, position)
        if match is None or match[1]:
            position += 1 if match is None else match.end() - position
            break
        position = match.end()
        value = ""
        if match[3]:
            quote = markup[position : position + 1]
            if quote in ('"', "'"):
                end = markup.find(quote, position + 1)
                end = len(markup) if end < 0 else end
                value, position = markup[position + 1 : end], end + 1
            else:
                unquoted = _UNQUOTED.match(markup, position)
                value = unquoted[0] if unquoted else ""
                position += len(value)
        count += 1
        _see_attribute(match[2].lower(), value, seen)
    seen.attributes = max(seen.attributes, count)
    return position


def _see_attribute(name: str, value: str, seen: Scan) -> None:
    if name.startswith("on"):
        seen.is_active = True
    if not value:
        return
    start = "".join(value[:200].split()).lower()
    if "&" in start:
        import html

        start = "".join(html.unescape(start).split()).lower()
    if start.startswith(_RUNNING) or (name in _LOADING and start and not start.startswith("data:")):
        seen.is_active = True
    if name == "height":
        _see_height(start, seen)
    elif name == "style" and "height:" in (text := "".join(value[:10_000].split()).lower()):
        _see_height(text.rpartition("height:")[2], seen)


def _see_height(text: str, seen: Scan) -> None:
    digits = text.partition("px")[0].partition(";")[0].partition(".")[0]
    if digits.isdecimal() and len(digits) < 6:
        seen.height = max(seen.height, int(digits))
