"""Markdown of a sandbox: its markup is text, its code stands as it is, for whichever parser reads it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbconvert.filters import markdown2html

from hopx_kernel.trust.markdown import safe_markdown

EVIL = "<img src=x onerror=alert(1)>"

CODE = {
    "block": f"Text\n\n```html\n{EVIL}\n```\n\nText",
    "block at the start": f"```\n{EVIL}\n```",
    "two blocks": f"````c++\n{EVIL}\n````\n```\n{EVIL}\n```\n",
    "shell": f"```bash\necho $HOME `date` {EVIL}\n```",
    "subscript": f"```python\nif rows[1]:\n    a: list = '{EVIL}'\n```",
    "span": f"A `{EVIL}` and `List<int>`",
    "span in a list": f"- `{EVIL}`\n- `a<b>`\n\n1. `x<y>`",
    "span in a quote": f"> `{EVIL}`",
    "heading": f"# `{EVIL}`",
}


class Tags(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("source", CODE.values(), ids=CODE)
def test_code_stands_as_it_is_and_is_shown_so(source: str) -> None:
    assert safe_markdown(source) == source
    page = Tags(markdown2html(source))
    assert "img" not in page.tags and "&lt;" not in page.text and "<" in page.text


#: Code for a hasty reader, and markup for one parser or another.
TRAPS = {
    "open fence before": f"text\n```\n\n```\n{EVIL}\n```",
    "indented fence before": f"   ```\n\n```\n{EVIL}\n```",
    "tildes before": f"~~~\n\n```\n~~~\n{EVIL}\n```",
    "fence in a list": f"- ```\n\n```\n{EVIL}\n```",
    "html block": f"<p>\n```\n{EVIL}\n```",
    "html before": f"<p>\n`{EVIL}`",
    "no closing fence": f"```\n{EVIL}",
    "longer closing fence": f"```\ncode\n`````\n{EVIL}\n```",
    "closing fence with blanks": f"```\ncode\n``` \n{EVIL}\n```",
    "indented closing fence": f"```\ncode\n  ```\n{EVIL}\n```",
    "title over lines": f'[a]: x "\n\n```\n"\n{EVIL}\n```',
    "block mathematics": f"$$\n\n```\n$$ {EVIL}\n```",
    "environment": f"\\begin{{x}}\n\n```\n\\end{{x}} {EVIL}\n```",
    "definition of a term": f"term\n: definition `x\n\n```\n{EVIL}\n```",
    "information with a backtick": f"```a`b\n{EVIL}\n```",
    "address that goes on": f"http://a.b`{EVIL}`",
    "address in brackets": f"http://a.b(`{EVIL}`",
    "three backticks": f"`a `{EVIL}` b`",
    "backtick on the line before": f"a ` b\n`{EVIL}`",
    "heading between": f"# a `\n`{EVIL}`",
    "double backticks": f"``a `{EVIL}` b",
    "escaped backtick": f"\\`{EVIL}`",
    "escaped at the end": f"`a\\` {EVIL}`",
    "cells of a table": f"| a ` | b ` |\n|---|---|\n| `{EVIL} | ` |",
    "mathematics of a line": f"$a ` b$ `{EVIL}`",
    "autolink": f"<http://a` b>{EVIL}`",
    "odd line end": f"text\u2028```\n{EVIL}\n```",
    "carriage return": f"text\r```\n\n```\n{EVIL}\n```",
    "form feed": f"\x0c```\n\n```\n{EVIL}\n```",
}


@pytest.mark.parametrize("source", TRAPS.values(), ids=TRAPS)
def test_what_only_looks_like_code_is_escaped(source: str) -> None:
    safe = safe_markdown(source)
    assert safe is not None and EVIL not in safe and "&lt;img" in safe
    assert "img" not in Tags(markdown2html(safe)).tags


PIECES = (
    "`", "``", "```", "~~~", "\n", "\n\n", "    ", "  ", "- ", "> ", "# ", "| ", "|---|\n", "$", "$$", "\\", "<p>", "<b>",
    "</p>", "http://a.b/", "[a](", "]: ", '"', ")", ": ", "text", "html", "<!--", "<", "\t", "(", EVIL, EVIL, "\n```\n",
    "\n`x`\n", "[r]: x",
)  # fmt: skip
_pieces = st.sampled_from(PIECES)


@given(st.lists(_pieces, max_size=24))
def test_no_document_makes_an_element_in_an_export(pieces: list[str]) -> None:
    safe = safe_markdown("".join(pieces))
    assert safe is None or not Tags(markdown2html(safe)).tags & {"img", "http:"}


@given(st.lists(_pieces, max_size=12), st.lists(_pieces, max_size=12))
def test_code_after_anything_is_code_or_escaped(before: list[str], after: list[str]) -> None:
    safe = safe_markdown("".join(before) + f"\n\n```\n{EVIL}\n```\n\n" + "".join(after))
    assert safe is None or "img" not in Tags(markdown2html(safe)).tags


def test_diagrams_are_drawn_of_no_code() -> None:
    assert "mermaid" not in (safe_markdown("```mermaid\ngraph <b>\n```") or "mermaid").splitlines()[0]


def test_pictures_of_the_page_become_links_beside_code() -> None:
    assert safe_markdown("![a](/logout) `x<y>` ![b](data:image/png;base64,AA)") == (
        "[a](/logout) `x<y>` ![b](data:image/png;base64,AA)"
    )


def test_long_documents_take_no_long_time() -> None:
    source = "`a<b>` " * 20_000 + "\n\n" + "```\n<x>\n```\n\n" * 20_000
    assert len(re.findall("<x>", safe_markdown(source) or "")) == 20_000
