"""The policy: which content of a message passes, which is changed, and which is replaced by a note.

The parsers for markup are imported with the first markup: a kernel starts without them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Container, Sequence
from typing import Any

from .buffers import pair, without_prototypes
from .text import TextFilter, clean_text
from .values import plain_word
from .widgets import MAX_ID, WidgetFilter

__all__ = ["TrustPolicy"]

Bundle = dict[str, Any]
#: From a value to ``(mime type, value)`` to send instead, or None to drop it.
_Rule = Callable[[str], "tuple[str, Any] | None"]

#: Types whose renderers show what they get, and do no more: no scripts, no requests. All others are left out, since a
#: renderer may fetch what it is told to with the person's cookies (vega), or build markup (geo+json).
_DATA = frozenset(["application/json"])
_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_FIGURE = "application/vnd.plotly.v1+json"
#: Records for programs, which no page renders.
_RECORDS = ("application/papermill.", "application/scrapbook.")
_PICTURES = ("png", "jpeg", "gif", "webp", "bmp", "avif", "apng")

_JS_NOTE = "[JavaScript from the sandbox was not run in this page. See the option trust.]"

#: The comm target of ipywidgets, whose messages are known well enough to be made harmless one by one.
WIDGET_TARGET = "jupyter.widget"
#: How deep the data of a message for another target may be nested.
MAX_DEPTH = 200


class TrustPolicy:
    """What output may do to the page.

    Parameters
    ----------
    trusted : bool
        Let everything through as it is. Code in the sandbox can then act in the page as the person.
    comm_targets : collection of str
        Targets of the page's, beside the widgets', that comms of the sandbox may write to as they like. What goes to any
        other is cleaned as if it were for a widget: a program that keeps widgets may not look at the target.
    front_end_files : container of str
        Texts that an anywidget may bring as its module or its style sheet.
    """

    def __init__(
        self, trusted: bool = False, comm_targets: Collection[str] = (), front_end_files: Container[str] = ()
    ) -> None:
        self.trusted = trusted
        self._comm_targets = frozenset(comm_targets)
        self._widgets = WidgetFilter(self.bundle, front_end_files)

    def text_filter(self) -> TextFilter:
        """A filter for one stream of text."""
        return _PassingFilter() if self.trusted else TextFilter()

    def text(self, text: str) -> str:
        """One whole text."""
        return text if self.trusted else clean_text(text)

    def bundle(self, data: Bundle, metadata: Bundle) -> tuple[Bundle, Bundle]:
        """A MIME bundle and its metadata."""
        if self.trusted:
            return data, metadata
        safe: Bundle = {}
        for mime, value in data.items():
            for name, replacement in _safe_value(str(mime).lower(), mime, value):
                safe.setdefault(name, replacement)
        if data and not safe:
            safe["text/plain"] = _note_of(data)
        return safe, _safe_metadata(metadata)

    def comm(
        self, msg_type: str, comm_id: str, data: Bundle, buffers: Sequence[Any], target_name: str = WIDGET_TARGET
    ) -> tuple[Bundle, Sequence[Any]] | None:
        """The data and buffers of a comm message of the sandbox's; None where it is not to be passed."""
        if self.trusted or target_name in self._comm_targets:
            return data, buffers
        if target_name == WIDGET_TARGET:
            return self._widgets.clean(msg_type, comm_id, data, buffers)
        return _other(data, buffers)

    def comm_metadata(self, metadata: Bundle, target_name: str) -> Bundle:
        """The metadata of a comm message of the sandbox's."""
        if self.trusted or target_name in self._comm_targets:
            return metadata
        if target_name != WIDGET_TARGET:
            return metadata if without_prototypes(metadata, MAX_DEPTH) else {}
        version = metadata.get("version")
        return {"version": version} if isinstance(version, str) and plain_word(version) else {}

    def comm_states(self, data: Bundle, buffers: Sequence[Any]) -> tuple[Bundle, Sequence[Any]]:
        """The sandbox's answer to a page that asks for the states of all widgets."""
        return (data, buffers) if self.trusted else self._widgets.states(data, buffers)

    def comm_opened_by_page(self, comm_id: str, data: Bundle) -> None:
        """Note a widget that the page has made itself."""
        if not self.trusted and len(comm_id) <= MAX_ID:
            self._widgets.opened_by_page(comm_id, data)

    def comm_closed(self, comm_id: str | None = None) -> None:
        """Note that a comm has been closed, whoever closed it; without an id, that all have."""
        if comm_id is None:
            self._widgets.close_all()
        else:
            self._widgets.close(comm_id)


