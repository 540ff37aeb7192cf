"""HTML from the sandbox: what acts in a page is taken out or framed, what people show passes. Browsers have tests of their own."""

from __future__ import annotations

import base64
import html
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopx_kernel.trust import TrustPolicy
from hopx_kernel.trust.markup import clean_html, safe_html
from hopx_kernel.trust.scan import scan

from .markup_oracle import faults
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
    assert faults(data["text/html"]) == []
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
    document = html.unescape(html.unescape(markup))
    assert source in document and "default-src 'none'" in document and "connect-src data: blob:;" in document
    assert " https:" not in document


def test_links_open_elsewhere_and_tell_nothing() -> None:
    markup = SAFE.bundle({"text/html": '<a href="https://example.com/">x</a><a href="/lab">y</a>'}, {})[0]["text/html"]
    assert 'href="https://example.com/"' in markup and "noopener" in markup and "/lab" not in markup


@pytest.mark.parametrize(
    "address",
    [
        "http:lab/tree?reset",
        "https:/lab",
        "http:\\lab",
        " HTTP:lab",
        "http:",
        "lab",
        "//x",
        "ht&#9;tp:/lab",
        "h\nttp:lab",
        "&#1;http:lab",
    ],
)
def test_link_to_the_page_s_own_server_is_none(address: str) -> None:
    assert "href" not in SAFE.bundle({"text/html": f'<a href="{address}">x</a>'}, {})[0]["text/html"]


def test_page_fetches_nothing_with_its_cookies() -> None:
    for markup in (
        "<img src=/logout>",
        "<img src=http://localhost/logout>",
        "<video poster=/logout>",
        "<img srcset=/x>",
    ):
        assert Page(SAFE.bundle({"text/html": markup}, {})[0]["text/html"]).frames == 1


@pytest.mark.parametrize(
    "sheet",
    [
        ":not(.z){color:red}",
        ".z:has(a){color:red}",
        "button:not(.z){color:red}",
        ".z{position:fixed}",
        ".z{color:red; .a{color:blue}}",
        ".z{width:attr(x type(*))}",
        ".z{background:url(//evil.example)}",
        "@media print{.z{color:red}}",
        ".z{--x:1}",
        ":root .z{color:red}",
        ".z{margin:calc(0px - 900px)}",
        ".z{box-shadow:0 0 0 9999px red}",
        ".z{line-height:0;font-size:20px}",
    ],
)
def test_style_sheet_that_is_not_understood_goes_into_a_frame(sheet: str) -> None:
    assert Page(SAFE.bundle({"text/html": f'<style>{sheet}</style><i class="z"></i>'}, {})[0]["text/html"]).frames == 1
    assert faults(clean_html(f'<style>{sheet}</style><i class="z"></i>')) == []


@pytest.mark.parametrize("sheet", [".z,p{color:red}", "* {display:none}", "#z > td:nth-child(2n+1) {color:red}"])
def test_style_sheet_concerns_its_own_output_alone(sheet: str) -> None:
    markup = SAFE.bundle({"text/html": f'<style>{sheet}</style><i class="z" id="z">x</i>'}, {})[0]["text/html"]
    assert Page(markup).frames == 0 and faults(markup) == []
    assert markup.startswith('<div class="sbx-of-') and 'class="sbx-z"' in markup and 'id="sbx-z"' in markup


def test_sheet_and_markup_name_the_same() -> None:
    source = '<style type="text/css">\n#T_1_row0_col0 {\n  color: red;\n}\n</style><table id="T_1_row0_col0"></table>'
    markup = SAFE.bundle({"text/html": source}, {})[0]["text/html"]
    assert "#sbx-T_1_row0_col0 {color: red}" in markup and '<table id="sbx-T_1_row0_col0">' in markup


@pytest.mark.parametrize("name", ["Toastify__toast-container", "jp-Dialog", "lm-Menu", "anything"])
def test_classes_of_the_page_are_not_to_be_had(name: str) -> None:
    for markup in (clean_html(f'<b class="{name}" id="{name}">x</b>'), clean_html(f"<b class='a {name}\t'>x</b>")):
        assert faults(markup) == [] and f'"{name}' not in markup


def test_styler_keeps_its_looks() -> None:
    pandas = pytest.importorskip("pandas")
    styler = pandas.DataFrame({"a": [1, 2], "b": [3.0, 4.0]}).style.bar(subset=["a"]).highlight_max(color="yellow")
    source = styler.set_caption("Caption").set_properties(**{"font-weight": "bold"}).to_html()
    markup = SAFE.bundle({"text/html": source}, {})[0]["text/html"]
    assert "<iframe" not in markup and faults(markup) == []
    assert markup.count("linear-gradient") == source.count("linear-gradient") and "background-color: yellow" in markup


def test_variables_of_the_theme_are_known_and_none_is_set() -> None:
    assert "var(--jp-border-color1, #ccc)" in clean_html(
        '<b style="border:1px solid var(--jp-border-color1, #ccc)">x</b>'
    )
    assert "var" not in clean_html('<b style="color:var(--mine);--mine:red;margin:var(--jp-x)">x</b>')


