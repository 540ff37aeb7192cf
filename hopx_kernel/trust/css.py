"""CSS that concerns nothing but the output it comes with.

It is read by a parser, and written anew from what was understood of it: properties and functions from a list, values
token by token, selectors below one scope. Every class and id of the output gets a prefix, here and in its markup, so
that none of the page's own is to be had.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

__all__ = ["calm_declarations", "declarations", "loads_something", "own_classes", "own_name", "scoped_style_sheet"]

#: What every class and id of a sandbox's begins with.
PREFIX = "sbx-"
#: Classes that keep their name: what they do in a page is wanted, and harmless.
_KEPT_NAMES = frozenset({"dataframe", "widget-interact"})
_NAME = re.compile(r"[A-Za-z0-9_-]{1,200}")

#: Properties that concern an element's own looks. None takes it out of its place in the page. Not those of columns, which in
#: one another are laid out as often as they are deep, each time for all that is in them.
_PROPERTIES = frozenset(
    """
    background background-color background-size background-repeat background-clip background-image background-position
    background-origin border border-collapse border-spacing border-radius box-shadow box-sizing caption-side clear
    color color-scheme column-gap cursor direction display empty-cells flex float font gap grid height line-height
    letter-spacing margin max-height max-width min-height min-width object-fit opacity order outline outline-color
    outline-style outline-width overflow overflow-wrap overflow-x overflow-y padding quotes row-gap tab-size
    table-layout unicode-bidi vertical-align visibility white-space width word-break word-spacing word-wrap
    writing-mode
    alignment-baseline clip-path clip-rule dominant-baseline fill fill-opacity fill-rule filter marker marker-end
    marker-mid marker-start mask paint-order shape-rendering stop-color stop-opacity stroke stroke-dasharray
    stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity stroke-width vector-effect
    """.split()  # noqa: SIM905 (a list of many short words)
)
_PROPERTY_FAMILIES = (
    "align-", "border-bottom", "border-color", "border-left", "border-right", "border-style", "border-top",
    "border-width", "flex-", "font-", "grid-", "justify-", "list-style", "margin-", "padding-", "place-",
    "text-",
)  # fmt: skip
#: What makes glyphs any size, whatever the size of the font.
_NOT_IN_FAMILIES = frozenset({"font-size-adjust"})
#: Properties that paint outside of their element's box: of these only so much.
_OVERFLOWING = ("box-shadow", "letter-spacing", "outline", "text-", "word-spacing")
_MAX_OVERFLOW = {"px": 64.0, "pt": 48.0, "em": 4.0, "rem": 4.0, "ex": 8.0, "ch": 8.0}
#: And of what glyphs stand out over their line.
_MAX_FONT = {"px": 200.0, "pt": 150.0, "em": 10.0, "rem": 12.0, "ex": 20.0, "%": 1000.0, "": 0.0}
_MAX_NUMBER = 100_000.0
_MAX_NEGATIVE = {"px": -20.0, "pt": -15.0, "em": -1.0, "rem": -1.0}

_COLORS = frozenset("rgb rgba hsl hsla hwb lab lch oklab oklch color color-mix light-dark".split())  # noqa: SIM905
_ARITHMETIC = frozenset({"calc", "min", "max", "clamp"})
_GRADIENTS = frozenset(
    f"{repeating}{shape}-gradient" for repeating in ("", "repeating-") for shape in ("linear", "radial", "conic")
)
_FUNCTIONS = _COLORS | _ARITHMETIC | _GRADIENTS | {"minmax", "repeat", "fit-content", "var"}
#: Arithmetic that nobody works out here might come to less than nothing.
_PLAIN_ONLY = ("margin", *_OVERFLOWING, "font", "line-height")
_UNITS = frozenset(
    "px pt pc cm mm in em rem ex ch lh vw vh vmin vmax fr deg rad grad turn s ms dpi".split()  # noqa: SIM905
)
_IDENTIFIER = re.compile(r"-?[A-Za-z][A-Za-z0-9_-]{0,200}")
_NUMBER = re.compile(r"[+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]{1,2})?")
_STRING = re.compile(r"[A-Za-z0-9 _.,:;()+*/%#!?-]{0,100}")
#: Variables of the page's themes. None is set here, so that none holds what the sandbox put there.
_VARIABLE = re.compile(r"--(?:jp|vscode|theme|colab)-[A-Za-z0-9-]{1,80}")

_PSEUDO_CLASSES = frozenset(
    "empty first-child first-of-type hover last-child last-of-type only-child only-of-type".split()  # noqa: SIM905
)
_PSEUDO_FUNCTIONS = frozenset({"nth-child", "nth-last-child", "nth-last-of-type", "nth-of-type"})
_PSEUDO_ELEMENTS = frozenset({"first-letter", "first-line", "marker"})
_NTH = re.compile(r"[0-9nN+ -]{1,20}|odd|even")

_MAX_DEPTH = 6

Tokens = Sequence[Any]


def own_name(name: str) -> str | None:
    """What a class or an id of the sandbox's is called in the page; None where it is no plain name."""
    if name in _KEPT_NAMES:
        return name
    return PREFIX + name if _NAME.fullmatch(name) else None


