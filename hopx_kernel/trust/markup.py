"""HTML and CSS made harmless for the page, or put into a frame that cannot reach it."""

from __future__ import annotations

import hashlib
import html
from dataclasses import dataclass

from .css import PREFIX, calm_declarations, own_classes, own_name, scoped_style_sheet
from .drawings import is_endless_at
from .frames import frame
from .latex import has_acting_math_within
from .media import plays_itself
from .notices import size
from .scan import MAX_COUNTED, Scan, scan

__all__ = ["MAX_CHARS", "MAX_CHARS_AT_ONCE", "Excess", "clean_html", "safe_html"]

#: Markup that is cleaned at all, in characters, and where somebody waits for it who cannot do anything else meanwhile.
MAX_CHARS = 16 << 20
MAX_CHARS_AT_ONCE = 512 << 10
#: Parsers take a time that grows with the product of length and depth, and with the square of a tag's attributes. People
#: write tens of either; browsers themselves go 512 deep.
MAX_DEPTH = 256
MAX_ATTRIBUTES = 256

_TAGS = frozenset(
    """
    a abbr acronym area article aside audio b bdi bdo blockquote br caption center cite code col colgroup data dd del
    details dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hgroup hr i img ins kbd label li main
    mark meter nav ol p picture pre progress q rp rt ruby s samp section small source span strike strong sub summary sup
    table tbody td tfoot th thead time tr track tt u ul var video wbr
    """.split()  # noqa: SIM905 (a list of many short words)
)
#: Elements of which nothing is left, not even their text.
_DROPPED_TAGS = frozenset({"script", "style", "noscript", "template"})
_ATTRIBUTES = {
    "*": {"class", "style", "title", "lang", "dir", "align", "valign", "id", "role"},
    "a": {"href", "target"},
    "img": {"src", "alt", "width", "height", "loading"},
    "audio": {"src", "controls", "loop", "muted"},
    "video": {"src", "controls", "loop", "muted", "width", "height", "poster"},
    "source": {"src", "type"},
    "table": {"border", "cellpadding", "cellspacing", "width", "summary", "bgcolor"},
    "col": {"span", "width"},
    "colgroup": {"span", "width"},
    "td": {"colspan", "rowspan", "headers", "scope", "width", "height", "nowrap", "bgcolor"},
    "th": {"colspan", "rowspan", "headers", "scope", "width", "height", "nowrap", "bgcolor"},
    "tr": {"bgcolor"},
    "ol": {"start", "type", "reversed"},
    "li": {"value"},
    "progress": {"max", "value"},
    "meter": {"max", "min", "value", "low", "high", "optimum"},
    "details": {"open"},
    "time": {"datetime"},
    "font": {"color", "size", "face"},
    "blockquote": {"cite"},
    "q": {"cite"},
    "data": {"value"},
}
#: Attributes that name elements of the same output.
_NAMING = frozenset({"headers", "aria-controls", "aria-describedby", "aria-labelledby", "aria-owns"})
_PLAYED = frozenset({"audio", "video", "source"})
#: What these name is fetched by the page, with the person's cookies where it is the page's own server.
_LOADING = frozenset({"src", "srcset", "poster", "background"})
#: And these lead to somewhere.
_LEADING = frozenset({"href", "cite"})
#: What a browser takes out of an address before it looks at it.
_AT_ENDS = "".join(map(chr, range(33)))
_NOWHERE = dict.fromkeys(map(ord, "\t\n\r"))


@dataclass(frozen=True)
class Excess:
    """What is not shown, and why, as the beginning of a sentence."""

    reason: str


def safe_html(markup: str, network: bool = False, max_chars: int = MAX_CHARS) -> str | Excess:
    """Markup for the page: sanitised, or where it is active, or its style concerns others, in a frame of its own origin."""
    if len(markup) > max_chars:
        return Excess(f"HTML of {size(len(markup))} was not shown: at most {size(max_chars)} are made harmless here")
    seen = scan(markup)
    if (excess := _excess(markup, seen)) is not None:
        return Excess(excess)
    if seen.is_active:
        return frame(markup, seen.height, network)
    cleaned = _clean(markup)
    if has_acting_math_within(cleaned):
        return frame(markup, seen.height, network)
    styled, is_whole = _with_style_sheets(cleaned, seen)
    return styled if is_whole else frame(markup, seen.height, network)


