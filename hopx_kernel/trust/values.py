"""What each kind of a widget's value lets through: values are made anew from what was looked at, or are `REFUSED`.

`None` passes everywhere: a front end takes it for "not set".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

__all__ = ["BINARY", "LINKED", "REFUSED", "clean_value", "is_wide_format", "plain_json", "plain_word"]

#: Stands for a value that is not passed.
REFUSED: Final = object()

#: How deep a value may be nested; what front ends make of it recurses.
MAX_DEPTH = 24
#: Characters of a name, of a CSS value, and of any other text that is not content.
MAX_WORD = 256
MAX_CSS = 4_000
#: What a front end makes so many of: ticks of an axis, bins of a histogram, dots of a point of a picture.
MAX_COUNT = 10_000
#: The finest steps in which a map's lines are bent; each of half the length makes twice as many.
MIN_PRECISION = 0.01

_WORD = re.compile(r"[A-Za-z0-9_ .:/+~%#-]*", re.ASCII)
_REF = re.compile(r"IPY_MODEL_[A-Za-z0-9_-]{1,200}", re.ASCII)
_MOMENT = re.compile(r"[0-9TZ:.+-]{0,40}", re.ASCII)
#: A format of numbers, by D3, that fills up to so many characters, of which there are none on any page.
_WIDE = re.compile(r"(?:.?[<>=^])?[+( -]?[$#]?0?[0-9]{4,}[,.~0-9]*[A-Za-z%]?", re.DOTALL)
_PICTURE = re.compile(r"(data:image/(?:png|jpeg|gif|webp);base64,)?[A-Za-z0-9+/=]*", re.ASCII)
#: What a picture's, a film's or a sound's bytes may be said to be. Not ``url``: the page would ask any address for it.
_FORMATS = frozenset(
    "png jpg jpeg gif webp bmp avif apng tiff svg+xml mp4 webm ogg ogv mov m4v mp3 wav flac aac m4a opus mpeg".split()  # noqa: SIM905
)

#: What JavaScript finds in every object, although nobody has put it there.
_INHERITED = frozenset(
    """
    __proto__ constructor prototype hasOwnProperty isPrototypeOf propertyIsEnumerable toLocaleString toString valueOf
    __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__
    """.split()  # noqa: SIM905
)

_CSS = re.compile(r"[\w\s#%.,()+*/'\"|\[\]-]*")
_NOT_IN_NAME = re.compile(r"[^\w-]")
_CSS_FUNCTIONS = frozenset(
    """
    rgb rgba hsl hsla hwb lab lch oklab oklch color color-mix calc min max clamp repeat minmax fit-content var
    linear-gradient radial-gradient conic-gradient repeating-linear-gradient repeating-radial-gradient
    """.split()  # noqa: SIM905
)
#: CSS properties that concern an element's own looks, as far as the libraries set them by name.
_PROPERTY = re.compile(
    r"(?:hovered[-_]|selected[-_])?(?:"
    r"(?:font|text|stroke|fill|border|letter|word|line|padding|outline|dominant|alignment)(?:[-_][a-z_-]+)?|"
    r"background(?:[-_]color)?|(?:max[-_]|min[-_])?(?:width|height)|color|opacity|visibility|white[-_]space|cursor|"
    r"paint[-_]order|shape[-_]rendering|baseline[-_]shift|r|rx|ry)",
    re.ASCII,
)

#: How a graph's nodes may be drawn, and by which attributes.
_SHAPES = frozenset({"circle", "ellipse", "rect"})
_SHAPE_ATTRIBUTES = frozenset("r rx ry x y width height cx cy".split())  # noqa: SIM905

Cleaner = Callable[[Any], Any]


def clean_value(kind: str, value: Any) -> Any:
    """A value of a kind, or `REFUSED`."""
    return None if value is None else _CLEANERS[kind](value)


def plain_word(value: Any) -> bool:
    """Whether a value is a short name of plain characters, and none that JavaScript's own objects have."""
    return type(value) is str and len(value) <= MAX_WORD and _WORD.fullmatch(value) is not None and not _inherits(value)


def _inherits(word: str) -> bool:
    return any(part in _INHERITED for part in word.split())


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _number(value: Any) -> Any:
    return value if type(value) in (int, float, bool) else REFUSED


def _bool(value: Any) -> Any:
    return value if type(value) is bool else REFUSED


