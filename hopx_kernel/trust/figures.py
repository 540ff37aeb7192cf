"""Figures as data: what plotly, and a widget whose module the person has named, are given to draw.

They are made of any keys. So here it is the values that are looked at: texts only typeset, and what a page would fetch
is not in them.
"""

from __future__ import annotations

import re
from typing import Any

from .notices import CONFIG_FILE, MAPS_LEFT_OUT, TRUST_LINE
from .values import MAX_DEPTH, REFUSED, is_wide_format

__all__ = ["clean_figure", "has_map"]

#: Keys whose strings a page asks for, besides those that say so by their end.
_FETCHED = frozenset(
    {"source", "src", "srcset", "href", "geojson", "accesstoken", "sourceattribution", "poster", "data-src"}
)
_FETCHED_ENDS = ("url", "uri", "urls", "server")
_PICTURE = re.compile(r"data:image/[a-z0-9.+-]+(?:;[a-z0-9=-]+)*,[^<>\"'\s\\]*", re.ASCII | re.IGNORECASE)
#: What is an address by its looks, wherever it stands.
_ADDRESS = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:/|[/\\]{2}|(?:java|vb)script:|blob:|file:)", re.ASCII | re.IGNORECASE)
#: Traces over maps, for which a page fetches tiles from wherever the map is told to be, or the outlines of countries.
_MAPS = frozenset(f"{what}{where}" for what in ("scatter", "choropleth", "density") for where in ("map", "mapbox"))
_MAPS |= {"scattergeo", "choropleth"}
#: What a button or a slider changes: the name of an attribute, and its value.
_CHANGES = frozenset({"args", "args2"})
#: What else a ``style`` is than a map's, which may be an address.
_STYLES = frozenset({"normal", "italic", "oblique", "white-bg"})
_BASE64 = re.compile(r"[A-Za-z0-9+/=]*", re.ASCII)
#: What stands in a template for a value, before and behind its format.
_FORMATTED = re.compile(r"(?<=%)(\{[^}:]*):([^}]*)(?=\})")
_PARTS = re.compile(r"[.\[\]]")
_INHERITED = frozenset({"__proto__", "constructor", "prototype"})
MAX_KEY = 1_000
#: The parts that a grid is made of; plotly makes room for each before it draws.
_COUNTS = frozenset({"rows", "columns"})
MAX_PARTS = 1_000

#: Keys under which a figure, or a widget's state, holds its traces; a template's, which only say how others look, are not.
_TRACES = ("data", "_widget_data")
#: Stands for a map that comes to a figure which is shown already, as most do to plotly's own widgets.
_LEFT_OUT = {
    "type": "scatter",
    "mode": "markers",
    "x": [None],
    "y": [None],
    "showlegend": True,
    "name": f"[{MAPS_LEFT_OUT}.<br>To show it, put {TRUST_LINE}<br>into {CONFIG_FILE}.]",
}


def has_map(figure: dict[Any, Any]) -> bool:
    """Whether a figure, a frame of it, or a widget's state, has a trace over a map."""
    held = [figure, *(each for each in _items(figure.get("frames")) if type(each) is dict)]
    traces = (trace for each in held for key in _TRACES for trace in _items(each.get(key)))
    return any(map(_is_map, traces))


def _items(value: Any) -> Any:
    return value if type(value) in (list, tuple) else ()


def _is_map(trace: Any) -> bool:
    kind = trace.get("type") if type(trace) is dict else None
    return type(kind) is str and kind in _MAPS


def clean_figure(value: Any, name: str = "", has_known_keys: bool = False, depth: int = 0) -> Any:
    """A figure's data, layout or change, without what a page would fetch or run; `REFUSED` where it is none.

    Parameters
    ----------
    name : str
        The key that the value stands under.
    has_known_keys : bool
        Whether it is plotly's, which fetches by a few keys; what only looks like an address is then a text.
    """
    if value is None or type(value) in (int, float, bool):
        return value
    if type(value) is str:
        return _string(value, name.lower(), has_known_keys)
    if depth >= 2 * MAX_DEPTH:
        return REFUSED
    if type(value) in (list, tuple):
        if name in _CHANGES and value and type(value[0]) is str:
            name = _last_part(value[0], name)
        items = (clean_figure(each, name, has_known_keys, depth + 1) for each in value)
        return [None if each is REFUSED else each for each in items]
    return _mapping(value, name, has_known_keys, depth) if type(value) is dict else REFUSED


def _mapping(value: dict[Any, Any], name: str, has_known_keys: bool, depth: int) -> Any:
    if name not in _MAPS and _is_map(value):
        # The name by which the widget speaks of it stays; without its type alone it would be drawn as something else.
        return {**_LEFT_OUT, "uid": value["uid"]} if type(value.get("uid")) is str else dict(_LEFT_OUT)
    clean = {}
    for key, each in value.items():
        if type(key) is not str or len(key) > MAX_KEY or _INHERITED.intersection(_PARTS.split(key)):
            continue
        if has_known_keys and _last_part(key, name) in _COUNTS and _is_many(each):
            continue
        item = clean_figure(each, _last_part(key, name), has_known_keys, depth + 1)
        if item is not REFUSED:
            clean[key] = item
    return clean


def _is_many(value: Any) -> bool:
    try:  # plotly takes a number that is written as a text for one
        return type(value) in (int, float, str) and not abs(float(value)) <= MAX_PARTS
    except (ValueError, OverflowError):
        return type(value) is int


def _last_part(path: str, name: str) -> str:
    """The name at the end of a path of names and numbers, or `name` where it has none."""
    return next((part for part in reversed(_PARTS.split(path)) if part and not part.isdecimal()), name)


def _string(text: str, name: str, has_known_keys: bool) -> Any:
    from .css import loads_something
    from .drawings import is_endless_at
    from .latex import calm_text

    if name == "bdata":  # numbers, as plotly sends them
        return text if _BASE64.fullmatch(text) else REFUSED
    if name == "type" and text in _MAPS:
        return REFUSED
    if name in _FETCHED or name.endswith(_FETCHED_ENDS) or name == "style":
        is_picture = _PICTURE.fullmatch(text) is not None and not is_endless_at(text)
        return text if is_picture or (name == "style" and text in _STYLES) else REFUSED
    if name.endswith("format") and is_wide_format(text):
        return REFUSED
    if "%{" in text:
        text = _FORMATTED.sub(lambda found: found[1] if is_wide_format(found[2]) else found[0], text)
    if not has_known_keys and _ADDRESS.match(text):
        return REFUSED
    # Of a text's tags plotly keeps their styles.
    return calm_text(text.replace("<", "‹") if "<" in text and loads_something(text) else text)
