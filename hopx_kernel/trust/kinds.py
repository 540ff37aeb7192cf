"""What becomes of one value of a MIME bundle, by its type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .buffers import without_prototypes
from .notices import MAPS_LEFT_OUT, size
from .text import clean_line, clean_text

__all__ = ["MAX_DEPTH", "LeftOut", "Outcome", "clean_value", "is_heavy", "is_record"]


@dataclass(frozen=True)
class LeftOut:
    """What is not shown, and why, as the beginning of a sentence."""

    reason: str


#: What is shown in place of a value, by type; or why nothing is.
Outcome = dict[str, Any] | LeftOut
#: From a text, whether frames have the network, and whether others wait.
_Rule = Callable[[str, bool, bool], Outcome]

#: Types whose renderers show what they get, and do no more: no scripts, no requests. All others are left out, since a
#: renderer may fetch what it is told to with the person's cookies (vega), or build markup (geo+json).
_DATA = frozenset(["application/json"])
_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_FIGURE = "application/vnd.plotly.v1+json"
#: Records for programs, which no page renders.
_RECORDS = ("application/papermill.", "application/scrapbook.")
_PICTURES = ("png", "jpeg", "gif", "webp", "bmp", "avif", "apng")
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n")

#: How deep data may be nested.
MAX_DEPTH = 200

#: Text of these types that is longer takes a parser so long that others should not wait for it.
_HEAVY = {"text/html": 64 << 10, "image/svg+xml": 256 << 10, "text/markdown": 8 << 10}


def is_record(kind: str) -> bool:
    """Whether a type is for programs alone."""
    return kind.startswith(_RECORDS)


def is_heavy(mime: str, value: Any) -> str | None:
    """A value's text, where it takes long to make it harmless."""
    limit = _HEAVY.get(str(mime).lower())
    if limit is None:
        return None
    text = _text_of(value)
    return text if text is not None and len(text) > limit else None


def clean_value(mime: str, value: Any, network: bool, at_once: bool) -> Outcome:
    """What becomes of a value.

    Parameters
    ----------
    network : bool
        Whether what runs in a frame may load something from the network.
    at_once : bool
        Others wait until it is done: what takes long is left out.
    """
    kind = mime.lower()
    if kind in (_WIDGET_VIEW, _FIGURE):
        made = (_view if kind == _WIDGET_VIEW else _figure)(value)
        if isinstance(made, LeftOut):
            return made
        return LeftOut(f"Output of the type {mime} is none of that and was not shown") if made is None else {mime: made}
    rule = _RULES.get(kind)
    if rule is None:
        if kind in _DATA or is_record(kind):
            return _data(mime, value)
        return LeftOut(f"Output of the type {clean_line(mime, 100)} was not shown")
    text = _text_of(value)
    if text is None:
        return LeftOut(f"Output of the type {clean_line(mime, 100)} is no text and was not shown")
    return rule(text, network, at_once)


def _data(mime: str, value: Any) -> Outcome:
    """Data that front ends copy key by key, by which the copy would get another prototype."""
    if without_prototypes([value], MAX_DEPTH):
        return {mime: value}
    return LeftOut(f"Output of the type {mime} with more than {MAX_DEPTH} values in one another was not shown")


def _text_of(value: Any) -> str | None:
    text = "".join(map(str, value)) if isinstance(value, list) else value
    return text if isinstance(text, str) else None


def _view(value: Any) -> Any:
    """Where a widget is to be shown: its name, and the versions of the protocol."""
    if not isinstance(value, dict) or not isinstance(value.get("model_id"), str):
        return None
    versions = {key: value[key] for key in ("version_major", "version_minor") if type(value.get(key)) is int}
    return {**versions, "model_id": value["model_id"]}


def _figure(value: Any) -> Any:
    from .figures import clean_figure, has_map

    if not isinstance(value, dict):
        return None
    return LeftOut(MAPS_LEFT_OUT) if has_map(value) else clean_figure(value, has_known_keys=True)


def _too_large(what: str, text: str, limit: int) -> LeftOut:
    return LeftOut(f"{what} of {size(len(text))} was not shown: at most {size(limit)} are made harmless here")


def _html(text: str, network: bool, at_once: bool) -> Outcome:
    from . import markup

    safe = markup.safe_html(text, network, markup.MAX_CHARS_AT_ONCE if at_once else markup.MAX_CHARS)
    return LeftOut(safe.reason) if isinstance(safe, markup.Excess) else {"text/html": safe}


def _svg(text: str, _: bool, at_once: bool) -> Outcome:
    from . import drawings, svg

    limit = svg.MAX_CHARS_AT_ONCE if at_once else svg.MAX_CHARS
    if len(text) > limit:
        return _too_large("A drawing", text, limit)
    if svg.declares(text):
        return LeftOut("A drawing that declares entities was not shown")
    if drawings.is_endless(text):
        return LeftOut("A drawing whose elements show one another too often was not shown")
    inert = svg.inert_svg(text)
    if inert is not None:
        return {"image/svg+xml": inert}
    picture = svg.svg_picture(text)
    return LeftOut("A drawing was not shown") if picture is None else {"text/html": picture}


def _markdown(text: str, _: bool, at_once: bool) -> Outcome:
    from . import markdown, markup

    limit = markdown.MAX_CHARS_AT_ONCE if at_once else markdown.MAX_CHARS
    if len(text) > limit:
        return _too_large("Markdown", text, limit)
    shown = {"text/html": markup.clean_html(markdown.markdown_html(text), limit=markup.MAX_CHARS)}
    return {**shown, "text/markdown": text} if markdown.is_plain_markdown(text) else shown


def _latex(text: str, _: bool, __: bool) -> Outcome:
    from .latex import safe_latex

    safe = safe_latex(text)
    return LeftOut("TeX that does more than to typeset was not shown") if safe is None else {"text/latex": safe}


def _plain(mime: str) -> _Rule:
    return lambda text, _, __: {mime: clean_text(text)}


def _base64(mime: str) -> _Rule:
    # Exports put it between quotes as it is.
    left_out = LeftOut(f"Output of the type {mime} is none of that and was not shown")
    return lambda text, _, __: {mime: text} if _BASE64.issuperset(text) else left_out


def _script(_: str, __: bool, ___: bool) -> Outcome:
    return LeftOut("JavaScript from the sandbox was not run in this page")


_RULES: dict[str, _Rule] = {
    "text/html": _html,
    "image/svg+xml": _svg,
    "text/markdown": _markdown,
    "text/latex": _latex,
    **dict.fromkeys(("application/javascript", "application/ecmascript", "text/javascript"), _script),
    **{
        mime: _plain(mime)
        for mime in ("text/plain", "application/vnd.jupyter.stdout", "application/vnd.jupyter.stderr")
    },
    **{mime: _base64(mime) for mime in ("application/pdf", *(f"image/{name}" for name in _PICTURES))},
}