def _word(value: Any) -> Any:
    return value if plain_word(value) else REFUSED


def _icon(value: Any) -> Any:
    """The names of an icon. The front end puts ``fa-`` before the first alone; each other would be a class of the page's."""
    if not plain_word(value):
        return REFUSED
    first, *others = value.split() or [""]
    return " ".join([first, *(other for other in others if other.startswith("fa-"))])


def _theme(value: Any) -> Any:
    return value if type(value) is str and value in ("classic", "gg") else REFUSED  # it is a class


def _count(value: Any) -> Any:
    return value if _is_number(value) and abs(value) <= MAX_COUNT else REFUSED


def _precision(value: Any) -> Any:
    return value if _is_number(value) and value >= MIN_PRECISION else REFUSED


def _pattern(value: Any) -> Any:
    """A format of numbers or of dates."""
    return REFUSED if type(value) is str and is_wide_format(value) else _text(value)


def is_wide_format(pattern: str) -> bool:
    """Whether a format makes a text of thousands of characters of each number."""
    return _WIDE.fullmatch(pattern.strip()) is not None


def _step(value: Any) -> Any:
    return value if _is_number(value) or value == "any" else REFUSED


def _flag(value: Any) -> Any:
    return value if type(value) is bool or plain_word(value) else REFUSED


def _moment(value: Any) -> Any:
    if type(value) is dict:
        parts = {key: part for key, part in value.items() if plain_word(key) and _is_number(part)}
        return parts if len(parts) <= 16 else REFUSED
    return value if type(value) is str and _MOMENT.fullmatch(value) else REFUSED


def _text(value: Any) -> Any:
    from .latex import calm_text

    return calm_text(value) if type(value) is str else REFUSED


def _raw(value: Any) -> Any:
    return value if type(value) is str else REFUSED


def _filename(value: Any) -> Any:
    # A front end saves under it. A text without what other systems read as a folder, a drive or an end.
    return (
        "".join(" " if c in '/\\:*?"<>|' or not c.isprintable() else c for c in value)
        if type(value) is str
        else REFUSED
    )


def _html(value: Any) -> Any:
    from .markup import clean_html

    return clean_html(value) if type(value) is str else REFUSED


def _css(value: Any) -> Any:
    if _is_number(value):
        return value
    if type(value) is not str or len(value) > MAX_CSS or not _CSS.fullmatch(value):
        return REFUSED
    names = (_NOT_IN_NAME.split(before)[-1] for before in value.split("(")[:-1])
    return value if all(not name or name.lower() in _CSS_FUNCTIONS for name in names) else REFUSED


def _ref(value: Any) -> Any:
    return value if type(value) is str and _REF.fullmatch(value) else REFUSED


def _classes(value: Any) -> Any:
    from .css import own_classes

    if type(value) not in (list, tuple):
        return REFUSED
    names = (name for name in value if type(name) is str and len(name) <= MAX_WORD)
    return [own for name in names for own in own_classes(name).split()]


def _false(_: Any) -> Any:
    return False


def _format(value: Any) -> Any:
    return value if type(value) is str and value.lower() in _FORMATS else "png"


def _picture(value: Any) -> Any:
    found = _PICTURE.fullmatch(value) if type(value) is str else None
    if found is None:
        return REFUSED
    # Without its beginning it would be an address.
    return value if found[1] or not value else f"data:image/png;base64,{value}"


def _media(_: Any) -> Any:
    return REFUSED  # it comes as a buffer


def _end(value: Any) -> Any:
    """One end of a link; `widgets` looks at both before they pass."""
    if type(value) not in (list, tuple) or len(value) != 2 or _ref(value[0]) is REFUSED or not plain_word(value[1]):
        return REFUSED
    return list(value)


def _list_of(cleaner: Cleaner, depth: int = 0) -> Cleaner:
    """A list of values, some of which may be such lists again; what is refused is left out."""

    def clean(value: Any) -> Any:
        if type(value) not in (list, tuple):
            return REFUSED
        inner = _list_of(cleaner, depth + 1) if depth < 2 else _media
        found = (
            None if each is None else inner(each) if type(each) in (list, tuple) else cleaner(each) for each in value
        )
        return [each for each in found if each is not REFUSED]

    return clean


