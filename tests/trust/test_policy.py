"""MIME bundles: each type passes, is made harmless, or is left out with a note."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

import pytest

from hopx_kernel.trust import TrustPolicy

from .page import SAFE, TRUSTED, Page


def drawn(inner: str, head: str = "") -> str:
    source = f'{head}<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{inner}</svg>'
    data, _ = SAFE.bundle({"image/svg+xml": source}, {})
    assert list(data) == ["image/svg+xml"]
    return str(data["image/svg+xml"])


def test_inert_svg_passes() -> None:
    canonical = drawn('<style>.a{fill:red}</style><use xlink:href="#b"/><path class="a" d="M0 0" id="b"/>')
    parts = (
        " .sbx-a {fill:red}",
        'href="#sbx-b"',
        'class="sbx-a" d="M0 0" id="sbx-b"',
        'xmlns="http://www.w3.org/2000/svg"',
    )
    for part in parts:
        assert part in canonical
    assert canonical.startswith('<svg class="sbx-of-') and "<style>.sbx-of-" in canonical


def test_svg_of_matplotlib_is_drawn_as_it_is() -> None:
    figure = pytest.importorskip("matplotlib.figure").Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot([1, 3, 2], label="a < b")
    axes.legend()
    axes.fill_between([0, 1, 2], [0, 1, 0], hatch="//", alpha=0.5)
    written = io.StringIO()
    figure.savefig(written, format="svg")
    data, _ = SAFE.bundle({"image/svg+xml": written.getvalue()}, {})
    canonical = data["image/svg+xml"]
    assert canonical.count("<path") == written.getvalue().count("<path")
    assert canonical.count("clip-path") == written.getvalue().count("clip-path=")
    references = set(re.findall(r'(?:url\(|href=")#([^)"]+)', canonical))
    assert references and references <= set(re.findall(r' id="([^"]+)"', canonical))


@pytest.mark.parametrize(
    "head",
    [
        "<!DOCTYPE svg [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>",
        "<!DOCTYPE svg [<!NOTATION n SYSTEM '><img src=x onerror=alert(1)>'>]>",
        "<!doctype svg SYSTEM 'http://evil.example/x.dtd'>",
        "<!DOCTYPE html>",
    ],
)
def test_svg_that_declares_anything_is_refused_before_it_is_read(head: str) -> None:
    source = f'{head}<svg xmlns="http://www.w3.org/2000/svg"><text>&b;</text></svg>'
    data, _ = SAFE.bundle({"image/svg+xml": source}, {})
    assert list(data) == ["text/plain"] and "declares entities" in data["text/plain"]


def test_drawing_stays_in_its_place() -> None:
    canonical = drawn(
        '<g overflow="visible" class="jp-Dialog" style="overflow: visible; fill: red"><path d="M0 0"/></g>'
    )
    assert "overflow" not in canonical and '"jp-' not in canonical and "fill: red" in canonical


@pytest.mark.parametrize(
    ("inner", "head"),
    [
        ("<!-- <script>alert(1)</script> -->", ""),
        ("<?x ><img src=x onerror=alert(1)>?>", ""),
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
        "<style>* {position:fixed}</style>",
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
    beside = SAFE.bundle({"text/plain": "shown", mime: "alert(1)"}, {})[0]
    assert beside["text/plain"] == data["text/plain"] + "\nshown"


def test_note_takes_the_place_of_what_only_names_an_object() -> None:
    plain = "<IPython.core.display.Javascript object>"
    data, _ = SAFE.bundle({"application/javascript": "alert(1)", "text/plain": plain}, {})
    assert plain not in data["text/plain"] and "JavaScript from the sandbox was not run" in data["text/plain"]


def test_note_says_how_to_have_what_was_left_out() -> None:
    policy = TrustPolicy(remedy="Put x into y.")
    assert policy.bundle({"application/javascript": "1"}, {})[0]["text/plain"].endswith("in this page. Put x into y.]")


def test_good_representation_stands_without_a_note() -> None:
    for mime, value in (("text/html", "<b>x</b>"), ("image/png", "AAAA"), ("application/json", {"a": 1})):
        bundle = {"application/vnd.vega.v5+json": {}, mime: value, "text/plain": "p"}
        assert SAFE.bundle(bundle, {})[0] == {mime: value, "text/plain": "p"}


def test_error_has_one_line_as_its_name_and_nothing_for_a_terminal() -> None:
    content = {
        "ename": "E\x1b]0;x\x07\n",
        "evalue": "a\x1b]52;c;QQ\x07b\x9d",
        "traceback": ["\x1b[31mx\x1b[0m\x1bc", 5],
    }
    clean = SAFE.error(content)
    assert clean == {"ename": "E ", "evalue": "ab", "traceback": ["\x1b[31mx\x1b[0m", "5"]}
    assert TrustPolicy(trusted=True).error(content) == content


@pytest.mark.parametrize(
    ("source", "safe"),
    [
        ("$x<y$", "$x< y$"),
        ("<img src=x onerror=alert(1)>", "< img src=x onerror=alert(1)>"),
        ("$\\displaystyle x$", "$\\displaystyle x$"),
        ("$\\href{//x}{y}$", None),
        ('$\\mmlToken{mi}[href="javascript:alert(1)"]{x}$', None),
        ("$\\unicode[serif;position:fixed;background:url(/logout)]{65}$", None),
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
        data, _ = SAFE.bundle({mime: {"a": 1}, "text/plain": "p"}, {})
        assert list(data) == ["text/plain"] and data["text/plain"].endswith("]\np") and mime in data["text/plain"]
    data, _ = SAFE.bundle({"image/png": '" onerror="x', "text/plain": "p"}, {})
    assert list(data) == ["text/plain"] and "onerror" not in data["text/plain"]
    _, metadata = SAFE.bundle(
        {"image/png": "AA"}, {"image/png": {"width": "1 onerror=x", "height": "5px"}, "height": 5}
    )
    assert metadata == {"image/png": {"height": "5px"}, "height": 5}


def test_of_metadata_passes_what_is_known_to_say_how_something_looks() -> None:
    known = {
        "isolated": True,
        "image/png": {"width": 5, "needs_background": "dark", "unconfined": True, "alt": "a chart"},
        "application/json": {"expanded": False, "root": "result"},
        "scrapbook": {"name": "x", "data": True},
        "papermill": {"name": "x"},
    }
    # By these nbconvert asks for a file in the picture's place, and writes the picture to where they say.
    unknown = {"filenames": {"image/png": "/x"}, "filename": "../../x.png", "tags": ["x"], "x": {"y/z": 1}}
    odd = {"width": [5], "image/jpeg": {"filename": "x", "unconfined": "x", "needs_background": ["dark"]}}
    bundle = {"image/png": "AA", "text/plain": "x"}
    assert SAFE.bundle(bundle, {**known, **unknown, **odd}) == (bundle, {**known, "image/jpeg": {}})
    assert SAFE.bundle(bundle, {"alt": '"><img src=x onerror=y>'})[1]["alt"].split() == ["img", "src=x", "onerror=y"]
    assert TRUSTED.bundle(bundle, unknown)[1] == unknown


def test_note_names_the_types_of_what_is_left_out() -> None:
    data, _ = SAFE.bundle({"application/geo+json": {}, "x/\x1b]52;y": 1}, {})
    assert list(data) == ["text/plain"] and "application/geo+json" in data["text/plain"]
    assert "trust" in data["text/plain"] and "\x1b" not in data["text/plain"] and "JavaScript" not in data["text/plain"]
    assert len(SAFE.bundle({"x/" + "y" * 10_000: 1}, {})[0]["text/plain"]) < 300
