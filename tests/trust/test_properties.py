"""Whatever a sandbox makes of the pieces that markup consists of: what is left of it only shows something."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopx_kernel.trust import TrustPolicy
from hopx_kernel.trust.markup import clean_html
from hopx_kernel.trust.svg import _TAGS, inert_svg

from .markup_oracle import faults

SAFE = TrustPolicy()

HTML_PIECES = [
    *("<div", "<b", "<p", "<a", "<img", "<style", "<svg", "<math", "<table", "<td", "<template", "<noscript", "<title"),
    *("</div>", "</style>", "</svg>", "</title>", "</p>", "</table>", "<!--", "-->", "<![CDATA[", "]]>", "<?x", "<"),
    *(">", "/>", " ", "\n", "/", '"', "'", "`", "=", "&lt;", "&#106;", "&quot;", "\0", "x", "text"),
    *(" class=", " id=", " style=", " src=", " href=", " onerror=", " title=", " data-x=", " background=", " srcset="),
    *(
        "jp-Dialog",
        "Toastify__toast-container",
        '"lm-Menu jp-x"',
        "javascript:alert(1)",
        "//evil/x",
        "data:image/png,x",
    ),
    *("data:text/html,x", "position:fixed", "color:red;", "url(//evil)", "{", "}", "<script>alert(1)</script>"),
    *("<style>.a{color:red}</style>", "<style>*{background:url(//e)}</style>", "<mglyph>", "<foreignObject>"),
]
CSS_PIECES = [
    *(
        "a",
        ".a",
        "#b",
        "*",
        ".jp-x",
        ":root",
        "html",
        "body",
        ":hover",
        "::after",
        ":nth-child(2n+1)",
        ":not(.z)",
        ":has(a)",
    ),
    *(
        ",",
        " ",
        ">",
        "+",
        "~",
        "[x]",
        "{",
        "}",
        ";",
        ":",
        "@media x",
        "@import '//e';",
        "@layer",
        "@property",
        "/*",
        "*/",
    ),
    *(
        "color:red",
        "position:fixed",
        "margin:-9px",
        "margin:calc(0px - 9px)",
        "inset:0",
        "--x:1",
        "width:10px",
        "top:1px",
    ),
    *(
        "background:url(//e)",
        "background:u\\72l(//e)",
        "width:attr(x type(*))",
        "color:var(--jp-x, red)",
        "font:1px 'a b'",
    ),
    *(
        "background:linear-gradient(90deg, red 5%, blue)",
        "box-shadow:0 0 0 9999px",
        "content:'x'",
        "!important",
        "\\",
        '"',
    ),
    *("(", ")", "'", "<", "</style>", "<!--", "\n", "\0", "é", "image-set(", "expression(", "src("),
]
MARKDOWN_PIECES = [
    *(
        "`",
        "``",
        "```",
        "~~~",
        "\n",
        "\n\n",
        "    ",
        "  ",
        "- ",
        "> ",
        "# ",
        "| ",
        "|---|\n",
        "$",
        "$$",
        "\\",
        "<p>",
        "<b>",
    ),
    *(
        "</p>",
        "http://a.b/",
        "[a](",
        "]: ",
        '"',
        ")",
        ": ",
        "text",
        "html",
        "<!--",
        "<",
        "\t",
        "(",
        "\n```\n",
        "![",
        "](",
    ),
    *(
        "<img src=x onerror=alert(1)>",
        "javascript:alert(1)",
        "/logout",
        "data:image/png;base64,A",
        "\\begin{a}",
        "&lt;",
    ),
    *("https://a.b/?<x>", "<https://a.b>", "<script>", "<br>", "[r]: x", "\\href{javascript:x}", "\0", "\x1b"),
]


@given(st.lists(st.sampled_from(HTML_PIECES), max_size=40).map("".join))
def test_html_only_shows_something(source: str) -> None:
    assert faults(clean_html(source)) == []
    shown = SAFE.bundle({"text/html": source}, {})[0].get("text/html", "")
    assert faults(shown) == []


@given(st.text(max_size=80))
def test_any_text_as_html_only_shows_something(source: str) -> None:
    assert faults(clean_html(source)) == []


@given(st.lists(st.sampled_from(CSS_PIECES), max_size=30).map("".join))
def test_style_sheets_and_attributes_stay_where_they_are(css: str) -> None:
    quoted = css.replace("&", "&amp;").replace('"', "&quot;")
    for source in (f"<style>{css}</style><b class=a>x</b>", f'<b style="{quoted}">x</b>'):
        assert faults(clean_html(source)) == []
        assert faults(SAFE.bundle({"text/html": source}, {})[0].get("text/html", "")) == []


@given(st.lists(st.sampled_from(MARKDOWN_PIECES), max_size=30).map("".join))
def test_markdown_only_shows_something(source: str) -> None:
    data, _ = SAFE.bundle({"text/markdown": source}, {})
    assert faults(data.get("text/html", "")) == []
    if "text/markdown" in data:
        assert not set("<&[]`$\\~{}") & set(data["text/markdown"])


SVG_PIECES = [
    *(
        "<g",
        "<path",
        "<style>",
        "</style>",
        "<use",
        "<image",
        "<script>",
        "</script>",
        "</g>",
        "/>",
        ">",
        " ",
        "<text>x</text>",
    ),
    *(" id='a'", " class='jp-Dialog'", " style='position:fixed'", " style='fill:url(#a)'", " href='#a'", " href='//e'"),
    *(" onload='x'", " fill='url(#a)'", " fill='url(//e)'", " overflow='visible'", "*{fill:red}", ".a{stroke:url(#b)}"),
    *("<!DOCTYPE a>", "<!ENTITY a 'b'>", "&a;", "&lt;", "<?x y?>", "<!-- c -->", "<![CDATA[<b>]]>", " x:href='#b'"),
]


@given(st.lists(st.sampled_from(SVG_PIECES), max_size=16).map("".join))
def test_svg_only_draws(inner: str) -> None:
    drawn = inert_svg(f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink">{inner}</svg>')
    if drawn is not None:
        root = ElementTree.fromstring(drawn)
        for element in root.iter():
            assert element.tag.rpartition("}")[2] in _TAGS
            for name, value in element.attrib.items():
                assert not name.startswith("on") and "position" not in value and name != "overflow"
                assert "//" not in value and (name not in ("id", "class") or value.startswith("sbx-"))
        assert "<!" not in drawn and "<?" not in drawn


@given(
    st.dictionaries(
        st.sampled_from(["text/html", "text/markdown", "image/svg+xml", "text/plain", "application/javascript", "x/y"]),
        st.one_of(st.text(max_size=20), st.integers(), st.none(), st.lists(st.text(max_size=5), max_size=3)),
        max_size=4,
    )
)
def test_bundle_is_never_lost_without_a_word(bundle: dict[str, Any]) -> None:
    data, _ = SAFE.bundle(bundle, {})
    assert bool(data) is bool(bundle)
    assert all(isinstance(value, str) for value in data.values())
    if bundle.keys() & {"application/javascript", "x/y"} and not data.keys() - {"text/plain"}:
        assert "trust" in data["text/plain"]


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "text/markdown"])
@given(text=st.text(max_size=200))
def test_lone_surrogates_and_controls_break_nothing(kind: str, text: str) -> None:
    SAFE.bundle({kind: text + "\ud800"}, {})
