"""Markdown of a sandbox: it is read once, and shown as what that made of it; the source passes only where it is plain."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from nbconvert.filters import markdown2html

from hopx_kernel.trust import TrustPolicy
from hopx_kernel.trust.markdown import is_plain_markdown

from .markup_oracle import faults

SAFE = TrustPolicy()

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
    "indented": f"Text\n\n    {EVIL}\n",
    "after mathematics": f"$$\nx\n$$\n\n```\n{EVIL}\n```",
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


def shown(source: str) -> str:
    data, _ = SAFE.bundle({"text/markdown": source, "text/plain": "p"}, {})
    assert data["text/plain"] == "p" and faults(data["text/html"]) == []
    return str(data["text/html"])


@pytest.mark.parametrize("source", CODE.values(), ids=CODE)
def test_code_is_shown_as_it_stands(source: str) -> None:
    page = Tags(shown(source))
    assert "img" not in page.tags and "code" in page.tags
    assert page.text.count(EVIL) == source.count(EVIL) and "&lt;" not in page.text


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
def test_what_parsers_read_differently_is_not_passed_on(source: str) -> None:
    assert "text/markdown" not in SAFE.bundle({"text/markdown": source}, {})[0]
    page = Tags(shown(source))
    assert "img" not in page.tags and EVIL in page.text


PLAIN = "# Title\n\nSome *text*, **strong**.\n\n- one\n- two\n\n> quote\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"


def test_plain_markdown_stays_beside_what_it_becomes() -> None:
    data, _ = SAFE.bundle({"text/markdown": PLAIN}, {})
    assert data["text/markdown"] == PLAIN and is_plain_markdown(PLAIN)
    assert Tags(data["text/html"]).tags >= {"h1", "em", "strong", "li", "blockquote", "table", "th", "td"}
    assert Tags(markdown2html(PLAIN)).tags <= Tags(data["text/html"]).tags | {"a"}


@pytest.mark.parametrize(
    "mark", ["<", "&", "[", "`", "$", "\\", "~", "{", "\0", "\x1b", "\u202e", "https://a.b", "\n:::\n"]
)
def test_markdown_that_begins_anything_else_does_not(mark: str) -> None:
    assert not is_plain_markdown(f"text {mark} text")


def test_deep_markdown_is_not_passed_on_and_shown_flat() -> None:
    assert not is_plain_markdown(">" * 1000 + " x")
    assert faults(shown(">" * 1000 + " x")) == []


def test_mathematics_is_typeset_and_nothing_of_it_is_read_as_markdown() -> None:
    html = shown("$a_b < c_d$ and $$x*y*z$$\n\n$$\n\\int_a^b\n$$\n\n\\begin{align}\na &= b\n\\end{align}")
    assert "$a_b &lt; c_d$" in html and "$$x*y*z$$" in html and "\\int_a^b" in html
    assert "\\begin{align}" in html and "<em>" not in html


def test_mathematics_that_acts_is_shown_and_not_typeset() -> None:
    html = shown("$\\href{javascript:alert(1)}{x}$")
    assert "\\" not in html and "href{javascript" in html


def test_pictures_of_the_page_become_links() -> None:
    html = shown("![a](https://a.b/c.png) ![b](data:image/png;base64,AA) ![c](/logout)")
    assert html.count("<img") == 1 and 'href="https://a.b/c.png"' in html and "/logout" not in html


def test_addresses_are_links_and_html_is_text_but_for_the_plainest() -> None:
    html = shown("see https://a.b/c?d=1. x <b>bold</b><br/> <b onclick=x> <script>1</script>")
    assert '<a href="https://a.b/c?d=1"' in html and "<b>bold</b><br>" in html
    assert "&lt;b onclick=x&gt;" in html and "&lt;script&gt;" in html


def test_html_beside_markdown_is_the_code_s_own() -> None:
    data, _ = SAFE.bundle({"text/markdown": "*x*", "text/html": "<b>y</b>"}, {})
    assert data["text/html"] == "<b>y</b>"
