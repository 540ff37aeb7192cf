"""CSS that concerns nothing but the elements it comes with."""

from __future__ import annotations

__all__ = ["calm_declarations", "is_calm_style_sheet", "loads_something", "own_classes"]

#: What lets a value load something or hide behind another spelling, and positions by which it could cover the page.
_LOUD = ("\\", "url", "image(", "image-set", "src(", "expression", "behavior", "binding", "@", "<", "fixed", "sticky")

#: Properties that concern an element's own looks. None takes it out of its place in the page.
_PROPERTIES = frozenset(
    """
    background background-color background-size background-repeat background-clip border-collapse border-spacing
    bottom-border box-shadow box-sizing caption-side clear color color-scheme cursor direction display empty-cells flex
    float font gap height line-height letter-spacing max-height max-width min-height min-width object-fit opacity order
    outline outline-color outline-style outline-width overflow overflow-wrap overflow-x overflow-y quotes row-gap
    tab-size table-layout unicode-bidi vertical-align visibility white-space width word-break word-spacing word-wrap
    writing-mode stroke-linejoin stroke-linecap fill stroke
    """.split()  # noqa: SIM905 (a list of many short words)
)
_PROPERTY_FAMILIES = (
    "align-", "border-", "column", "flex-", "font-", "grid", "justify-", "list-style", "margin", "padding", "place-",
    "text-",
)  # fmt: skip

#: How the classes and ids begin that the page's own elements have.
_PAGE_NAMES = ("jp-", "lm-", "p-", "widget", "jupyter", "cm-", "voila", "main", "notebook", "hopx-", "bp", "jl-")
#: Of these, what only sets some room around an element.
_HARMLESS_NAMES = frozenset({"widget-interact"})
_PAGE_ELEMENTS = frozenset({"body", "html", "*"})
_SELECTOR = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-.#:() >+~")
_FUNCTIONS = ("nth-child", "nth-of-type", "nth-last-child", "nth-last-of-type")


def own_classes(value: str) -> str:
    """The class names that are none of the page's own, which have looks and doings there."""
    return " ".join(
        name for name in value.split() if name in _HARMLESS_NAMES or not name.lower().startswith(_PAGE_NAMES)
    )


def loads_something(value: object) -> bool:
    """Whether a value could, as one of CSS, load something."""
    text = "".join(value.lower().split()) if isinstance(value, str) else ""
    return any(word in text for word in ("\\", "url", "image", "src(", "@"))


def calm_declarations(style: str) -> str:
    """The declarations of a style attribute that only concern its element's own looks."""
    return "; ".join(piece.strip() for piece in style.split(";") if _is_calm_declaration(piece))


def _is_calm_declaration(piece: str) -> bool:
    name, colon, value = piece.partition(":")
    name, value = name.strip().lower(), "".join(value.lower().split())
    if not colon or any(word in value for word in _LOUD):
        return False
    if name.startswith("margin") and "-" in value:
        return False
    return name in _PROPERTIES or name.startswith(_PROPERTY_FAMILIES)


def is_calm_style_sheet(css: str) -> bool:
    """Whether a style sheet only concerns elements below one that it names by a class or id of its own."""
    if any(mark in css for mark in ("/*", '"', "'", "@", "<", "\\")):
        return False
    for block in css.split("}"):
        selectors, brace, declarations = block.partition("{")
        if not brace:
            if selectors.strip():
                return False
            continue
        if not all(map(_is_own_selector, selectors.split(","))):
            return False
        if not all(_is_calm_declaration(piece) for piece in declarations.split(";") if piece.strip()):
            return False
    return True


def _is_own_selector(selector: str) -> bool:
    selector = selector.strip().lower()
    if not _SELECTOR.issuperset(selector.replace("\n", " ").replace("\t", " ")):
        return False
    for part in selector.split("(")[:-1]:
        if not part.endswith(_FUNCTIONS):
            return False
    compounds = selector.replace(">", " ").replace("+", " ").replace("~", " ").split()
    if not compounds or not any(mark in compounds[0].partition(":")[0] for mark in ".#"):
        return False
    return all(map(_is_own_compound, compounds))


def _is_own_compound(compound: str) -> bool:
    element, *names = compound.partition(":")[0].replace("#", ".").split(".")
    return element not in _PAGE_ELEMENTS and not any(name.startswith(_PAGE_NAMES) for name in names)