@pytest.mark.parametrize(
    "tag", ["<wbr>", "<WBR/>", '<wbr class="a">', '<wbr title="a>b">', "<wbr style='color:red'><wbr id=x>", "<!-- -->",
        # What JupyterLab takes out of a notebook that it opens again, and leaves what is around it.
        "<rp></rp>", "<main></main>", '<picture title="a>b"></picture>', "<ruby><rt></rt></ruby>", "<b class='x'></b>"]
)  # fmt: skip
def test_command_of_tex_is_known_over_what_is_read_over(tag: str) -> None:
    source = f"$\\hr{tag}ef{{javascript:evil()}}{{x}}$"
    assert "\\" not in clean_html(source)
    assert str(safe_html(source)).startswith("<iframe")


@pytest.mark.parametrize("columns", ["columns:2", "column-count:2", "column-width:9px", "columns:calc(1 + 1)"])
def test_columns_in_columns_are_not_to_be_had(columns: str) -> None:
    assert clean_html(f'<i style="{columns};column-gap:9px">x</i>' * 2).count("column") == 2
    shown = str(safe_html(f"<style>.a{{{columns}}}</style><i class=a>x</i>"))
    assert "column" not in shown or shown.startswith("<iframe")


_PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://x/seg.ts\n"


@pytest.mark.parametrize(
    "address",
    [
        f"data:video/mp4;base64,{base64.b64encode(_PLAYLIST).decode()}",
        f"data:video/mp4;BASE64 ,{base64.b64encode(_PLAYLIST).decode()}",
        f"data:audio/mp3;codecs=x;base64,{' '.join(base64.b64encode(_PLAYLIST).decode())}",
        f"data:video/mp4;bas\te64,{base64.b64encode(_PLAYLIST).decode()}",
        "data:audio/mpegurl;base64,AAAA", "data:audio/X-MPEGURL,x", "data:video/mp4,%23EXTM3U%0A",
        "data:application/vnd.apple.mpegurl;base64,AAAA", "data:text/html,x",
    ],
)  # fmt: skip
def test_film_that_is_a_list_of_addresses_is_left_out(address: str) -> None:
    for source in (f'<video src="{address}"></video>', f'<audio><source src="{address}"></audio>'):
        assert "src" not in clean_html(source)


@pytest.mark.parametrize(
    "style",
    [
        "font-size:var(--jp-x,9000px)", "letter-spacing:var(--jp-x,-900px)", "text-indent:var(--jp-x,var(--jp-y,-900px))",
        "box-shadow:var(--jp-x,0 0 0 9000px red)", "line-height:var(--jp-x,0)", "font:200px/0.01 serif",
        "font:200px/0px serif", "font:200px/var(--jp-x,0) serif", "font-size-adjust:900", "padding:var(--jp-x,-9px)",
    ],
)  # fmt: skip
def test_no_way_of_writing_a_length_passes_its_bounds(style: str) -> None:
    assert clean_html(f'<b style="{style}">x</b>') == "<b>x</b>"


def test_what_holds_for_want_of_a_variable_is_kept_whole() -> None:
    for style in (
        "font:bold 12px/1.4 Arial, sans-serif", "border:var(--jp-x, 1px solid #ccc)", "width:calc(9px * var(--jp-x, 2))",
    ):  # fmt: skip
        assert clean_html(f'<b style="{style}">x</b>') == f'<b style="{style}">x</b>'


# ---------------------------------------------------------------------- sizes


HUGE = {
    "deep": "<div>" * 400_000,
    "many attributes": "<b" + "".join(f" a{index}" for index in range(100_000)) + ">",
    "deep by formats": "<b id=1><table><td></b></table>" * 10_000,
}


@pytest.mark.parametrize("markup", HUGE.values(), ids=HUGE)
def test_markup_that_is_too_large_or_too_deep_becomes_a_note(markup: str) -> None:
    data, _ = TrustPolicy(remedy="The remedy.").bundle(
        {"text/html": markup, "text/plain": "<IPython.core.display.HTML object>"}, {}
    )
    assert list(data) == ["text/plain"]
    assert data["text/plain"].startswith("[HTML of ") and data["text/plain"].endswith("The remedy.]")
    assert clean_html(markup).startswith("[HTML of ")


def test_note_says_how_large_and_how_deep() -> None:
    data, _ = SAFE.bundle({"text/html": "<i>" * 300}, {})
    assert "HTML of 900 bytes with 300 elements in one another was not shown: 256 are the most" in data["text/plain"]


def test_lists_paragraphs_and_tables_without_end_tags_are_not_deep() -> None:
    markup = "<ul>" + "<li>x" * 5000 + "</ul>" + "<p>x" * 5000 + "<table>" + "<tr><td>x<td>y" * 5000 + "</table>"
    assert "[HTML" not in clean_html(markup)


def test_look_over_markup_takes_a_time_that_grows_with_its_length() -> None:
    # Counted in lines that are run, not by a clock.
    for piece in (
        "<div>",
        "<b a=1>",
        "<!--",
        "<a '",
        "<style>",
        "<![CDATA[",
        "</p>",
        "<x/",
        "&lt;",
        "<",
        "<li>",
        '<b title="',
    ):
        once, twice = (_lines_of(piece * count) for count in (300, 600))
        assert twice <= 2.2 * once + 200, piece


def _lines_of(markup: str) -> int:
    lines = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        scan(markup)
    finally:
        sys.settrace(before)
    return lines
