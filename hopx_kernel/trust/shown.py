"""Which elements of a drawing show which others, and how often all of them are drawn.

Elements show others by name: by ``href``, and by ``url(#name)`` in attributes, in styles and in style sheets. A fill, a
stroke and a marker are handed down to all that is below an element, and a marker is drawn at each point of a line.
Where it cannot be said who shows what, it is too much.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

__all__ = ["Drawing"]

#: Elements that are drawn at most, or for each one in the source.
MAX_DRAWN = 100_000
MAX_FOR_EACH = 20
#: Where an element shows itself, in a round: references of the whole drawing. With so few it is small, whatever they are.
MAX_IN_ROUNDS = 24
#: How deep elements show one another.
MAX_DEPTH = 250
#: How many elements are drawn in the time of one step of a filter; and the widest effect that makes a difference.
PASS = 15
MAX_RADIUS = 10_000

_LINES = frozenset({"path", "polyline", "polygon", "line"})
#: An upper bound of a line's points: each has a number, or is a letter.
_POINT = re.compile(r"\d+|[A-Za-z]")
_ANIMATIONS = frozenset({"set", "animate", "animateMotion", "animateTransform", "animateColor", "discard"})
#: Elements that name others, and do not show them.
_NOT_SHOWING = _ANIMATIONS | {"a"}
#: Properties that are handed down.
_HANDED_DOWN = ("fill", "stroke", "marker")
#: Addresses of what is in them, and shows nothing further.
_PICTURE = re.compile(
    r"data:(?:image/(?:png|jpeg|gif|webp|bmp|avif)|font/|application/(?:(?:x-)?font|vnd\.ms-(?:fontobject|opentype)))",
    re.IGNORECASE,
)
_WHITE = re.compile(r"[\t\r\n]")
_BEFORE_ADDRESS = re.compile(r"""(?:^|["'(,])\s*(?=data:)""", re.IGNORECASE)
_URL = re.compile(r"""url\(\s*(?:"\s*#([^"]*)|'\s*#([^']*)|#([^)]*))""", re.IGNORECASE)

#: With one of these a semicolon may not be the end of a declaration.
_NOT_SIMPLE = re.compile(r"""["'\\{\[]|/\*""")

_NUMBER = re.compile(r"[0-9]*\.?[0-9]+(?:[eE][0-9]{1,2})?")

#: Names that are shown, and whether they are handed down.
_Shown = list[tuple[str, bool]]


class Drawing:
    """A drawing, and how much of it is drawn.

    Parameters
    ----------
    root : Element
        Its tree, with or without namespaces.
    """

    def __init__(self, root: ElementTree.Element) -> None:
        self._root = root
        self._named = {element.get("id", ""): element for element in root.iter() if element.get("id")}
        self._known: dict[ElementTree.Element, int] = {}
        self._references = 0
        self._has_rounds = False
        #: By class, by id and by the name of an element, and for every one: what style sheets let them show.
        self._ruled: dict[str, _Shown] = {}
        self._ruled_steps: dict[str, int] = {}
        self._is_clear = all(map(self._read_sheet, root.iter())) and not any(map(self._is_odd, root.iter()))
        words = _words(root) if self._is_clear else ""
        self._has_markers, self._hands_all_down = "marker" in words, "inherit" in words
        #: What a number in a filter may be, where it is a share of what the filter is used on.
        self._unit = 1000 if "objectboundingbox" in words else 1
        self._limit = max(MAX_DRAWN, MAX_FOR_EACH * sum(map(self._size, root.iter()))) if self._is_clear else 0

    def is_too_much(self) -> bool:
        """Whether a page would not come to an end with it."""
        if not self._is_clear or self._drawn(self._root, 0) > self._limit:
            return True
        return self._has_rounds and self._references > MAX_IN_ROUNDS

    def drawn(self) -> int:
        """How many elements are drawn, where that is not too much."""
        return self._drawn(self._root, 0)

    def _drawn(self, element: ElementTree.Element, depth: int) -> int:
        if element in self._known:
            self._has_rounds = self._has_rounds or self._known[element] == 0
            return self._known[element]
        if depth > MAX_DEPTH:
            return self._limit + 1
        self._known[element] = 0  # what shows itself is not drawn
        count, further = self._weight(element) + sum(map(self._within, element.attrib.values())), 0
        for child in element:
            count += self._drawn(child, depth + 1)
            if count > self._limit:
                break
        for name, is_handed_down in self._shown_by(element):
            each = self._drawn(self._named[name], depth + 1) if count + further <= self._limit else 0
            self._references += 1
            if not is_handed_down:
                further += each
            else:  # also to what a `use` shows, which stands before them
                further += each * (count + further)
        self._known[element] = min(count + further, self._limit + 1)
        return self._known[element]

    def _weight(self, element: ElementTree.Element) -> int:
        """How much is drawn for an element by itself."""
        effect = self._effect(element) if _tag(element).startswith("fe") else 0
        steps = sum(map(_functions, element.attrib.items()))
        if self._ruled_steps:
            steps += sum(self._ruled_steps.get(key, 0) for key in _keys_of(element))
        return self._size(element) + PASS * steps + effect

    def _size(self, element: ElementTree.Element) -> int:
        if not self._has_markers or _tag(element) not in _LINES:
            return 1
        return 2 + len(_POINT.findall(element.get("d", "") + element.get("points", "")))

    def _effect(self, element: ElementTree.Element) -> int:
        """How long one step of a filter takes, as so many elements."""
        tag = _tag(element)
        if tag == "feMorphology":  # looks at all around each point
            sizes = [float(size) for size in _NUMBER.findall(element.get("radius", ""))[:2]]
            return PASS * (1 + int(2 * min(max(sizes, default=0) * self._unit, MAX_RADIUS)))
        return 4 * PASS if tag.endswith("Lighting") else PASS

    def _within(self, value: str) -> int:
        """How much is drawn for a drawing that is in a value as an address."""
        source = _drawing_in(value) if ":" in value else None
        if source is None:
            return 0
        from .svg import declares, parse_svg

        try:
            root = None if declares(source) else parse_svg(source)
        except (ElementTree.ParseError, ValueError):
            root = None
        inner = None if root is None else Drawing(root)
        return self._limit + 1 if inner is None or inner.is_too_much() else inner.drawn()

    # ------------------------------------------------------------------ what an element shows

    def _shown_by(self, element: ElementTree.Element) -> Iterator[tuple[str, bool]]:
        """The names of what an element shows besides its children; what it stands for, as a `use` does, comes first."""
        yield from ((name, False) for name in _links(element) if name in self._named)
        shown: _Shown = []
        for name, value in element.attrib.items():
            if "(" not in value:
                continue
            plain = name.rpartition("}")[2].lower()
            for words, part in _declarations(value) if plain == "style" else [(plain, value)]:
                is_handed_down = any(word in words for word in _HANDED_DOWN) or "\\" in words
                shown += ((each, is_handed_down) for each in _references(part) if each in self._named)
        for key in _keys_of(element):
            shown += self._ruled.get(key, ())
        yield from ((name, is_handed_down or self._hands_all_down) for name, is_handed_down in shown)

    def _is_odd(self, element: ElementTree.Element) -> bool:
        """Whether an element shows what nobody here can count: other documents, what comes with time, variables."""
        is_animation = _tag(element) in _ANIMATIONS
        for name, value in element.attrib.items():
            if _brings_along(value) and _drawing_in(value) is None:
                return True
            if is_animation and any(part in self._named for part in _after_hashes(value)):
                return True
            if name == "style" and "--" in value and any(True for _ in _references(value)):
                return True
        return False

    def _read_sheet(self, element: ElementTree.Element) -> bool:
        """Note what a style sheet lets elements show; False where that cannot be said."""
        if _tag(element) != "style":
            return True
        text = "".join(element.itertext())
        if _brings_along(text):
            return False
        if not any(word in text.lower() for word in ("\\", "url(", "filter")):
            return True
        import tinycss2

        for rule in tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True):
            tokens = [*rule.prelude, *(rule.content or ())] if rule.type in ("qualified-rule", "at-rule") else []
            names = [name for name in _in_tokens(tokens) if name in self._named]
            if steps := _steps_in(rule.content) if tokens else 0:
                for key in _keys(rule.prelude) if rule.type == "qualified-rule" else "*":
                    self._ruled_steps[key] = self._ruled_steps.get(key, 0) + steps
            if not names:
                continue
            if rule.type != "qualified-rule" or not _is_plain(rule.content):
                return False
            words = {token.lower_value for token in rule.content if token.type == "ident"}
            is_handed_down = any(word.startswith(_HANDED_DOWN) for word in words)
            for key in _keys(rule.prelude):
                self._ruled.setdefault(key, []).extend((name, is_handed_down) for name in names)
        return True


