"""HTML and CSS made harmless for the page, or put into a frame that cannot reach it."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

from .css import calm_declarations, is_calm_style_sheet, own_classes
from .latex import has_acting_math

__all__ = ["clean_html", "frame", "is_active_html", "safe_html", "widget_html"]

#: The page's policy for what runs in a frame: it may draw, and load libraries and pictures; it may not send.
_FRAME_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="connect-src data: blob:; form-action \'none\'; '
    "base-uri 'none'; object-src 'none'\">"
)
_FRAME_STYLE = "<style>body{margin:0;font:13px/1.4 system-ui,sans-serif;background:#fff;color:#111}</style>"
DEFAULT_FRAME_HEIGHT = 480
MAX_FRAME_HEIGHT = 1200

#: Elements that act by themselves, or whose content a sanitiser would lose although the code meant it to be seen.
_ACTIVE_TAGS = frozenset(
    [
        "script",
        "iframe",
        "frame",
        "frameset",
        "object",
        "embed",
        "applet",
        "form",
        "input",
        "button",
        "select",
        "textarea",
        "meta",
        "link",
        "base",
        "svg",
        "math",
        "canvas",
        "template",
        "portal",
    ]
)

_TAGS = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "area",
        "article",
        "aside",
        "audio",
        "b",
        "bdi",
        "bdo",
        "blockquote",
        "br",
        "caption",
        "center",
        "cite",
        "code",
        "col",
        "colgroup",
        "data",
        "dd",
        "del",
        "details",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hgroup",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "label",
        "li",
        "main",
        "mark",
        "meter",
        "nav",
        "ol",
        "p",
        "picture",
        "pre",
        "progress",
        "q",
        "rp",
        "rt",
        "ruby",
        "s",
        "samp",
        "section",
        "small",
        "source",
        "span",
        "strike",
        "strong",
        "style",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "time",
        "tr",
        "track",
        "tt",
        "u",
        "ul",
        "var",
        "video",
        "wbr",
        "font",
    ]
)
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
    "style": {"scoped", "type"},
    "font": {"color", "size", "face"},
    "blockquote": {"cite"},
    "q": {"cite"},
    "data": {"value"},
}
_MEDIA = {"img": "data:image/", "audio": "data:audio/", "video": "data:video/", "source": "data:"}

#: What these name is fetched by the page, with the person's cookies where it is the page's own server.
_LOADING = frozenset({"src", "srcset", "poster", "background"})

_STYLE_SHEET = re.compile(r"<style\b.*?(?:</style\s*>|$)", re.IGNORECASE | re.DOTALL)


class _Inspector(HTMLParser):
    """Looks whether markup is active, how high it wants to be, and what its style sheets say."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.is_active = False
        self.height = 0
        self.style_sheets: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        self.is_active = self.is_active or tag in _ACTIVE_TAGS
        for name, value in attrs:
            text = "".join((value or "").split()).lower()
            if name.startswith("on") or text.startswith(("javascript:", "vbscript:", "data:text/html")):
                self.is_active = True
            if name in _LOADING and text and not text.startswith("data:"):
                self.is_active = True
            if name == "height":
                self._see_height(text)
            elif name == "style" and "height:" in text:
                self._see_height(text.rpartition("height:")[2])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._in_style = False

    def handle_endtag(self, tag: str) -> None:
        self._in_style = self._in_style and tag != "style"

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.style_sheets.append(data)

    def _see_height(self, text: str) -> None:
        digits = text.partition("px")[0].partition(";")[0].partition(".")[0]
        if digits.isdecimal() and len(digits) < 6:
            self.height = max(self.height, int(digits))


def _inspect(markup: str) -> _Inspector:
    inspector = _Inspector()
    try:
        inspector.feed(markup)
        inspector.close()
    except (AssertionError, ValueError):  # what the parser gives up on is no harmless markup
        inspector.is_active = True
    return inspector


def is_active_html(markup: str) -> bool:
    """Whether markup wants to run something. What this overlooks is sanitised away, not let through."""
    return _inspect(markup).is_active


def safe_html(markup: str) -> str:
    """Markup for the page: sanitised, or where it is active in a frame of its own origin."""
    inspector = _inspect(markup)
    if inspector.is_active:
        return frame(markup, inspector.height)
    cleaned = _clean(markup)
    if has_acting_math(html.unescape(cleaned)):
        return frame(markup, inspector.height)
    # The sheets are looked at as nh3's own parser sees them, since that is what the page gets.
    if not all(map(is_calm_style_sheet, _inspect(cleaned).style_sheets)):
        return frame(markup, inspector.height)
    return cleaned


def clean_html(markup: str) -> str:
    """Markup without anything active, by nh3, and without mathematics that does more than to typeset."""
    cleaned = _clean(markup)
    return cleaned.replace("\\", "∖") if has_acting_math(html.unescape(cleaned)) else cleaned


def widget_html(markup: str) -> str:
    """Markup for a widget, which shows it in the page itself: as any output's, but without what needs a frame."""
    cleaned = clean_html(markup)
    for _ in range(3):
        if "<style" not in cleaned.lower() or all(map(is_calm_style_sheet, _inspect(cleaned).style_sheets)):
            return cleaned
        # What is cut out may have held the rest together, so that what is left is cleaned again.
        cleaned = clean_html(_STYLE_SHEET.sub("", cleaned))
    return html.escape(cleaned)


def _clean(markup: str) -> str:
    import nh3

    return nh3.clean(
        # Half a character is none, and nothing that a parser takes.
        markup.encode("utf-8", "replace").decode("utf-8"),
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        clean_content_tags={"script", "noscript", "template"},
        generic_attribute_prefixes={"aria-"},
        attribute_filter=_filter_attribute,
        url_schemes={"http", "https", "mailto", "data"},
        url_relative=lambda url: url if url.startswith("#") else None,
        link_rel="noopener noreferrer",
    )


def _filter_attribute(tag: str, name: str, value: str) -> str | None:
    if name == "style":
        return calm_declarations(value) or None
    if name == "id":
        # An id of the code's own choosing could stand for one of the page's elements; a style sheet's table may keep it.
        return value if value.startswith(("T_", "fn", "cite")) else None
    if name == "class":
        return own_classes(value) or None
    if name == "target":
        return "_blank"
    start = value.strip().lower()
    if name in _LOADING or start.startswith("data:"):
        prefix = _MEDIA.get(tag)
        return value if prefix is not None and start.startswith(prefix) else None
    return value


def frame(markup: str, height: int = 0) -> str:
    """Markup in a frame with an origin of its own: its scripts run, and reach nothing but the frame."""
    document = html.escape(f"<!doctype html>{_FRAME_POLICY}{_FRAME_STYLE}{markup}", quote=True)
    pixels = min(height + 40, MAX_FRAME_HEIGHT) if height else DEFAULT_FRAME_HEIGHT
    return (
        f'<iframe sandbox="allow-scripts" referrerpolicy="no-referrer" loading="lazy" '
        f'title="Output of the sandbox" style="width:100%;height:{pixels}px;border:0" srcdoc="{document}"></iframe>'
    )
