"""MIME bundles: each type passes, is made harmless, or is left out with a note."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from .page import SAFE, Page


def drawn(inner: str, head: str = "") -> str:
    source = f'{head}<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{inner}</svg>'
    data, _ = SAFE.bundle({"image/svg+xml": source}, {})
    assert list(data) == ["image/svg+xml"]
    return str(data["image/svg+xml"])


def test_inert_svg_passes() -> None:
    canonical = drawn('<style>.a{fill:red}</style><use xlink:href="#b"/><path class="a" d="M0 0"/>')
    for part in (".a{fill:red}", 'href="#b"', 'class="a" d="M0 0"', 'xmlns="http://www.w3.org/2000/svg"'):
        assert part in canonical


@pytest.mark.parametrize(
    ("inner", "head"),
    [
        ("<!-- <script>alert(1)</script> -->", ""),
        ("<?x ><img src=x onerror=alert(1)>?>", ""),
        ("", "<!DOCTYPE svg [<!NOTATION n SYSTEM '><img src=x onerror=alert(1)>'>]>"),
        ("<title><![CDATA[<img src=x onerror=alert(1)>]]></title>", ""),
    ],
)
def test_svg_that_reads_otherwise_as_html_is_written_anew(inner: str, head: str) -> None:
    canonical = drawn(f'{inner}<path d="M0 0"/>', head)
    assert "<img" not in canonical and "<script" not in canonical and "<path" in canonical


@pytest.mark.parametrize(
    "inner",
    [
        "<script>alert(1)</script>",
        '<path onclick="alert(1)"/>',
        "<foreignObject><body xmlns='http://www.w3.org/1999/xhtml'/></foreignObject>",
        '<a href="javascript:alert(1)"><path/></a>',
        '<use href="//evil.example/x.svg#a"/>',
        "<style><![CDATA[</style><script>alert(1)</script>]]></style>",
        "<SCRIPT>alert(1)</SCRIPT>",
        "<p/><IFRAME srcdoc='&lt;script>alert(1)&lt;/script>'/>",
        "<animate attributeName='href' to='javascript:alert(1)'/>",
        "<style>* {display:none}</style>",
        '<path style="fill:url(//evil.example/x)"/>',
        "<unclosed>",
        '<image href="data:image/svg+xml,&lt;svg/&gt;"/>',
    ],
)
def test_svg_that_acts_becomes_an_image(inner: str) -> None:
    source = f'<svg xmlns="http://www.w3.org/2000/svg">{inner}</svg>'
    data, _ = SAFE.bundle({"image/svg+xml": source}, {})
    assert list(data) == ["text/html"] and data["text/html"].startswith('<img src="data:image/svg+xml;base64,')
    assert base64.b64decode(data["text/html"].split("base64,")[1].split('"')[0]).decode() == source
    assert Page(data["text/html"]).acts == []


@pytest.mark.parametrize(
    "mime",
    [
        "application/javascript",
        "text/javascript",
        "application/vnd.bokehjs_exec.v0+json",
        "application/vnd.holoviews_load.v0+json",
        "Application/JavaScript",
    ],
)
def test_scripts_by_type_are_replaced_by_a_note(mime: str) -> None:
    data, _ = SAFE.bundle({mime: "alert(1)"}, {})
    assert list(data) == ["text/plain"] and "alert" not in data["text/plain"] and "trust" in data["text/plain"]
    assert SAFE.bundle({mime: "alert(1)", "text/plain": "shown"}, {})[0]["text/plain"] in ("shown", data["text/plain"])


@pytest.mark.parametrize(
    ("source", "safe"),
    [
        ("# Title\n\n> quote, *em* and a < b", "# Title\n\n> quote, *em* and a < b"),
        ("x <b>bold</b><br/>", "x <b>bold</b><br/>"),
        ("x <img src=x onerror=alert(1)>", "x &lt;img src=x onerror=alert(1)>"),
        ("</p><script>alert(1)</script>", "</p>&lt;script>alert(1)&lt;/script>"),
        ("<b onclick=alert(1)>", "&lt;b onclick=alert(1)>"),
        ("[x](javascript:alert(1))", None),
        ("[x](java&#115;cript:alert(1))", None),
        ("[x]: JaVa\nScRiPt:alert(1)", None),
        ("[x](data:text/html,x)", None),
        ("$\\href{javascript:alert(1)}{x}$", None),
        ("$\\require{html}$", None),
    ],
)
def test_markdown(source: str, safe: str | None) -> None:
    data, _ = SAFE.bundle({"text/markdown": source, "text/plain": "p"}, {})
    assert data.get("text/markdown") == safe and data["text/plain"] == "p"


@pytest.mark.parametrize(
    ("source", "safe"),
    [
        ("$x<y$", "$x< y$"),
        ("<img src=x onerror=alert(1)>", "< img src=x onerror=alert(1)>"),
        ("$\\displaystyle x$", "$\\displaystyle x$"),
        ("$\\href{//x}{y}$", None),
        ('$\\mmlToken{mi}[href="javascript:alert(1)"]{x}$', None),
    ],
)
def test_latex(source: str, safe: str | None) -> None:
    assert SAFE.bundle({"text/latex": source, "text/plain": "p"}, {})[0].get("text/latex") == safe


@pytest.mark.parametrize(
    "bundle",
    [
        {"image/png": "AAAA"},
        {"application/json": {"a": [1]}},
        {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}},
        {"application/vnd.plotly.v1+json": {"data": []}},
        {"application/papermill.record+json": {"a": 1}},
        {},
    ],
)
def test_data_passes_unchanged(bundle: dict[str, Any]) -> None:
    assert SAFE.bundle(bundle, {"image/png": {"width": 5}}) == (bundle, {"image/png": {"width": 5}})


def test_types_and_sizes_that_nobody_knows_are_left_out() -> None:
    for mime in ("application/vnd.vega.v5+json", "application/geo+json", "text/vnd.mermaid", "x/y"):
        assert SAFE.bundle({mime: {"a": 1}, "text/plain": "p"}, {})[0] == {"text/plain": "p"}
    assert SAFE.bundle({"image/png": '" onerror="x', "text/plain": "p"}, {})[0] == {"text/plain": "p"}
    _, metadata = SAFE.bundle(
        {"image/png": "AA"}, {"image/png": {"width": "1 onerror=x", "height": "5px"}, "height": 5}
    )
    assert metadata == {"image/png": {"height": "5px"}, "height": 5}


def test_note_names_the_types_of_what_is_left_out() -> None:
    data, _ = SAFE.bundle({"application/geo+json": {}, "x/\x1b]52;y": 1}, {})
    assert list(data) == ["text/plain"] and "application/geo+json" in data["text/plain"]
    assert "trust" in data["text/plain"] and "\x1b" not in data["text/plain"] and "JavaScript" not in data["text/plain"]
    assert len(SAFE.bundle({"x/" + "y" * 10_000: 1}, {})[0]["text/plain"]) < 300
