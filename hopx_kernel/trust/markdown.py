"""Markdown, read by one parser and shown as what that made of it.

A page's own parser and that of exports would each have another opinion of what is code and what is markup. So the
source goes to them only where there can be no two opinions: where it holds nothing by which markup, addresses,
mathematics or code could begin.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ["MAX_CHARS", "MAX_CHARS_AT_ONCE", "is_plain_markdown", "markdown_html"]

#: A text that is read at all, in characters, and where somebody waits for it who cannot do anything else meanwhile.
MAX_CHARS = 2 << 20
MAX_CHARS_AT_ONCE = 32 << 10

#: What begins HTML, entities, links and pictures, code, mathematics, escapes, attributes, roles and fences somewhere.
_OPENING = frozenset("<&[]`$\\~{}")
#: Deeper lists and quotes make some parsers give up.
_DEEP = re.compile(r"^[\s>*+-]{24}|:::|://|\d{9}", re.MULTILINE)

#: Elements that may stand in a text as they are written in HTML, without attributes.
_SIMPLE_TAG = re.compile(r"<(/?)(b|i|em|strong|code|sub|sup|u|s|kbd|mark|small|br|hr)\s?/?>", re.IGNORECASE)

_ADDRESS = re.compile(r"https?://[^\s<>\"'`\\]{1,2000}")
_TRAILING = ".,;:!?)*_]"


def is_plain_markdown(source: str) -> bool:
    """Whether every parser makes of Markdown no more than headings, lists, tables, quotes and emphasis."""
    return (
        _OPENING.isdisjoint(source)
        and all(char.isprintable() or char in "\n\t" for char in source)
        and _DEEP.search(source) is None
    )


def markdown_html(source: str) -> str:
    """HTML of a text, without any of its own. It still has to be cleaned, as all HTML."""
    rendered: str = _parser().render(source)
    return rendered.strip()


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.amsmath import amsmath_plugin
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 40}).enable(["table", "strikethrough"])
    parser.use(dollarmath_plugin, double_inline=True, allow_blank_lines=False).use(amsmath_plugin)
    for name, around in (("math_inline", "$"), ("math_inline_double", "$$"), ("math_block", "$$"), ("amsmath", "")):
        parser.add_render_rule(name, _math(around))
    parser.add_render_rule("math_block_label", _math("$$"))
    parser.add_render_rule("image", _picture)
    parser.inline.ruler.before("autolink", "simple_tags", _simple_tag)
    parser.core.ruler.push("addresses", _link_addresses)
    return parser


def _math(around: str) -> Any:
    """Mathematics as the text it is, for the page to typeset."""
    is_block = around in ("$$", "")

    def render(_: Any, tokens: Sequence[Token], index: int, *__: Any) -> str:
        text = f"{around}{html.escape(tokens[index].content, quote=False)}{around}"
        return f"<p>{text}</p>\n" if is_block and tokens[index].block else text

    return render


def _picture(_: Any, tokens: Sequence[Token], index: int, *__: Any) -> str:
    """A picture that is in the source itself; all others become links, since the page would fetch them with its cookies."""
    token = tokens[index]
    source, text = str(token.attrs.get("src", "")), html.escape(token.content)
    if source.startswith("data:image/"):
        return f'<img src="{html.escape(source)}" alt="{text}">'
    return f'<a href="{html.escape(source)}">{text or html.escape(source)}</a>'


def _simple_tag(state: Any, silent: bool) -> bool:
    match = _SIMPLE_TAG.match(state.src, state.pos)
    if match is None:
        return False
    if not silent:
        state.push("html_inline", "", 0).content = f"<{match[1]}{match[2].lower()}>"
    state.pos = match.end()
    return True


def _link_addresses(state: Any) -> None:
    """Make links of addresses that stand in the text as they are."""
    for block in state.tokens:
        if block.type != "inline" or "://" not in block.content:
            continue
        inside = 0
        children: list[Token] = []
        for token in block.children:
            inside += (token.type == "link_open") - (token.type == "link_close")
            children += _split_addresses(token) if token.type == "text" and not inside else [token]
        block.children = children


def _split_addresses(token: Token) -> list[Token]:
    from markdown_it.token import Token as NewToken

    pieces: list[Token] = []
    last = 0
    for match in _ADDRESS.finditer(token.content):
        address = match[0].rstrip(_TRAILING)
        pieces.append(NewToken("text", "", 0, content=token.content[last : match.start()]))
        pieces.append(NewToken("link_open", "a", 1, attrs={"href": address}))
        pieces.append(NewToken("text", "", 0, content=address))
        pieces.append(NewToken("link_close", "a", -1))
        last = match.start() + len(address)
    return [*pieces, NewToken("text", "", 0, content=token.content[last:])] if pieces else [token]