def _other(data: Bundle, buffers: Sequence[Any]) -> tuple[Bundle, Sequence[Any]] | None:
    """A message to an extension of the page's own, which is not known here: data, and nothing that a widget is made of.

    Programs that keep a notebook's widgets take what stands under these keys for a widget's state, whatever the target.
    """
    if not without_prototypes(data, MAX_DEPTH):
        return None
    clean = {key: value for key, value in data.items() if key not in ("state", "states")}
    if "buffer_paths" not in data:
        return clean, buffers
    pairs = pair(data, buffers)
    return {**clean, "buffer_paths": [path for path, _ in pairs]}, [buffer for _, buffer in pairs]


def _note_of(data: Bundle) -> str:
    """What to say in place of a bundle of which nothing could be shown."""
    types = ", ".join(sorted(str(mime) for mime in data))
    return clean_text(f"[Output of the type {types:.200} was not shown. See the option trust.]")


class _PassingFilter(TextFilter):
    def feed(self, text: str) -> str:
        return text


def _safe_value(kind: str, mime: str, value: Any) -> list[tuple[str, Any]]:
    if kind in (_WIDGET_VIEW, _FIGURE):
        made = (_view if kind == _WIDGET_VIEW else _figure)(value)
        return [] if made is None else [(mime, made)]
    rule = _RULES.get(kind)
    if rule is None:
        return [(mime, value)] if kind in _DATA or kind.startswith(_RECORDS) else []
    text = "".join(map(str, value)) if isinstance(value, list) else value
    if not isinstance(text, str):
        return []
    result = rule(text)
    return [] if result is None else [result]


def _safe_metadata(metadata: Bundle) -> Bundle:
    """Metadata without sizes that are none: exports write them into markup as they are."""
    return {key: entry for key, value in metadata.items() if (entry := _safe_entry(str(key), value)) is not None}


def _safe_entry(key: str, value: Any) -> Any:
    if key in ("width", "height"):
        return value if isinstance(value, int | float) or _is_size(value) else None
    return _safe_metadata(value) if isinstance(value, dict) and key.count("/") == 1 else value


def _is_size(value: Any) -> bool:
    return isinstance(value, str) and value.removesuffix("px").removesuffix("%").replace(".", "", 1).isdecimal()


def _view(value: Any) -> Any:
    """Where a widget is to be shown: its name, and the versions of the protocol."""
    if not isinstance(value, dict) or not isinstance(value.get("model_id"), str):
        return None
    versions = {key: value[key] for key in ("version_major", "version_minor") if type(value.get(key)) is int}
    return {**versions, "model_id": value["model_id"]}


def _figure(value: Any) -> Any:
    from .figures import clean_figure

    return clean_figure(value, has_known_keys=True) if isinstance(value, dict) else None


def _html(text: str) -> tuple[str, Any]:
    from . import markup

    return "text/html", markup.safe_html(text)


def _svg(text: str) -> tuple[str, Any]:
    from .svg import inert_svg

    inert = inert_svg(text)
    if inert is not None:
        return "image/svg+xml", inert
    # As an image its scripts do not run, whatever it holds.
    encoded = base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
    return "text/html", f'<img src="data:image/svg+xml;base64,{encoded}">'


def _markdown(text: str) -> tuple[str, Any] | None:
    from .markdown import safe_markdown

    safe = safe_markdown(text)
    return None if safe is None else ("text/markdown", safe)


def _latex(text: str) -> tuple[str, Any] | None:
    from .latex import safe_latex

    safe = safe_latex(text)
    return None if safe is None else ("text/latex", safe)


def _plain(text: str) -> tuple[str, Any]:
    return "text/plain", clean_text(text)


def _error_text(mime: str) -> _Rule:
    return lambda text: (mime, clean_text(text))


def _base64(mime: str) -> _Rule:
    # Exports put it between quotes as it is.
    return lambda text: (mime, text) if _BASE64.issuperset(text) else None


def _script(_: str) -> tuple[str, Any]:
    return "text/plain", _JS_NOTE


_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n")

_RULES: dict[str, _Rule] = {
    "text/plain": _plain,
    "text/html": _html,
    "image/svg+xml": _svg,
    "text/markdown": _markdown,
    "text/latex": _latex,
    "application/javascript": _script,
    "application/ecmascript": _script,
    "text/javascript": _script,
    **{mime: _error_text(mime) for mime in ("application/vnd.jupyter.stdout", "application/vnd.jupyter.stderr")},
    **{mime: _base64(mime) for mime in ("application/pdf", *(f"image/{name}" for name in _PICTURES))},
}