def _declarations(style: str) -> Iterator[tuple[str, str]]:
    """Each part of a style, after all in which its property may be named; all in one where it is not sure where they end."""
    parts = style.split(";")
    if _NOT_SIMPLE.search(style) or any(part.count("(") != part.count(")") for part in parts):
        parts = [style]
    return ((part.lower(), part) for part in parts)


def _functions(attribute: tuple[str, str]) -> int:
    """How many steps a filter has that is written as functions; what it shows by name is counted there."""
    name, value = attribute
    if "(" not in value:
        return 0
    parts = _declarations(value) if name == "style" else [(name, value.lower())]
    return sum(part.count("(") - part.lower().count("url(") for words, part in parts if _may_filter(words))


def _may_filter(words: str) -> bool:
    return "filter" in words or "\\" in words


def _words(root: ElementTree.Element) -> str:
    """All in which a property or a value may be named, in small letters; what is written in escapes may be any."""
    values = {value for element in root.iter() for value in (*element.attrib, *element.attrib.values())}
    values |= {text for element in root.iter() if _tag(element) == "style" for text in element.itertext()}
    words = "\n".join(values).lower()
    return f"{words} marker inherit" if "\\" in words else words


def _tag(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _classes(element: ElementTree.Element) -> list[str]:
    return element.get("class", "").split()


def _keys_of(element: ElementTree.Element) -> list[str]:
    """Under which names a style sheet may mean an element."""
    return ["*", _tag(element), f"#{element.get('id')}", *(f".{each}" for each in _classes(element))]


def _steps_in(content: Any) -> int:
    """How many functions stand in a rule that may have a filter."""
    import tinycss2

    text = tinycss2.serialize(content or [])
    return text.count("(") - text.lower().count("url(") if _may_filter(text.lower()) else 0


def _links(element: ElementTree.Element) -> Iterator[str]:
    if _tag(element) in _NOT_SHOWING:
        return
    for name, value in element.attrib.items():
        if name.rpartition("}")[2] == "href":
            plain = _WHITE.sub("", value).strip()
            if plain.startswith("#"):
                yield from _names(plain[1:])


def _references(value: str) -> Iterator[str]:
    """The names in each ``url(#name)`` of a value."""
    if "\\" in value:
        yield from _in_tokens(_tokens(value))
    elif "(" in value:
        for found in _URL.findall(value):
            yield from _names("".join(found))


def _names(written: str) -> Iterator[str]:
    """What an address may name, as it is written and as it is read."""
    plain = _WHITE.sub("", written).strip()
    yield plain
    if "%" in plain:
        yield urllib.parse.unquote(plain)


def _tokens(css: str) -> Any:
    import tinycss2

    return tinycss2.parse_component_value_list(css)


def _addresses(tokens: Any) -> Iterator[str]:
    for token in tokens:
        if token.type in ("url", "string"):
            yield str(token.value).strip()
        inner = getattr(token, "arguments", None) or getattr(token, "content", None)
        if isinstance(inner, list):
            yield from _addresses(inner)


def _in_tokens(tokens: Any) -> Iterator[str]:
    for address in _addresses(tokens):
        if address.startswith("#"):
            yield from _names(address[1:])


def _after_hashes(value: str) -> Iterator[str]:
    """What may be a name in a value of any kind."""
    for part in value.split("#")[1:]:
        for end in (part, re.split(r"[;'\")\s]", part)[0]):
            yield from (end.strip(), urllib.parse.unquote(end.strip()))


def _brings_along(value: str) -> bool:
    """Whether a value has a document in it that may show further ones: a drawing, or a style sheet."""
    if "\\" in value and any(_is_document(address) for address in _addresses(_tokens(value))):
        return True
    if ":" not in value:
        return False
    plain = _WHITE.sub("", value)
    return any(_is_document(plain[found.end() :]) for found in _BEFORE_ADDRESS.finditer(plain))


def _drawing_in(value: str) -> str | None:
    from .drawings import source_at

    return source_at(_WHITE.sub("", value).strip())


def _is_document(address: str) -> bool:
    return address[:5].lower() == "data:" and _PICTURE.match(address) is None


def _is_plain(content: Any) -> bool:
    """Whether a rule's content is nothing but declarations, and none of a variable."""
    return not any(
        token.type == "{} block" or (token.type == "ident" and token.value.startswith("--")) for token in content
    )


def _keys(prelude: Any) -> Iterator[str]:
    """Of each selector one name without which an element is none of its; ``*`` where it has none."""
    last: list[Any] = []
    for token in [*prelude, None]:
        if token is None or token == ",":
            yield _key(last)
            last = []
        elif token.type == "whitespace" or token in (">", "+", "~"):
            # What follows is about another element, unless nothing does.
            last.append(None)
        else:
            last.append(token)


def _key(tokens: list[Any]) -> str:
    while tokens and tokens[-1] is None:
        tokens.pop()
    own = tokens[len(tokens) - next((at for at, token in enumerate(reversed(tokens)) if token is None), len(tokens)) :]
    if "|" in own:  # with a namespace
        return "*"
    for before, token in zip([None, *own], own, strict=False):
        if token.type == "hash":
            return f"#{token.value}"
        if token.type == "ident" and before == ".":
            return f".{token.value}"
    first = own[0] if own else None
    return str(first.value) if first is not None and first.type == "ident" else "*"