def own_classes(value: str) -> str:
    """Class names, each with the prefix, but for those that may be the page's own."""
    return " ".join(filter(None, map(own_name, value.split())))


def loads_something(value: object) -> bool:
    """Whether a value could, as one of CSS, load something."""
    text = "".join(value.lower().split()) if isinstance(value, str) else ""
    return any(word in text for word in ("\\", "url", "image", "src(", "@"))


def calm_declarations(style: str) -> str:
    """The declarations of a style attribute that only concern its element's own looks."""
    return "; ".join(declarations(style)[0])


def declarations(css: str | Tokens) -> tuple[list[str], bool]:
    """Declarations written anew, and whether everything was understood."""
    import tinycss2

    clean, is_whole = [], True
    for node in tinycss2.parse_blocks_contents(css, skip_comments=True, skip_whitespace=True):
        text = _declaration(node) if node.type == "declaration" else None
        if text is None:
            is_whole = False
        else:
            clean.append(text)
    return clean, is_whole


def _declaration(node: Any) -> str | None:
    name = node.lower_name
    if (name not in _PROPERTIES and not name.startswith(_PROPERTY_FAMILIES)) or name in _NOT_IN_FAMILIES:
        return None
    if not _IDENTIFIER.fullmatch(name):
        return None
    value = _value(node.value, name, 0, is_exact=True)
    if value is None or not value.strip():
        return None
    return f"{name}:{value.rstrip()}{' !important' if node.important else ''}"


def _value(tokens: Tokens, name: str, depth: int, is_exact: bool) -> str | None:
    """A value written anew; `is_exact` says that its numbers are what they will be, and not put into arithmetic."""
    if depth > _MAX_DEPTH:
        return None
    pieces: list[str | None] = []
    for token in tokens:
        pieces.append(_token(token, name, depth, is_exact))
        if name == "font" and token == "/":
            name = "line-height"
    return None if None in pieces else "".join(filter(None, pieces))


def _token(token: Any, name: str, depth: int, is_exact: bool) -> str | None:
    kind = token.type
    if kind in ("whitespace", "comment"):
        return " "
    if kind == "ident":
        return str(token.value) if _IDENTIFIER.fullmatch(token.value) else None
    if kind in ("number", "percentage", "dimension"):
        return _number(token, name, is_exact)
    if kind == "hash":
        return f"#{token.value}" if token.value.isascii() and token.value.isalnum() else None
    if kind == "string":
        return f'"{token.value}"' if _STRING.fullmatch(token.value) else None
    if kind == "literal":
        return str(token.value) if token.value in (",/" if is_exact else ",/+*-") else None
    if kind == "() block" and not is_exact:
        inner = _value(token.content, name, depth + 1, is_exact)
        return None if inner is None else f"({inner})"
    return _function(token, name, depth, is_exact) if kind == "function" else None


def _number(token: Any, name: str, is_exact: bool) -> str | None:
    unit = "%" if token.type == "percentage" else str(getattr(token, "lower_unit", ""))
    if not _NUMBER.fullmatch(token.representation) or (token.type == "dimension" and unit not in _UNITS):
        return None
    if not abs(token.value) <= _MAX_NUMBER or (is_exact and not _is_in_place(token.value, unit, name)):
        return None
    return f"{token.representation}{unit}"


def _is_in_place(value: float, unit: str, name: str) -> bool:
    """Whether a length lets an element stay, and paint, where it is."""
    if name.startswith("font") and not name.startswith("font-w") and unit:
        return 0 <= value <= _MAX_FONT.get(unit, 0.0)
    if name == "line-height":
        return value >= (12 if unit in ("px", "pt") else 80 if unit == "%" else 0.8)
    if name.startswith(_OVERFLOWING) and unit:
        return _MAX_NEGATIVE.get(unit, 0.0) <= value <= _MAX_OVERFLOW.get(unit, 0.0)
    return value >= 0 or (not unit and name.startswith(("grid", "order", "stroke")))