def clean_html(markup: str, limit: int = MAX_CHARS_AT_ONCE) -> str:
    """Markup without anything active, by nh3, and without mathematics that does more than to typeset.

    What is too large or too deep to be cleaned while others wait becomes a note that says so.
    """
    if "<" not in markup and "&" not in markup:
        return _calm_math(html.escape(markup, quote=False))
    if len(markup) > limit:
        return html.escape(f"[HTML of {size(len(markup))} was not shown: {size(limit)} are the most.]")
    seen = scan(markup)
    if (excess := _excess(markup, seen)) is not None:
        return html.escape(f"[{excess}.]")
    return _calm_math(_with_style_sheets(_clean(markup), seen)[0])


def _excess(markup: str, seen: Scan) -> str | None:
    """Why markup is not cleaned at all, if it is not."""
    of = f"HTML of {size(len(markup))}"
    if seen.depth > (MAX_COUNTED if seen.is_active else MAX_DEPTH):
        depth = f"more than {MAX_COUNTED:,}" if seen.depth > MAX_COUNTED else f"{seen.depth:,}"
        return f"{of} with {depth} elements in one another was not shown: {MAX_DEPTH} are the most"
    if seen.attributes > MAX_ATTRIBUTES:
        return f"{of} with {seen.attributes:,} attributes of one element was not shown: {MAX_ATTRIBUTES} are the most"
    return None


def _calm_math(cleaned: str) -> str:
    return cleaned.replace("\\", "∖") if has_acting_math_within(cleaned) else cleaned


def _with_style_sheets(cleaned: str, seen: Scan) -> tuple[str, bool]:
    """Cleaned markup with its style sheets written anew for itself alone, and whether all in them was understood."""
    sheets = "\n".join(seen.style_sheets)
    if not sheets.strip():
        return cleaned, True
    scope = f"{PREFIX}of-{hashlib.sha256(sheets.encode('utf-8', 'replace')).hexdigest()[:12]}"
    style, is_whole = scoped_style_sheet(sheets, scope)
    if not style:
        return cleaned, is_whole
    return f'<div class="{scope}"><style>{style}</style>{cleaned}</div>', is_whole


def _clean(markup: str) -> str:
    import nh3

    return nh3.clean(
        markup.encode("utf-8", "replace").decode("utf-8"),
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        clean_content_tags=set(_DROPPED_TAGS),
        generic_attribute_prefixes={"aria-"},
        attribute_filter=_filter_attribute,
        url_schemes={"http", "https", "mailto", "data"},
        url_relative=lambda url: url if url.startswith("#") else None,
        link_rel="noopener noreferrer",
    )


def _filter_attribute(tag: str, name: str, value: str) -> str | None:
    if tag == "wbr":
        return None  # MathJax reads over it, and so it must be known at sight
    if name == "style":
        return calm_declarations(value) or None
    if name == "id":
        return own_name(value)
    if name == "class":
        return own_classes(value) or None
    if name in _NAMING:
        return own_classes(value) or None
    if name == "target":
        return "_blank"
    if name not in _LOADING and name not in _LEADING:
        return value
    value = _address(value)
    start = value.lower()
    if name == "href" and start.startswith("#"):
        target = own_name(value[1:])
        return None if target is None else f"#{target}"
    if start.startswith(("http:", "https:")) and "://" not in start[:8]:
        return None  # an address without a server is on the page's own
    if name in _LOADING or start.startswith("data:"):
        if tag in _PLAYED and name != "poster":
            return value if plays_itself(value) else None
        return (
            value if tag in ("img", "video") and start.startswith("data:image/") and not is_endless_at(value) else None
        )
    return value


def _address(value: str) -> str:
    """A value as a browser reads it where it is an address: without what it takes for nothing at the ends, and within."""
    return value.strip(_AT_ENDS).translate(_NOWHERE)
