"""What markup would do to the page that holds it, by parsers that the policy does not use for it, and rules of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import html5lib
import tinycss2

__all__ = ["faults"]

_SPACE = "{http://www.w3.org/1999/xhtml}"
_KEPT = {"dataframe", "widget-interact"}
_HARMFUL_TAGS = {
    *("script", "iframe", "frame", "object", "embed", "form", "input", "button", "select", "textarea", "meta", "link"),
    *("base", "svg", "math", "template", "noscript", "dialog", "canvas", "portal", "xmp", "plaintext", "title"),
}
_LOADING = {"src", "srcset", "poster", "background", "data", "action", "formaction", "cite", "ping", "longdesc"}
_LEAVING = {"position", "top", "left", "right", "bottom", "inset", "transform", "translate", "scale", "rotate", "zoom"}
_LOADING_FUNCTIONS = {"url", "attr", "image", "image-set", "src", "element", "paint", "cross-fade", "env", "expression"}


def faults(markup: str) -> list[str]:
    """What is wrong with markup for a page; none where it only shows something."""
    found: list[str] = []
    for element in html5lib.parseFragment(markup, namespaceHTMLElements=True).iter():
        tag = str(element.tag)
        if tag == "DOCUMENT_FRAGMENT" or not isinstance(element.tag, str):
            continue
        name = tag.removeprefix(_SPACE)
        given = {str(key): str(value) for key, value in element.attrib.items()}
        if name == "iframe":
            if set(given) - {"style", "srcdoc", "sandbox", "referrerpolicy", "loading", "title"} or (
                given["sandbox"] != "allow-scripts"
            ):
                found.append("an open frame")
            continue
        if name in _HARMFUL_TAGS or not tag.startswith(_SPACE):
            found.append(tag)
        found += [fault for key, value in given.items() for fault in _attribute_faults(key, value)]
        if name == "style":
            found += _sheet_faults(element.text or "")
    return found


def _attribute_faults(name: str, value: str) -> Iterator[str]:
    text = "".join(value.split()).lower()
    if name.startswith(("on", "data-")) or text.startswith(("javascript:", "vbscript:")) or name == "srcdoc":
        yield f"{name}={value[:40]}"
    if name in _LOADING and text and not text.startswith(("data:image/", "data:audio/", "data:video/")):
        yield f"{name}={value[:40]}"
    if name == "href" and text.startswith("data:"):
        yield f"{name}={value[:40]}"
    if name in ("id", "class"):
        yield from (f"{name} {each}" for each in value.split() if each not in _KEPT and not each.startswith("sbx-"))
    if name == "style":
        yield from _declaration_faults(value)


def _sheet_faults(css: str) -> Iterator[str]:
    for rule in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True):
        if rule.type != "qualified-rule":
            yield f"style {rule.type}"
            continue
        for selector in tinycss2.serialize(rule.prelude).split(","):
            first, *rest = selector.split()
            if not first.startswith(".sbx-of-") or not rest or rest[0] in ("+", "~"):
                yield f"selector {selector}"
        yield from _declaration_faults(rule.content)


def _declaration_faults(css: Any) -> Iterator[str]:
    for node in tinycss2.parse_blocks_contents(css, skip_comments=True, skip_whitespace=True):
        if node.type != "declaration":
            yield f"declarations {node.type}"
        elif node.lower_name in _LEAVING or node.lower_name.startswith(
            ("--", "animation", "transition", "border-image")
        ):
            yield node.lower_name
        else:
            yield from _value_faults(node.lower_name, node.value)


def _value_faults(name: str, tokens: Any) -> Iterator[str]:
    for token in tokens:
        if token.type in ("url", "error", "{} block", "[] block", "at-keyword"):
            yield f"{name} {token.type}"
        elif token.type == "function":
            if token.lower_name in _LOADING_FUNCTIONS:
                yield f"{name} {token.lower_name}()"
            yield from _value_faults(name, token.arguments)
        elif token.type == "() block":
            yield from _value_faults(name, token.content)
        elif name.startswith("margin") and getattr(token, "value", 0) not in (None, "") and _is_negative(token):
            yield f"{name} {token.value}"


def _is_negative(token: Any) -> bool:
    return token.type in ("number", "dimension", "percentage") and token.value < 0
