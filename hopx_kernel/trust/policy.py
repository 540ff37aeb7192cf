"""The policy: which content of a message passes, which is changed, and which is replaced by a note.

The parsers for markup are imported with the first markup: a kernel starts without them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

from .text import TextFilter, clean_text
from .widgets import WidgetFilter

__all__ = ["TrustPolicy"]

Bundle = dict[str, Any]
#: From a value to ``(mime type, value)`` to send instead, or None to drop it.
_Rule = Callable[[str], "tuple[str, Any] | None"]

_JS_NOTE = "[JavaScript from the sandbox was not run in this page. See the option trust.]"


class TrustPolicy:
    """What output may do to the page.

    Parameters
    ----------
    trusted : bool
        Let everything through as it is. Code in the sandbox can then act in the page as the person.
    """

    def __init__(self, trusted: bool = False) -> None:
        self.trusted = trusted
        self._widgets = WidgetFilter(self.bundle)

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
            safe["text/plain"] = _JS_NOTE
        return safe, metadata

    def comm(self, msg_type: str, comm_id: str, data: Bundle, buffers: Sequence[Any]) -> tuple[Bundle, Sequence[Any]]:
        """The data and buffers of a comm message of the sandbox's."""
        if self.trusted:
            return data, buffers
        return self._widgets.clean(msg_type, comm_id, data), buffers


class _PassingFilter(TextFilter):
    def feed(self, text: str) -> str:
        return text


def _safe_value(kind: str, mime: str, value: Any) -> list[tuple[str, Any]]:
    rule = _RULES.get(kind)
    if rule is None:
        return [] if _runs_code(kind) else [(mime, value)]
    text = "".join(map(str, value)) if isinstance(value, list) else value
    if not isinstance(text, str):
        return []
    result = rule(text)
    return [] if result is None else [result]


def _runs_code(kind: str) -> bool:
    """Whether a type's renderer evaluates what it gets: such types are named for it, as bokeh's and holoviews' are."""
    return any(word in kind for word in ("javascript", "ecmascript", "_exec.", "_load.", "es6", "x-wasm", "xhtml"))


def _html(text: str) -> tuple[str, Any]:
    from . import markup

    return "text/html", markup.safe_html(text)


def _svg(text: str) -> tuple[str, Any]:
    from . import documents

    if documents.is_inert_svg(text):
        return "image/svg+xml", text
    # As an image its scripts do not run, whatever it holds.
    encoded = base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
    return "text/html", f'<img src="data:image/svg+xml;base64,{encoded}">'


def _markdown(text: str) -> tuple[str, Any] | None:
    from . import documents

    safe = documents.safe_markdown(text)
    return None if safe is None else ("text/markdown", safe)


def _latex(text: str) -> tuple[str, Any] | None:
    from . import documents

    return ("text/latex", text) if documents.is_calm_latex(text) else None


def _plain(text: str) -> tuple[str, Any]:
    return "text/plain", clean_text(text)


def _script(_: str) -> tuple[str, Any]:
    return "text/plain", _JS_NOTE


_RULES: dict[str, _Rule] = {
    "text/plain": _plain,
    "text/html": _html,
    "image/svg+xml": _svg,
    "text/markdown": _markdown,
    "text/latex": _latex,
    "application/javascript": _script,
    "application/ecmascript": _script,
    "text/javascript": _script,
}