def _map_of(cleaner: Cleaner) -> Cleaner:
    def clean(value: Any) -> Any:
        if type(value) is not dict:
            return REFUSED
        found = {key: None if each is None else cleaner(each) for key, each in value.items() if plain_word(key)}
        return {key: each for key, each in found.items() if each is not REFUSED}

    return clean


def plain_json(value: Any, leaf: Cleaner = _text, depth: int = 0) -> Any:
    """Numbers and strings in lists and dictionaries; a string, or a list, that is refused leaves its place to None."""
    if value is None or type(value) in (int, float, bool):
        return value
    if type(value) is str:
        return leaf(value)
    if depth >= MAX_DEPTH:
        return REFUSED
    if type(value) in (list, tuple):
        items = (plain_json(each, leaf, depth + 1) for each in value)
        return [None if each is REFUSED else each for each in items]
    if type(value) is dict:
        pairs = ((key, plain_json(each, leaf, depth + 1)) for key, each in value.items() if _is_key(key))
        return {key: each for key, each in pairs if each is not REFUSED}
    return REFUSED


def _is_key(key: Any) -> bool:
    return type(key) is str and len(key) <= MAX_WORD and key not in _INHERITED


def _array(value: Any) -> Any:
    return plain_json(value)


def _hues(value: Any) -> Any:
    return plain_json(value, _css)


def _styles(value: Any) -> Any:
    if type(value) is not dict:
        return REFUSED
    found = {key: _css(each) for key, each in value.items() if type(key) is str and _PROPERTY.fullmatch(key)}
    return {key: each for key, each in found.items() if each is not REFUSED}


def _nodes(value: Any) -> Any:
    """A graph's nodes. The library makes an element of any name that is in them, with any attributes."""
    if type(value) not in (list, tuple):
        return REFUSED
    return [_node(each) if type(each) is dict else _text(each) if type(each) is str else {} for each in value]


def _node(value: dict[Any, Any]) -> dict[str, Any]:
    # What else it says is a text or a number, for labels and tooltips; nothing in it has parts.
    entries = {key: each for key, each in value.items() if _is_key(key) and type(each) not in (dict, list, tuple)}
    cleaned = {
        key: plain_json(each, _css if "style" in key or "color" in key else _text)
        for key, each in entries.items()
        if key not in ("shape", "shape_attrs")
    }
    clean: dict[str, Any] = {key: each for key, each in cleaned.items() if each is not REFUSED}
    shape = value.get("shape")
    clean["shape"] = shape if type(shape) is str and shape in _SHAPES else "circle"
    attributes = value.get("shape_attrs")
    if type(attributes) is dict:
        clean["shape_attrs"] = {
            key: each for key, each in attributes.items() if key in _SHAPE_ATTRIBUTES and _is_number(each)
        }
    return clean


_CLEANERS: dict[str, Cleaner] = {
    "bool": _bool,
    "number": _number,
    "numbers": _list_of(_number),
    "word": _word,
    "words": _list_of(_word),
    "icons": _list_of(_icon),
    "theme": _theme,
    "step": _step,
    "count": _count,
    "precision": _precision,
    "pattern": _pattern,
    "patterns": _list_of(_pattern),
    "flag": _flag,
    "moment": _moment,
    "text": _text,
    "texts": _list_of(_text),
    "raw": _raw,
    "raws": _list_of(_raw),
    "html": _html,
    "css": _css,
    "colour": _css,
    "ref": _ref,
    "refs": _list_of(_ref),
    "refmap": _map_of(_ref),
    "refsmap": _map_of(_list_of(_ref)),
    "end": _end,
    "media": _media,
    "format": _format,
    "picture": _picture,
    "filename": _filename,
    "classes": _classes,
    "false": _false,
    "array": _array,
    "hues": _hues,
    "styles": _styles,
    "nodes": _nodes,
}

#: Kinds below which there may be buffers: bytes that are shown as a picture, or read as numbers.
BINARY = frozenset({"media", "array", "hues"})

#: How much power a kind's value has where it is shown, for what a link may carry: nothing goes to where it has more than
#: it was cleaned for. What is not here is not linked.
LINKED: dict[str, int] = {
    **dict.fromkeys(("bool", "number", "numbers", "step", "moment", "word", "words", "flag"), 0),
    "html": 1,
    "text": 2,
    "texts": 2,
    **dict.fromkeys(("raw", "raws", "colour"), 3),
}
