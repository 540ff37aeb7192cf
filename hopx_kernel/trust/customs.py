"""Messages of a widget to its view that are no state: each model knows a few, and the rest is not passed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from .models import ANYWIDGET, Model
from .values import REFUSED, clean_value, plain_word

__all__ = ["clean_custom"]

Content = dict[str, Any]
Custom = tuple[Content, Sequence[Any]]

#: What ipympl's canvas understands, with what else is in such a message and its kind. Each is the name of a method.
_CANVAS: dict[str, dict[str, str]] = {
    "binary": {},
    "draw": {},
    "resize": {"size": "numbers", "forward": "bool"},
    "refresh": {},
    "rubberband": {"x0": "number", "y0": "number", "x1": "number", "y1": "number"},
    "save": {"format": "word"},
    "history_buttons": {"Back": "bool", "Forward": "bool"},
    "navigate_mode": {"mode": "word"},
}
_PICTURES = frozenset({"png", "jpg", "jpeg", "pdf", "svg", "eps", "ps", "tif", "tiff", "webp", "pgf", "raw", "rgba"})
_CANVAS_BUFFERS = frozenset({"binary", "save"})
#: The longest that a canvas' message may be; they are short.
MAX_CANVAS = 10_000

#: What bqplot's figure understands.
_FIGURE: dict[str, dict[str, str]] = {
    "save_png": {"filename": "filename", "scale": "number"},
    "save_svg": {"filename": "filename"},
    "upload_png": {"scale": "number"},
    "upload_svg": {},
}


def clean_custom(model: Model, content: Any, buffers: Sequence[Any], is_known: bool) -> Custom | None:
    """A message to a model's views, made anew; None where the model understands no such message.

    Parameters
    ----------
    is_known : bool
        Whether the model runs a module of its own that the person has named.
    """
    if type(content) is not dict:
        return None
    rule = _RULES.get((model.module, model.name), _focus)
    if (model.module, model.name) == ANYWIDGET and is_known:
        rule = _any
    return rule(model, content, buffers)


def _focus(model: Model, content: Content, _: Sequence[Any]) -> Custom | None:
    what = content.get("do")
    return ({"do": what}, ()) if model.has_element and type(what) is str and what in ("focus", "blur") else None


def _any(_: Model, content: Content, buffers: Sequence[Any]) -> Custom | None:
    from .figures import clean_figure

    clean = clean_figure(content)
    return (clean, buffers) if type(clean) is dict else None


def _canvas(model: Model, content: Content, buffers: Sequence[Any]) -> Custom | None:
    data = content.get("data")
    if type(data) is not str or len(data) > MAX_CANVAS:
        return _focus(model, content, ())
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return None
    kind = message.get("type") if type(message) is dict else None
    if type(kind) is not str or kind not in _CANVAS:
        return None
    clean = _fields(message, _CANVAS[kind])
    if clean.get("format", "png") not in _PICTURES:
        clean["format"] = "png"
    return {"data": json.dumps({"type": kind, **clean})}, buffers[:1] if kind in _CANVAS_BUFFERS else ()


def _figure(model: Model, content: Content, _: Sequence[Any]) -> Custom | None:
    kind = content.get("type")
    if type(kind) is not str or kind not in _FIGURE:
        return _focus(model, content, ())
    return {"type": kind, **_fields(content, _FIGURE[kind])}, ()


def _selector(_: Model, content: Content, __: Sequence[Any]) -> Custom | None:
    return ({"type": "reset"}, ()) if plain_word(content.get("type")) and content["type"] == "reset" else None


def _fields(message: Content, kinds: dict[str, str]) -> Content:
    found = {key: clean_value(kind, message[key]) for key, kind in kinds.items() if key in message}
    return {key: value for key, value in found.items() if value is not REFUSED}


_RULES: dict[tuple[str, str], Callable[[Model, Content, Sequence[Any]], Custom | None]] = {
    ("jupyter-matplotlib", "MPLCanvasModel"): _canvas,
    ("bqplot", "FigureModel"): _figure,
    **{
        ("bqplot", f"{name}Model"): _selector
        for name in (
            *("BrushIntervalSelector", "BrushSelector", "FastIntervalSelector", "HandDraw", "IndexSelector"),
            *("LassoSelector", "MultiSelector", "OneDSelector", "TwoDSelector"),
        )
    },
}