def _function(token: Any, name: str, depth: int, is_exact: bool) -> str | None:
    function = token.lower_name
    if function not in _FUNCTIONS or (function not in _COLORS and name.startswith(_PLAIN_ONLY) and function != "var"):
        return None
    arguments = token.arguments
    if function == "var":
        return _variable(arguments, name, depth, is_exact)
    inner = _value(arguments, name, depth + 1, is_exact=False)
    return None if inner is None else f"{function}({inner.strip()})"


def _variable(arguments: Tokens, name: str, depth: int, is_exact: bool) -> str | None:
    """A variable of the page's theme, with what holds where there is none."""
    if name.startswith("margin"):
        return None
    before, comma, fallback = _split_at_comma(arguments)
    written = [token for token in before if token.type not in ("whitespace", "comment")]
    if len(written) != 1 or written[0].type != "ident" or not _VARIABLE.fullmatch(written[0].value):
        return None
    if not comma:
        return f"var({written[0].value})"
    # It stands where the variable would, and may be no more than what may stand there itself.
    value = _value(fallback, name, depth + 1, is_exact)
    return None if value is None else f"var({written[0].value}, {value.strip()})"


def _split_at_comma(tokens: Tokens) -> tuple[Tokens, bool, Tokens]:
    for index, token in enumerate(tokens):
        if token == ",":
            return tokens[:index], True, tokens[index + 1 :]
    return tokens, False, ()


# ---------------------------------------------------------------------- style sheets


def scoped_style_sheet(css: str, scope: str) -> tuple[str, bool]:
    """A style sheet for what is below the class `scope`, and whether everything in it was understood."""
    import tinycss2

    rules, is_whole = [], True
    for node in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True):
        selectors = _selectors(node.prelude, scope) if node.type == "qualified-rule" else None
        if selectors is None:
            is_whole = False
            continue
        clean, is_understood = declarations(node.content)
        is_whole = is_whole and is_understood
        if clean:
            rules.append(f"{selectors} {{{'; '.join(clean)}}}\n")
    return "".join(rules), is_whole


def _selectors(prelude: Tokens, scope: str) -> str | None:
    """A list of selectors below a scope; None where one of them was not understood."""
    selectors: list[list[Any]] = [[]]
    for token in prelude:
        if token == ",":
            selectors.append([])
        else:
            selectors[-1].append(token)
    written = [_selector(each) for each in selectors]
    return None if None in written else ", ".join(f".{scope} {each}" for each in written)


def _selector(tokens: list[Any]) -> str | None:
    """A selector that begins and ends with a compound one: what it matches below a scope is below that."""
    pieces: list[str] = []
    is_open = True  # whether a compound selector has to come
    waiting = iter(tokens)
    for token in waiting:
        if token.type in ("whitespace", "comment"):
            pieces.append(" ")
        elif token.type == "literal" and token.value in ("+", "~", ">"):
            if is_open:
                return None
            pieces.append(token.value)
            is_open = True
        else:
            piece = _simple(token, waiting)
            if piece is None:
                return None
            pieces.append(piece)
            is_open = False
    text = "".join(pieces).strip()
    return None if is_open or not text else text


def _simple(token: Any, following: Any) -> str | None:
    """One simple selector, of which `following` gives the rest."""
    if token.type == "ident":
        return str(token.value) if re.fullmatch("[A-Za-z][A-Za-z0-9]{0,20}", token.value) else None
    if token.type == "hash":
        name = own_name(token.value)
        return None if name is None else f"#{name}"
    if token.type != "literal":
        return None
    if token.value == "*":
        return "*"
    following_token = next(following, None)
    if following_token is None:
        return None
    if token.value == ".":
        name = own_name(following_token.value) if following_token.type == "ident" else None
        return None if name is None else f".{name}"
    return _pseudo(following_token, following) if token.value == ":" else None


def _written(token: Any) -> str:
    """A token of ``An+B`` as it was written; anything else is none of that."""
    if token.type in ("ident", "literal"):
        return str(token.value)
    if token.type in ("number", "dimension"):
        return f"{token.representation}{getattr(token, 'unit', '')}"
    return " " if token.type == "whitespace" else "?"


def _pseudo(token: Any, following: Any) -> str | None:
    if token.type == "ident":
        return f":{token.lower_value}" if token.lower_value in _PSEUDO_CLASSES else None
    if token.type == "function" and token.lower_name in _PSEUDO_FUNCTIONS:
        argument = "".join(map(_written, token.arguments)).strip()
        return f":{token.lower_name}({argument})" if _NTH.fullmatch(argument) else None
    if token == ":":
        element = next(following, None)
        if element is not None and element.type == "ident" and element.lower_value in _PSEUDO_ELEMENTS:
            return f"::{element.lower_value}"
    return None
